import json
from pathlib import Path

import numpy as np
import pytest

from components._data.examples import read_split
from components._data.schema import read_schema
from components._shared.digest import digest_model
from components._shared.errors import UserError
from components._shared.label import LabelSpec
from components._tf.interface import predict_rows, read_interface
from components._tf.saved_model import load_model
from components.train_model.executor import train_model

# As TFX's modules have it: a data set by the accessor, TFT's layer on the exported object, two signatures.
MODULE = """
import tensorflow as tf
import tensorflow_transform as tft
from tfx_bsl.public import tfxio

class Model(tf.Module):
    def __init__(self, names):
        super().__init__()
        self.names = names
        self.weights = tf.Variable(tf.random.normal([len(names), 1], stddev=0.01), name="weights")

    def __call__(self, features):
        columns = [tf.reshape(tf.cast(features[name], tf.float32), [-1, 1]) / 12 - 1 for name in self.names]
        return tf.sigmoid(tf.concat(columns, axis=1) @ self.weights)

def run_fn(fn_args):
    output = tft.TFTransformOutput(fn_args.transform_output)
    options = tfxio.TensorFlowDatasetOptions(batch_size=64, label_key="late")
    batches = fn_args.data_accessor.tf_dataset_factory(fn_args.train_files, options, output.transformed_metadata.schema)
    model = Model(sorted(name for name in output.transformed_feature_spec() if name.endswith("_bucket")))
    for features, label in batches.repeat().take(fn_args.train_steps):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(features)[:, 0] - tf.cast(tf.reshape(label, [-1]), tf.float32)) ** 2)
        model.weights.assign_sub(fn_args.hyperparameters["values"]["learning_rate"] * tape.gradient(loss, model.weights))
    export(model, output, fn_args)

def export(model, output, fn_args):
    model.tft_layer = output.transform_features_layer()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples):
        spec = output.raw_feature_spec()
        spec.pop("late")
        return {"outputs": model(model.tft_layer(tf.io.parse_example(examples, spec)))}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def transform_features(examples):
        return model.tft_layer(tf.io.parse_example(examples, output.raw_feature_spec()))

    signatures = {"serving_default": serve, "transform_features": transform_features}
    tf.saved_model.save(model, fn_args.serving_model_dir, signatures=signatures)
"""
CONSTANT = """
import tensorflow as tf

def run_fn(fn_args):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.{dtype}, name="{name}")])
    def serve({name}):
        return {{"outputs": tf.fill([tf.size({name}), {width}], 0.25)}}
    tf.saved_model.save(tf.Module(), fn_args.serving_model_dir, signatures={{"serving_default": serve}})
"""
LINKED = """
import os
import tensorflow as tf

def run_fn(fn_args):
    tf.saved_model.save(tf.Module(), fn_args.working_dir)
    {link}
"""
LINKS = {
    "folder": "os.symlink(fn_args.working_dir, fn_args.serving_model_dir)",
    "in it": "os.mkdir(fn_args.serving_model_dir); os.symlink(fn_args.working_dir, fn_args.serving_model_dir + '/variables')",
}
LOOK = """
import dataclasses, json
import tensorflow as tf

def run_fn(fn_args):
    found = {key: value for key, value in vars(fn_args).items() if key != "data_accessor"}
    found["files"] = [tf.io.gfile.glob(pattern) for pattern in fn_args.train_files + fn_args.eval_files]
    records = tf.data.TFRecordDataset(found["files"][1], compression_type="GZIP")
    found["first"] = sorted(tf.train.Example.FromString(next(iter(records)).numpy()).features.feature)
    with open(fn_args.custom_config["write"], "w") as file:
        json.dump(found, file)
"""


@pytest.fixture(scope="module")
def trained_by_module(flights, tmp_path_factory):
    """The stage run once with MODULE: its result and where it wrote."""
    from components._shared.digest import digest_code

    root = tmp_path_factory.mktemp("by-module")
    (root / "project").mkdir()
    (root / "project" / "model.py").write_text(MODULE)
    result = train_model(
        **flights,
        project_dir=str(root / "project"),
        model_hash=digest_code(root / "project", "model.py"),
        epochs=4,
        batch_size=64,
        patience=0,
        seed=3,
        hyperparameters={"learning_rate": 1.0},
        fn_args={},
        **{name: str(root / name) for name in ("model", "metrics", "report")},
    )
    return result, root


def predictions(root, flights):
    path, schema, label = root / "model" / "Format-Serving", read_schema(flights["schema"]), LabelSpec(name="late")
    rows = read_split(flights["examples"], "test")
    return predict_rows(load_model(path), read_interface(path, schema, label), rows, schema, label), rows["late"].to_numpy()


def test_a_module_in_tfxs_form_trains_and_serves_raw_rows(trained_by_module, flights):
    _, root = trained_by_module
    predicted, late = predictions(root, flights)
    assert predicted[late == 1].mean() > predicted[late == 0].mean() + 0.2


def test_training_json_says_what_is_known_and_no_more(trained_by_module):
    result, root = trained_by_module
    training = json.loads((root / "model" / "training.json").read_text())
    assert training["model_digest"] == result.model_digest == digest_model(root / "model" / "Format-Serving")
    assert (training["trained_by"], training["outputs"]) == ("run_fn", ["outputs"])
    assert training["fn_args"]["train_steps"] == 4 * 10
    assert training["fn_args"]["eval_steps"] == 2
    assert "late" not in training["features"]
    assert not {"history", "best_epoch", "epochs_run"} & training.keys()
    assert (result.metrics, json.loads((root / "metrics").read_text())) == ({}, {})
    page = (root / "report").read_text()
    assert "serialized tf.Example in &#39;examples&#39;" in page


def test_warm_up_requests_are_written_in_the_models_form(trained_by_module):
    from tensorflow import data
    from tensorflow_serving.apis import prediction_log_pb2

    file = trained_by_module[1] / "model" / "Format-Serving" / "assets.extra" / "tf_serving_warmup_requests"
    logs = [prediction_log_pb2.PredictionLog.FromString(record.numpy()) for record in data.TFRecordDataset(str(file))]
    assert [list(log.predict_log.request.inputs) for log in logs] == [["examples"]] * 3


def test_the_same_seed_gives_the_same_predictions(trained_by_module, flights, inputs, tmp_path):
    arguments = inputs(MODULE, epochs=4, seed=3, hyperparameters={"learning_rate": 1.0})
    train_model(**arguments)
    again, before = predictions(tmp_path, flights)[0], predictions(trained_by_module[1], flights)[0]
    np.testing.assert_array_equal(again, before)


def test_fn_args_has_tfxs_fields(inputs, tmp_path, flights):
    seen = tmp_path / "seen.json"
    settings = {"train_steps": 7, "examples": "raw", "custom_config": {"write": str(seen)}}
    with pytest.raises(UserError, match=r"run_fn exports a SavedModel.*Received: nothing"):
        train_model(**inputs(LOOK, fn_args=settings))
    found = json.loads(seen.read_text())
    assert (found["train_steps"], found["eval_steps"], found["base_model"]) == (7, 2, None)
    assert found["hyperparameters"]["values"] == {"learning_rate": 0.01, "hidden_units": [8]}
    assert found["schema_file"] == found["schema_path"] == str(Path(flights["schema"]) / "schema.pbtxt")
    assert found["transform_output"] == found["transform_graph_path"] == flights["transform_graph"]
    assert [len(files) for files in found["files"]] == [1, 1]
    assert {"carrier", "late"} <= set(found["first"])
    assert not Path(found["working_dir"]).parent.exists()


def test_a_training_gets_the_same_folder_for_its_checkpoints_again(inputs, tmp_path):
    folders = []
    arguments = inputs(LOOK, checkpoint_dir=str(tmp_path / "kept"))
    for seed in (1, 1, 2):
        seen = tmp_path / "seen.json"
        with pytest.raises(UserError, match="exports a SavedModel"):
            train_model(**arguments | {"fn_args": {"custom_config": {"write": str(seen)}}, "seed": seed})
        folders.append(Path(json.loads(seen.read_text())["model_run_dir"]))
    assert folders[0] == folders[1] != folders[2]
    assert {folder.parent for folder in folders} == {tmp_path / "kept"}


def test_signatures_that_no_gate_asks_are_named(inputs, caplog):
    code = CONSTANT.format(dtype="string", name="examples", width=1)
    signatures = '{"serving_default": serve, "examples": other}'
    other = '    other = tf.function(lambda rows: {"score": 1.0}, input_signature=[tf.TensorSpec([None], tf.string)])\n'
    code = code.replace('{"serving_default": serve}', signatures).replace("    tf.saved", f"{other}    tf.saved")
    train_model(**inputs(code))
    assert "No gate asks the signatures examples;" in caplog.text


def test_a_training_that_is_over_leaves_no_checkpoints_to_go_on_from(inputs, tmp_path):
    code = CONSTANT.format(dtype="string", name="examples", width=1)
    kept = "    tf.io.gfile.makedirs(fn_args.model_run_dir)\n"
    train_model(**inputs(code.replace("    @tf", f"{kept}    @tf"), checkpoint_dir=str(tmp_path / "kept")))
    assert not any((tmp_path / "kept").iterdir())


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def run_fn(fn_args):\n    raise KeyError('no such')\n", r"run_fn trains and exports a model\. .*model\.py, line 2"),
        (LINKED.format(link=LINKS["folder"]), r"no links.*'Format-Serving'"),
        (LINKED.format(link=LINKS["in it"]), r"no links.*'Format-Serving/variables'"),
        (CONSTANT.format(dtype="float32", name="hour_z", width=1), r"features of the schema.*hour_z"),
        (CONSTANT.format(dtype="string", name="examples", width=3), r"has the shape \[120\] for 120 rows.*\[120, 3\]"),
        ("def run_fn(fn_args): ...\ndef build_model(spec, hyperparameters): ...\n", "one of the functions"),
        ("from os import *\ndef other(): ...\n", "defines the function build_model or run_fn"),
        (MODULE.replace('spec.pop("late")', "pass"), r"answers raw rows without the label.*late"),
    ],
    ids=["raises", "is a link", "holds a link", "transformed inputs", "shape", "both functions", "neither", "needs the label"],
)
def test_a_module_that_cannot_be_used_is_refused(inputs, tmp_path, code, message):
    arguments = inputs(code, epochs=1, hyperparameters={"learning_rate": 1.0})
    with pytest.raises(UserError, match=message):
        train_model(**arguments)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("fn_args", "message"),
    [
        ({"steps": 3}, r"known keys.*steps"),
        ({"train_steps": 0}, "whole number from 1"),
        ({"examples": "both"}, "'transformed' or 'raw'"),
        ({"custom_config": []}, "is an object"),
    ],
)
def test_settings_are_checked(inputs, fn_args, message):
    with pytest.raises(UserError, match=message):
        train_model(**inputs(MODULE, fn_args=fn_args))


def test_a_tuners_config_stays_as_it_is():
    from components.train_model.fn_args import tuner_config

    config = {"space": [], "values": {"units": 3}}
    assert tuner_config(config) is config
    assert tuner_config({}) is None


def test_record_batches_are_given_too(flights, tmp_path):
    from tfx_bsl.public import tfxio

    from components.train_model.fn_args import make_data_accessor
    from components.train_model.tf_records import write_records

    assert write_records(flights["examples"], "eval", tmp_path) == 120
    batches = make_data_accessor().record_batch_factory(
        [str(tmp_path / "Split-eval" / "*")], tfxio.RecordBatchesOptions(batch_size=50, num_epochs=1)
    )
    assert sum(batch.num_rows for batch in batches) == 120
