"""Changes one thing at a time and sees that the key is another one."""

import shutil

import pytest
import tensorflow as tf

from components._shared.label import LabelKind, LabelSpec
from components._tf.transform_graph import FeatureSpec
from components.train_model import training_key as module
from components.train_model.fit import Settings
from components.train_model.training_key import training_key

SETTINGS = {"epochs": 3, "batch_size": 64, "patience": 2, "seed": 7}
CHANGES = {
    "feature_spec": {"hour": FeatureSpec([], tf.int64, None)},
    "label": LabelSpec(name="late", kind=LabelKind.NUMERIC),
    "origin": {"data_version": "sha256:d2", "features_hash": "sha256:f"},
    "model_hash": "sha256:other",
    "hyperparameters": {"units": [8, 4]},
    **{name: Settings(**SETTINGS | {name: value + 1}) for name, value in SETTINGS.items()},
}


@pytest.fixture
def training(tmp_path):
    examples = tmp_path / "examples" / "Split-train"
    examples.mkdir(parents=True)
    (examples / "part-00000.parquet").write_bytes(b"rows")
    return {
        "transformed_examples": str(examples.parent),
        "feature_spec": {"hour": FeatureSpec([], tf.float32, None)},
        "label": LabelSpec(name="late", kind=LabelKind.BINARY),
        "origin": {"data_version": "sha256:d1", "features_hash": "sha256:f"},
        "model_hash": "sha256:m",
        "settings": Settings(**SETTINGS),
        "hyperparameters": {"units": [8]},
    }


def test_the_same_training_has_the_same_key_wherever_its_data_lies(training, tmp_path):
    shutil.copytree(training["transformed_examples"], tmp_path / "copy")
    assert training_key(**training) == training_key(**training | {"transformed_examples": str(tmp_path / "copy")})


@pytest.mark.parametrize("changed", CHANGES)
def test_another_setting_is_another_training(training, changed):
    name = "settings" if changed in SETTINGS else changed
    assert training_key(**training | {name: CHANGES[changed]}) != training_key(**training)


def test_other_rows_are_another_training(training, tmp_path):
    before = training_key(**training)
    (tmp_path / "examples" / "Split-train" / "part-00000.parquet").write_bytes(b"rowz")
    assert training_key(**training) != before


@pytest.mark.parametrize("variable", ["TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA", "XLA_FLAGS", "KERAS_BACKEND"])
def test_other_arithmetic_is_another_training(training, variable, monkeypatch):
    before = training_key(**training)
    monkeypatch.setenv(variable, "other")
    assert training_key(**training) != before


def test_another_library_is_another_training(training, monkeypatch):
    before = training_key(**training)
    monkeypatch.setitem(module._LIBRARIES, "keras", "0")
    assert training_key(**training) != before


@pytest.mark.parametrize("edited", ["train_model/fit.py", "_tf/transform_graph.py"])
def test_other_code_of_the_stage_is_another_training(training, edited, tmp_path, monkeypatch):
    before = training_key(**training)
    code = tmp_path / "components"
    shutil.copytree(module.Path(module.__file__).parents[1], code, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "__file__", str(code / "train_model" / "training_key.py"))
    assert training_key(**training) == before
    (code / edited).write_text((code / edited).read_text() + "\n# edited")
    assert training_key(**training) != before
