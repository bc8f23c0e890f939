import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from components._data.examples import read_split
from components._shared.digest import digest_code
from components._shared.errors import UserError
from components._tf.transform_graph import FeatureSpec, TransformGraph, read_feature_spec
from components.transform_features.executor import transform_features

PASS_LABEL = (
    "import tensorflow as tf\ndef preprocessing_fn(inputs):\n    outputs = {'late': inputs['late'], 'hour': inputs['hour']}\n"
)

ASSERTION = f"""import tensorflow_transform as tft
{PASS_LABEL}
    tf.debugging.assert_less(inputs['hour'], tf.constant(5, tf.int64))
    outputs['z'] = tft.scale_to_z_score(inputs['hour'])
    return outputs
"""


def test_train_and_eval_are_transformed_whole_and_test_stays_raw(transformed):
    root, result = transformed
    assert result.rows == {"train": 60, "eval": 12}
    assert sorted(folder.name for folder in (root / "transformed_examples").iterdir()) == ["Split-eval", "Split-train"]
    assert result.features == ("hour_z", "origin_id", "pair", "seats_z")


def test_z_scores_are_learned_from_train_alone(transformed):
    root, _ = transformed
    train, evaluation = (read_split(root / "transformed_examples", split)["hour_z"].to_numpy() for split in ("train", "eval"))
    assert train.mean() == pytest.approx(0, abs=1e-6)
    assert train.std() == pytest.approx(1, abs=1e-6)
    # Hours of eval are 50 above those of train: had they been learned from, they would not lie this far out.
    assert evaluation.min() > 10


def test_missing_values_are_imputed_with_the_mean_of_those_present(transformed):
    root, _ = transformed
    seats = read_split(root / "transformed_examples", "train")["seats_z"].to_numpy()
    missing = np.arange(60) % 4 == 0
    assert np.all(seats[missing] == 0)
    assert seats[~missing].mean() == pytest.approx(0, abs=1e-6)


def test_rows_keep_their_order_and_label(transformed):
    root, _ = transformed
    labels = read_split(root / "transformed_examples", "train")["late"].to_pylist()
    assert labels == [row % 2 for row in range(60)]


def test_vectors_become_lists_of_fixed_size(transformed):
    root, _ = transformed
    pair = read_split(root / "transformed_examples", "eval")["pair"]
    assert pair.type == pa.list_(pa.float32(), 2)
    assert pair.to_pylist()[1] == [51.0, 51.0]


def test_the_feature_spec_knows_the_vocabularys_size(transformed):
    root, _ = transformed
    spec = read_feature_spec(root / "transform_graph")
    assert spec["origin_id"] == FeatureSpec([], tf.int64, 4)  # three values and one bucket for those never seen
    assert spec["pair"] == FeatureSpec([2], tf.float32, None)
    assert spec["late"].size is None


def test_unseen_and_missing_values_are_served(transformed):
    root, _ = transformed
    graph = TransformGraph(root / "transform_graph")
    raw = {"origin": tf.constant(["never seen"]), "hour": tf.constant([3], tf.int64), "seats": tf.constant([float("nan")])}
    outputs = graph(raw)
    assert outputs["origin_id"].numpy() == [3]
    assert outputs["seats_z"].numpy() == [0.0]


def test_a_nan_is_missing_in_training_as_it_is_in_serving(inputs, changed_examples, transformed):
    def nan_for_null(table):
        return table.set_column(2, "seats", pa.array(table["seats"].fill_null(float("nan")).to_pylist(), pa.float32()))

    arguments = inputs(FEATURES_OF_SEATS, examples=changed_examples("train", nan_for_null))
    transform_features(**arguments)
    root, _ = transformed
    seats = [
        read_split(folder, "train")["seats_z"] for folder in (arguments["transformed_examples"], root / "transformed_examples")
    ]
    np.testing.assert_allclose(*seats)


FEATURES_OF_SEATS = """
import tensorflow as tf
import tensorflow_transform as tft
def preprocessing_fn(inputs):
    seats = tft.scale_to_z_score(inputs["seats"])
    dense = tf.sparse.to_dense(tf.SparseTensor(seats.indices, seats.values, [seats.dense_shape[0], 1]), 0.0)
    return {"seats_z": tf.squeeze(dense, axis=1), "late": inputs["late"]}
"""


def test_a_feature_that_every_row_lacks_is_imputed(inputs, changed_examples):
    def without(table):
        return table.set_column(2, "seats", pa.nulls(table.num_rows, pa.float32()))

    arguments = inputs(FEATURES_OF_SEATS, examples=changed_examples("train", without))
    transform_features(**arguments)
    assert set(read_split(arguments["transformed_examples"], "train")["seats_z"].to_pylist()) == {0.0}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nothing_of_the_kind\n", "line 1: import nothing_of_the_kind"),
        ("def preprocessing_fn(inputs)\n", "features.py, line 1"),
        ("def other(inputs):\n    return inputs\n", "defines the function preprocessing_fn"),
        ("def preprocessing_fn(inputs):\n    return {'a': inputs['no_such']}\n", "line 2: return {'a': inputs['no_such']}"),
        ("def preprocessing_fn(inputs):\n    return {'hour': inputs['hour']}\n", "passes the label 'late' through"),
        ("def preprocessing_fn(inputs):\n    return {'late': inputs['late']}\n", "at least one feature besides the label"),
        (f"{PASS_LABEL}    outputs['s'] = inputs['seats']\n    return outputs\n", "'s': SparseTensor"),
        (f"{PASS_LABEL}    outputs['half'] = outputs['hour'] / 2\n    return outputs\n", "tensor of float32, int64 or string"),
        ("def preprocessing_fn(inputs):\n    return inputs['hour']\n", "returns a dict of tensors"),
        (
            f"{PASS_LABEL}    outputs['ratio'] = 1 / tf.cast(outputs['hour'] - 3, tf.float32)\n    return outputs\n",
            "'ratio' is not",
        ),
        (f"{PASS_LABEL}    outputs[1] = inputs['hour']\n    return outputs\n", "outputs of preprocessing_fn have names"),
        (f"{PASS_LABEL}    outputs['n'] = tf.reduce_sum(inputs['hour'])\n    return outputs\n", "one vector, per row"),
        (f"{PASS_LABEL}    outputs['late'] = tf.one_hot(inputs['late'], 2)\n    return outputs\n", "'late' as one number"),
        (f"{PASS_LABEL}    outputs['late'] = tf.as_string(inputs['late'])\n    return outputs\n", "'late' as one number"),
        (
            f"{PASS_LABEL}    outputs['p'] = tf.py_function(abs, [inputs['hour']], tf.int64)\n    return outputs\n",
            "Replace tf.py_function",
        ),
        (
            f"{PASS_LABEL}    outputs['p'] = tf.strings.to_number(inputs['origin'])\n    return outputs\n",
            "Received: StringToNumberOp could not correctly convert string: JFK. Guard",
        ),
        (
            ASSERTION,
            "takes every row. Received: assertion failed",
        ),
    ],
)
def test_a_mistake_in_features_is_named_and_leaves_nothing(inputs, code, message):
    arguments = inputs(code)
    with pytest.raises(UserError) as raised:
        transform_features(**arguments)
    assert message in str(raised.value)
    assert not Path(arguments["transform_graph"]).exists()
    assert not Path(arguments["transformed_examples"]).exists()


def test_a_file_changed_since_compile_time_is_refused(inputs):
    with pytest.raises(UserError, match="compiled with"):
        transform_features(**inputs(features_hash="sha256:other"))


def test_a_graph_of_an_earlier_run_does_not_outlive_a_failure(inputs, tmp_path):
    for name in ("transform_graph", "transformed_examples"):
        (tmp_path / name).mkdir()
    with pytest.raises(UserError, match="compiled with"):
        transform_features(**inputs(features_hash="sha256:other"))
    assert list(tmp_path.iterdir()) == []


def test_a_column_that_is_not_there_is_told_once_and_without_beam(inputs, changed_examples, caplog):
    with pytest.raises(UserError, match=r"without hour\. Bring a feature of schema\.pbtxt"):
        transform_features(**inputs(PASS_LABEL, examples=changed_examples("train", lambda table: table.drop(["hour"]))))
    assert not caplog.records


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(["hour"]), "hour"),
        (lambda table: table.set_column(1, "hour", pa.array(["six"] * 60)), "'hour' holds one INT value per row"),
        (lambda table: table.set_column(0, "origin", pa.nulls(60, pa.string())), "required feature 'origin'"),
        (lambda table: table.slice(0, 0), "split 'train' has rows"),
    ],
    ids=["missing column", "wrong type", "nulls", "no rows"],
)
def test_data_that_does_not_suit_the_schema_is_named(inputs, changed_examples, change, message):
    features = f"{PASS_LABEL}    outputs['o'] = inputs['origin']\n    return outputs\n"
    with pytest.raises(UserError, match=message):
        transform_features(**inputs(features, examples=changed_examples("train", change)))


def test_a_split_that_is_not_the_one_of_the_manifest_is_refused(inputs, tiny_project, tmp_path):
    examples = tmp_path / "other"
    shutil.copytree(tiny_project / "examples", examples)
    shutil.copy(examples / "Split-eval/part-00000.parquet", examples / "Split-train/part-00000.parquet")
    with pytest.raises(UserError, match="split 'train' are not those that were ingested"):
        transform_features(**inputs(PASS_LABEL + "    return outputs\n", examples=str(examples)))


def test_a_corrupt_shard_is_named(inputs, tiny_project, tmp_path):
    examples = tmp_path / "corrupt"
    shutil.copytree(tiny_project / "examples", examples)
    (examples / "Split-eval" / "part-00000.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(UserError, match=r"Split-eval/part-00000\.parquet"):
        transform_features(**inputs(PASS_LABEL + "    return outputs\n", examples=str(examples)))


MODULE = """
def preprocessing_fn(inputs):
    return {"hour_xf": inputs["hour"]}

def run_fn(fn_args): ...
"""


def test_a_module_of_tfx_may_hold_all_and_leave_the_label_alone(inputs, tmp_path):
    project = tmp_path / "module"
    project.mkdir()
    (project / "model.py").write_text(MODULE)
    arguments = inputs() | {"project_dir": str(project), "features_hash": digest_code(project, "model.py")}
    assert transform_features(**arguments).features == ("hour_xf",)
    spec = tft.TFTransformOutput(arguments["transform_graph"]).raw_feature_spec()
    assert sorted(spec) == ["hour", "origin", "seats"]
    assert spec["hour"] == tf.io.FixedLenFeature([], tf.int64)
    assert spec["seats"] == tf.io.VarLenFeature(tf.float32)


def test_without_a_run_fn_the_label_is_passed_through(inputs, tmp_path):
    project = tmp_path / "module"
    project.mkdir()
    (project / "model.py").write_text(MODULE.replace("def run_fn(fn_args)", "def build_model(spec, hyperparameters)"))
    with pytest.raises(UserError, match="passes the label 'late' through"):
        transform_features(**inputs() | {"project_dir": str(project), "features_hash": digest_code(project, "model.py")})
