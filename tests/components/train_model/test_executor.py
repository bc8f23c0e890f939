import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from components._data.examples import read_split, write_split
from components._data.schema import read_schema
from components._shared.digest import digest_model
from components._shared.errors import UserError
from components._tf.saved_model import load_model, predict_table
from components.train_model.executor import train_model

SMALL = """
import keras
def build_model(feature_spec, hyperparameters):
    inputs = {{name: keras.Input(spec.shape, dtype=spec.dtype.name, name=name) for name, spec in feature_spec.items()}}
    hidden = keras.layers.Concatenate()([keras.layers.Reshape((1,))(inputs[name]) for name in sorted(inputs)])
    model = keras.Model(inputs, keras.layers.Dense({units}, activation="sigmoid")(hidden))
    {then}
    return model
"""
COMPILE = 'model.compile(optimizer={optimizer}, loss="binary_crossentropy", jit_compile=False)'


def test_training_is_recorded_with_the_digest_of_the_model(trained):
    result, root, training = trained
    assert training["model_digest"] == result.model_digest == digest_model(root / "model" / "Format-Serving")
    assert training["data_version"] == "sha256:d1"
    assert len(training["history"]["eval_loss"]) == training["epochs_run"] == 3
    assert training["outputs"] == ["probability"]


def test_the_best_epoch_is_the_one_with_the_least_eval_loss(trained):
    result, _, training = trained
    losses = training["history"]["eval_loss"]
    assert result.best_epoch == 1 + losses.index(min(losses))
    assert result.metrics["eval_loss"] == min(losses)


def test_the_model_learned_that_evenings_are_late(trained):
    result, _, _ = trained
    assert result.metrics["eval_auc"] > 0.75


def test_metrics_and_page_are_written(trained):
    result, root, _ = trained
    assert json.loads((root / "metrics").read_text()) == result.metrics
    page = (root / "report").read_text()
    assert page.count("<svg") == 2
    assert not re.search(r"https?://|<script", page)
    assert re.findall(r">(\d+)</text>", page) == ["1", "2", "3"] * 2


def test_the_same_seed_gives_the_same_history(trained, inputs, tmp_path):
    _, _, training = trained
    train_model(**inputs())
    assert json.loads((tmp_path / "model" / "training.json").read_text())["history"] == training["history"]


def test_training_stops_early_and_the_best_weights_are_saved(inputs, flights):
    arguments = inputs(epochs=50, patience=1, hyperparameters={"learning_rate": 0.3, "hidden_units": [8]})
    result = train_model(**arguments)
    assert result.epochs_run == result.best_epoch + 1 < 50
    rows = read_split(flights["examples"], "eval")
    predicted = predict_table(load_model(f"{arguments['model']}/Format-Serving"), rows, read_schema(flights["schema"]))
    label = rows["late"].to_numpy()
    cross_entropy = -np.mean(np.log(np.clip(np.where(label == 1, predicted, 1 - predicted), 1e-7, 1)))
    assert cross_entropy == pytest.approx(result.metrics["eval_loss"], rel=1e-4)


def test_a_training_that_was_over_is_not_done_again_after_a_kill(trained, inputs, tmp_path):
    """What is killed while the model is saved, or cannot be written, goes on there."""
    checkpoints = tmp_path / "checkpoints"
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        train_model(**inputs(checkpoint_dir=str(checkpoints), report=str(tmp_path / "file" / "report")))
    assert len([*checkpoints.glob("*/checkpoint")]) == 1
    result = train_model(**inputs(checkpoint_dir=str(checkpoints)))
    assert (result.resumed_at, result.epochs_run) == (4, 3)
    assert not [*checkpoints.iterdir()]
    assert "went on after a kill at epoch" in (tmp_path / "report").read_text()
    _, root, training = trained
    assert json.loads((tmp_path / "model" / "training.json").read_text())["history"] == training["history"]
    assert weights_of(tmp_path) == weights_of(root)


def weights_of(root):
    path = str(root / "model" / "Format-Serving" / "variables" / "variables")
    found = {name: tf.train.load_variable(path, name) for name, _ in tf.train.list_variables(path)}
    return {name: value.tobytes() for name, value in found.items() if isinstance(value, np.ndarray)}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def other():\n    pass\n", "defines the function build_model"),
        ("def build_model(feature_spec, hyperparameters):\n    return hyperparameters['no_such']\n", r"model\.py, line 2"),
        ("def build_model(feature_spec, hyperparameters):\n    return 3\n", "compiled keras.Model. Received: int"),
        (SMALL.format(units=1, then=""), "not compiled"),
        (SMALL.format(units=2, then=COMPILE.format(optimizer="'adam'")), r"one output per row.*\[2, 2\] for two rows"),
        (
            SMALL.format(units=1, then=COMPILE.format(optimizer="'adam'")).replace("return model", "return keras_dict(model)")
            + "def keras_dict(model):\n    model = keras.Model(model.inputs, {'a': model.output})\n"
            "    model.compile(loss='binary_crossentropy')\n    return model\n",
            "one output per row.*a dict",
        ),
        (
            SMALL.format(units=1, then=COMPILE.format(optimizer="'adam'")).replace("binary_crossentropy", "no_such_loss"),
            "called and fitted.*no_such_loss",
        ),
        (SMALL.format(units=1, then=COMPILE.format(optimizer="keras.optimizers.SGD(float('inf'))")), "loss stays finite"),
    ],
    ids=["no function", "raises", "no model", "not compiled", "two outputs", "dict", "unknown loss", "diverges"],
)
def test_a_mistake_in_the_model_is_named_and_leaves_nothing(inputs, code, message):
    arguments = inputs(code)
    with pytest.raises(UserError, match=message):
        train_model(**arguments)
    assert not Path(arguments["model"]).exists()


def test_a_file_changed_since_compile_time_is_refused(inputs):
    with pytest.raises(UserError, match="compiled with"):
        train_model(**inputs(model_hash="sha256:other"))


def test_a_model_of_an_earlier_run_does_not_outlive_a_failure(inputs):
    arguments = inputs(epochs=0)
    Path(arguments["model"]).mkdir()
    with pytest.raises(UserError, match="epochs"):
        train_model(**arguments)
    assert not Path(arguments["model"]).exists()


SUBCLASS = """
import keras
class Sum(keras.Model):
    def __init__(self):
        super().__init__()
        self.out = keras.layers.Dense(1, activation="sigmoid")
    def call(self, inputs, training=False):
        return self.out(keras.ops.stack([keras.ops.cast(inputs[name], "float32") for name in sorted(inputs)], axis=1))
def build_model(feature_spec, hyperparameters):
    model = Sum()
    model.compile(optimizer="adam", loss="binary_crossentropy")
    return model
"""


def test_a_subclass_of_the_model_is_trained(inputs):
    assert train_model(**inputs(SUBCLASS, epochs=1)).epochs_run == 1


@pytest.mark.parametrize(
    ("split", "change", "message"),
    [
        ("train", lambda table: table.slice(0, 0), "split 'train' has rows"),
        ("eval", lambda table: replace_label(table, np.zeros(table.num_rows)), "two values in the split 'eval'"),
        ("train", lambda table: replace_label(table, np.full(table.num_rows, np.nan)), "finite label 'late'"),
        ("train", lambda table: replace_label(table, np.arange(table.num_rows) % 2 + 1), "0 or 1.*from 1 to 2.*'train'"),
        ("train", lambda table: table.slice(1), "599 transformed rows of 600"),
        ("train", lambda table: table.drop(["hour_bucket"]), "hour_bucket"),
    ],
    ids=["no rows", "one class", "NaN label", "other classes", "other rows", "missing column"],
)
def test_transformed_examples_that_cannot_be_fitted_are_named(inputs, changed_examples, split, change, message):
    with pytest.raises(UserError, match=message):
        train_model(**inputs(transformed_examples=changed_examples(split, change)))


def replace_label(table, values):
    return table.set_column(table.column_names.index("late"), "late", pa.array(values))


@pytest.mark.parametrize("setting", [{"epochs": 0}, {"batch_size": 0}, {"patience": -1}, {"seed": -1}])
def test_settings_are_checked(inputs, setting):
    with pytest.raises(UserError, match=next(iter(setting))):
        train_model(**inputs(**setting))


def test_a_saved_model_that_answers_otherwise_is_not_released(inputs, flights, tmp_path):
    """A feature that serving does not see as training did, as one that was made of the label would be."""
    transformed = tmp_path / "leaky"
    for split in ("train", "eval"):
        table = read_split(flights["transformed_examples"], split)
        leaky = pa.array(table["late"].to_numpy().astype(np.float32) * 10)
        write_split(transformed, split, table.set_column(table.column_names.index("minute_z"), "minute_z", leaky))
    arguments = inputs(transformed_examples=str(transformed))
    with pytest.raises(UserError, match="answers as the fitted one"):
        train_model(**arguments)
    assert not Path(arguments["model"]).exists()


def test_examples_that_are_not_those_of_the_manifest_are_refused(inputs, flights, tmp_path):
    examples = tmp_path / "other"
    shutil.copytree(flights["examples"], examples)
    write_split(examples, "train", read_split(examples, "eval"))
    with pytest.raises(UserError, match="split 'train' are not those that were ingested"):
        train_model(**inputs(examples=str(examples)))
