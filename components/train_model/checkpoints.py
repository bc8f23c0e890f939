"""The checkpoint of a training: one file that holds all that it needs to go on as if nothing had happened.

It lies in a folder whose name is the training's key, so that no other training finds it, and appears whole or not at all. Two
trainings of one key write the same, so they need not know of each other.
"""

import contextlib
import dataclasses
import hashlib
import io
import json
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from components._shared.errors import UserError

logger = logging.getLogger("sluice.train_model")

FILE = "checkpoint"
_FORMAT = "sluice/checkpoint/2"
_DIGEST_BYTES = hashlib.sha256().digest_size


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A training after an epoch.

    Attributes:
        epochs: Number of epochs done.
        stopped: Whether it came to its end with them.
        history: Loss and metrics by Keras' names, one value per epoch.
        rows_per_second: Training speed of each epoch.
        stopper: The plain attributes of the callback that stops it early.
        names: The variables' names, by which a model whose code orders its layers by chance is known.
        variables: The values of the model's and the optimizer's variables, random states among them, in Keras' order.
        best_weights: The model's weights after the best epoch; None before there is one.
    """

    epochs: int
    stopped: bool
    history: dict[str, list[float]]
    rows_per_second: list[float]
    stopper: dict[str, Any]
    names: list[str]
    variables: list[np.ndarray]
    best_weights: list[np.ndarray] | None


class CheckpointFile:
    """Where the checkpoint of one training is.

    Args:
        checkpoint_dir: Folder for the checkpoints of any number of trainings.
        key: What the training rests on, `sha256:<hex>`.

    Raises:
        UserError: If the folder is none.
    """

    def __init__(self, checkpoint_dir: str, key: str) -> None:
        if "://" in checkpoint_dir or (Path(checkpoint_dir).exists() and not Path(checkpoint_dir).is_dir()):
            remedy = "Name a folder of this machine, or of a mounted volume (`cluster.stages.train_model.pvc`)."
            raise UserError("Checkpoints lie in a folder.", received=checkpoint_dir, remedy=remedy)
        self.key = key
        self.folder = Path(checkpoint_dir) / key.removeprefix("sha256:")[:32]

    def read(self) -> Checkpoint | None:
        """Returns the checkpoint; None if there is none, or it is damaged."""
        path = self.folder / FILE
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            others = len([*self.folder.parent.glob(f"*/{FILE}")])
            of = f" ({others} of other data, settings or code)" if others else ""
            logger.info("No checkpoint of this training in %s%s: it begins with its first epoch", self.folder.parent, of)
            return None
        except OSError as error:
            logger.warning("The checkpoint %s cannot be read, so training begins anew: %s", path, error)
            return None
        if hashlib.sha256(data[_DIGEST_BYTES:]).digest() == data[:_DIGEST_BYTES]:
            return _decode(data[_DIGEST_BYTES:], self.key)
        logger.warning("The checkpoint %s is damaged, so training begins anew", path)
        return None

    def write(self, checkpoint: Checkpoint) -> None:
        """Replaces the checkpoint, in one step. Without room or permission training goes on without, and says so."""
        data = _encode(checkpoint, self.key)
        temporary = self.folder / f".{os.uname().nodename}.{os.getpid()}.tmp"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for leftover in self.folder.glob(".*.tmp"):  # of writes that were killed
                leftover.unlink(missing_ok=True)
            with temporary.open("wb") as file:
                file.write(hashlib.sha256(data).digest())
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.folder / FILE)
            _sync_folder(self.folder)
        except OSError as error:
            logger.warning("No checkpoint after epoch %d: %s", checkpoint.epochs, error)
            with contextlib.suppress(OSError):
                temporary.unlink()

    def remove(self) -> None:
        """Removes the checkpoint, which a training that has left its model needs no more."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _encode(checkpoint: Checkpoint, key: str) -> bytes:
    document = dataclasses.asdict(dataclasses.replace(checkpoint, variables=[], best_weights=None))
    lists = {"variables": checkpoint.variables, "best_weights": checkpoint.best_weights}
    arrays = {f"{name}/{index}": array for name, values in lists.items() for index, array in enumerate(values or ())}
    counts = {name: None if values is None else len(values) for name, values in lists.items()}
    header = json.dumps({**document, **counts, "format": _FORMAT, "key": key}).encode()
    file = io.BytesIO()
    np.savez(file, header=np.frombuffer(header, np.uint8), **arrays)  # type: ignore[arg-type]  # a stub of NumPy 2
    return file.getvalue()


def _decode(data: bytes, key: str) -> Checkpoint | None:
    with np.load(io.BytesIO(data), allow_pickle=False) as found:
        header = json.loads(found["header"].tobytes())
        if header.pop("format") != _FORMAT or header.pop("key") != key:
            logger.warning("A checkpoint of another training lies in this one's place; training begins anew")
            return None
        for name in ("variables", "best_weights"):
            count = header[name]
            header[name] = None if count is None else [found[f"{name}/{index}"] for index in range(count)]
    return Checkpoint(**header)
