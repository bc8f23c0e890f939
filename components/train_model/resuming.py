"""Takes the state of a training after each epoch, and puts it back, so that it goes on as if it had never been killed.

keras.callbacks.BackupAndRestore brings back weights and epoch, but neither the history nor the best weights and the patience
of EarlyStopping, and it writes in two steps.
"""

import dataclasses
import logging
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.train_model.checkpoints import Checkpoint, CheckpointFile

logger = logging.getLogger("sluice.train_model")

_STOPPER = ("best", "best_epoch", "wait", "stopped_epoch")
"""What EarlyStopping keeps from epoch to epoch, beside the best weights."""


def restore(model: keras.Model, file: CheckpointFile | None) -> Checkpoint | None:
    """Puts a model and its optimizer into the state of the checkpoint, if there is one that suits them, and returns it.

    Args:
        model: A built and compiled model that has not been fitted.
        file: Where the checkpoint is; None for none.
    """
    found = file.read() if file else None
    if found is None:
        return None
    model.optimizer.build(model.trainable_variables)
    variables = _variables(model)
    is_same = found.names == [variable.path for variable in variables]
    values = _as_typed(found.variables, variables) if is_same else None
    best = None if found.best_weights is None else _as_typed(found.best_weights, model.weights)
    if values is None or (best is None) != (found.best_weights is None):
        logger.warning("The checkpoint does not suit the model: build_model built another. Training begins anew")
        return None
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return dataclasses.replace(found, variables=values, best_weights=best)


def _variables(model: keras.Model) -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


def _as_typed(arrays: list[np.ndarray], variables: list[Any]) -> list[np.ndarray] | None:
    """Returns values for variables; None if they are not theirs. A file knows the types that NumPy knows, bfloat16 not."""
    types = [np.dtype(tf.as_dtype(variable.dtype).as_numpy_dtype) for variable in variables]
    if [array.shape for array in arrays] != [tuple(variable.shape) for variable in variables]:
        return None
    named = [array.view(dtype) if array.dtype.kind == "V" else array for array, dtype in zip(arrays, types, strict=True)]
    return named if [array.dtype for array in named] == types else None


class Keeper(keras.callbacks.Callback):
    """Keeps the history, and the checkpoint up to date; Keras has no hook for it but a callback. It stands after the stopper.

    Args:
        stopper: The callback that stops training early.
        speeds: Training speed of each epoch, which another callback adds to.
        file: Where the checkpoint goes; None for nowhere.
        earlier: The checkpoint that training goes on from.
    """

    def __init__(
        self,
        stopper: keras.callbacks.EarlyStopping,
        speeds: list[float],
        file: CheckpointFile | None,
        earlier: Checkpoint | None,
    ) -> None:
        super().__init__()
        self._stopper, self._speeds, self._file, self._earlier = stopper, speeds, file, earlier
        self.history = earlier.history if earlier else dict[str, list[float]]()

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Puts the stopper into the state of the checkpoint, which at this moment has forgotten all."""
        if self._earlier:
            for name, value in self._earlier.stopper.items():
                setattr(self._stopper, name, value)
            self._stopper.best_weights = self._earlier.best_weights

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Takes note of the epoch, and writes the checkpoint."""
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        if self._file:
            self._file.write(self._take(epoch + 1))

    def _take(self, epochs: int) -> Checkpoint:
        return Checkpoint(
            epochs=epochs,
            stopped=bool(self.model.stop_training),
            history=self.history,
            rows_per_second=self._speeds,
            stopper={name: getattr(self._stopper, name) for name in _STOPPER},
            names=[variable.path for variable in _variables(self.model)],
            variables=[variable.numpy() for variable in _variables(self.model)],
            best_weights=self._stopper.best_weights,
        )
