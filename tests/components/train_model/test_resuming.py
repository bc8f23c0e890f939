"""Kills a training, lets it go on, and compares with one that nobody killed."""

import json
import logging
import multiprocessing
import signal

import keras
import mortal_training
import numpy as np
import pytest

from components.train_model.checkpoints import CheckpointFile
from components.train_model.resuming import Keeper, restore

DEATHS = [("evaluate", 2, 1), ("fsync", 3, 2)]
"""A moment, the how manieth in its process, and the epochs of the checkpoint then: within an epoch, and within a write."""


@pytest.fixture(scope="module")
def start():
    """Starts a training in a process that may die; imports are done once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["keras", "components.train_model.fit"])

    def start(*args):
        process = context.Process(target=mortal_training.train, args=args)
        process.start()
        return process

    return start


def exit_code(process):
    process.join(240)
    code = process.exitcode
    process.kill()
    return code


@pytest.mark.timeout(900)  # four processes build their graphs
def test_a_training_that_was_killed_twice_ends_as_one_that_was_not(start, tmp_path):
    whole = start("", tmp_path / "whole")
    file = CheckpointFile(str(tmp_path / "checkpoints"), "sha256:key")
    for moment, count, epochs in DEATHS:
        assert exit_code(start(tmp_path / "checkpoints", tmp_path / "resumed", moment, count)) == -signal.SIGKILL
        assert file.read().epochs == epochs
    assert not (tmp_path / "resumed").exists()
    assert exit_code(start(tmp_path / "checkpoints", tmp_path / "resumed")) == 0
    assert exit_code(whole) == 0
    expected, found = (json.loads((tmp_path / name).read_text()) for name in ("whole", "resumed"))
    assert (expected.pop("resumed_at"), found.pop("resumed_at")) == (0, 3)
    assert found == expected
    # The best weights are of an epoch before the kills, and patience ran out after them.
    assert found["best_epoch"] < 3 < len(found["history"]["loss"]) < mortal_training.EPOCHS
    assert file.read().stopped


def make_model(units=2, policy=None, name="wide"):
    keras.utils.clear_session()  # the names of layers are counted in a process, and a training has one of its own
    layers = [keras.layers.Dense(units, dtype=policy, name=name), keras.layers.Dropout(0.5)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile("adam", "mse")
    return model


def keep(model, file):
    """Writes the checkpoint of a model that has done one epoch."""
    model.optimizer.build(model.trainable_variables)
    keeper = Keeper(keras.callbacks.EarlyStopping(restore_best_weights=True), [1.0], file, None)
    keeper.set_model(model)
    model.stop_training = False
    keeper._stopper.on_train_begin()
    keeper._stopper.best_weights = model.get_weights()
    keeper.on_epoch_end(0, {"loss": 1.0})


@pytest.mark.parametrize("policy", [None, "bfloat16"])
def test_every_variable_comes_back(tmp_path, policy):
    file = CheckpointFile(str(tmp_path), "sha256:key")
    model = make_model(policy=policy)
    keep(model, file)
    other = make_model(policy=policy)
    found = restore(other, file)
    for one, two in zip(model.variables + model.optimizer.variables, other.variables + other.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())
    other.set_weights(found.best_weights)
    assert [value.dtype for value in found.best_weights] == [value.dtype for value in model.get_weights()]


@pytest.mark.parametrize("change", [{"units": 5}, {"name": "deep"}])
def test_a_model_that_is_another_one_begins_anew(tmp_path, caplog, change):
    file = CheckpointFile(str(tmp_path), "sha256:key")
    keep(make_model(), file)
    other = make_model(**change)
    before = other.get_weights()
    with caplog.at_level(logging.WARNING):
        assert restore(other, file) is None
    assert "does not suit the model" in caplog.text
    for one, two in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
