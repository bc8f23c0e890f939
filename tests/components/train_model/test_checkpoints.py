import dataclasses
import errno
import logging
import math
import os

import numpy as np
import pytest

from components._shared.errors import UserError
from components.train_model.checkpoints import Checkpoint, CheckpointFile

CHECKPOINT = Checkpoint(
    epochs=2,
    stopped=False,
    history={"loss": [0.1, math.inf], "val_loss": [0.3, 1 / 3]},
    rows_per_second=[5.5, 7.0],
    stopper={"best": 1 / 3, "wait": 1},
    names=["dense/kernel", "adam/iteration", "none"],
    variables=[np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7, np.int64), np.zeros(0, np.float32)],
    best_weights=[np.full(3, np.nan, np.float32)],
)


@pytest.fixture
def file(tmp_path):
    return CheckpointFile(str(tmp_path / "checkpoints"), "sha256:1234")


def assert_same(found, expected):
    for field in dataclasses.fields(Checkpoint):
        one, two = getattr(found, field.name), getattr(expected, field.name)
        if field.name in ("variables", "best_weights"):
            assert [array.dtype for array in one] == [array.dtype for array in two]
            one, two = ([array.tolist() for array in arrays] for arrays in (one, two))
        assert repr(one) == repr(two)


def test_a_checkpoint_comes_back_as_it_was(file):
    file.write(CHECKPOINT)
    assert_same(file.read(), CHECKPOINT)


def test_before_there_is_a_best_epoch_there_are_no_best_weights(file):
    file.write(dataclasses.replace(CHECKPOINT, best_weights=None))
    assert file.read().best_weights is None


def test_the_last_one_is_kept_alone(file):
    file.write(CHECKPOINT)
    file.write(dataclasses.replace(CHECKPOINT, epochs=3))
    assert file.read().epochs == 3
    assert len([*file.folder.iterdir()]) == 1


def test_what_is_damaged_is_not_used_and_a_warning_says_so(file, caplog):
    file.write(CHECKPOINT)
    path = next(file.folder.iterdir())
    data = path.read_bytes()
    damaged = [data[:size] for size in (0, 31, 32, len(data) // 2, len(data) - 1)]
    damaged += [data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :] for place in range(0, len(data), 97)]
    for content in damaged:
        path.write_bytes(content)
        assert file.read() is None
    assert caplog.text.count("is damaged, so training begins anew") == len(damaged)
    path.unlink()
    path.mkdir()
    assert file.read() is None


def test_what_a_killed_write_has_left_is_no_checkpoint_and_goes_with_the_next(file):
    file.folder.mkdir(parents=True)
    (file.folder / ".node.1.tmp").write_bytes(b"half")
    assert file.read() is None
    file.write(CHECKPOINT)
    assert not [*file.folder.glob(".*")]


def test_the_checkpoint_of_another_training_is_not_used(file, tmp_path, caplog):
    file.write(CHECKPOINT)
    other = CheckpointFile(str(tmp_path / "checkpoints"), "sha256:5678")
    with caplog.at_level(logging.INFO):
        assert other.read() is None
    assert "(1 of other data, settings or code): it begins with its first epoch" in caplog.text
    file.folder.rename(other.folder)  # by whomever
    assert other.read() is None
    assert "of another training lies in this one's place" in caplog.text


def test_without_room_training_goes_on_without(file, monkeypatch, caplog):
    file.write(CHECKPOINT)

    def fsync(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(os, "fsync", fsync)
        file.write(dataclasses.replace(CHECKPOINT, epochs=3))
    assert "No checkpoint after epoch 3" in caplog.text
    assert file.read().epochs == 2
    assert len([*file.folder.iterdir()]) == 1


def test_removing_leaves_the_checkpoints_of_others(file, tmp_path):
    other = CheckpointFile(str(tmp_path / "checkpoints"), "sha256:5678")
    for each in (file, other):
        each.write(CHECKPOINT)
    file.remove()
    file.remove()
    assert (file.read(), other.read().epochs) == (None, 2)


def test_a_place_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("gs://bucket/checkpoints", str(tmp_path / "file")):
        with pytest.raises(UserError, match="Checkpoints lie in a folder"):
            CheckpointFile(place, "sha256:1234")
