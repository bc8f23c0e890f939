"""Builds the project's model and fits it: seeded, stopped early on the eval split, with the best weights kept."""

import contextlib
import dataclasses
import logging
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from components._shared.errors import UserError
from components._shared.label import PROBABILITY_TOLERANCE, LabelKind, LabelSpec
from components._shared.user_code import last_words
from components._tf.transform_graph import FeatureSpec
from components.train_model.arrays import Arrays, evaluation_batches, plan_epoch, training_batches
from components.train_model.checkpoints import CheckpointFile
from components.train_model.resuming import Keeper, restore
from components.train_model.streams import Stream

logger = logging.getLogger("sluice.train_model")

_MONITOR = "val_loss"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """How to fit.

    Attributes:
        epochs: Greatest number of passes over the training split, at least 1.
        batch_size: Rows per step, at least 1.
        patience: Epochs without a better eval loss before training stops, at least 0.
        seed: Seed of weights and row order, in [0, 2^32).
    """

    epochs: int
    batch_size: int
    patience: int
    seed: int

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("patience", 0), ("seed", 0)):
            if not least <= getattr(self, name) < 2**32:
                raise UserError(f"{name} is at least {least} and below 2^32.", received=getattr(self, name))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit:
    """A fitted model with its history.

    Attributes:
        model: The model with the weights of the best epoch.
        history: By name of the loss or metric, and the same with `eval_` before it, one value per epoch.
        best_epoch: The epoch with the least eval loss, from 1.
        rows_per_second: Training speed of each epoch; the first one holds the tracing of the graph.
        resumed_at: The epoch at which a training that was killed went on, from 1; one more than there are if it had ended.
            0 if it began anew.
    """

    model: keras.Model
    history: dict[str, list[float]]
    best_epoch: int
    rows_per_second: list[float]
    resumed_at: int = 0

    @property
    def epochs(self) -> int:
        """Number of epochs run."""
        return len(self.history["loss"])

    def best(self) -> dict[str, float]:
        """Returns loss and metrics of the best epoch."""
        return {name: values[self.best_epoch - 1] for name, values in self.history.items()}


def build(
    build_model: Callable[..., Any], feature_spec: dict[str, FeatureSpec], hyperparameters: dict[str, Any], label: LabelSpec
) -> keras.Model:
    """Calls the project's build_model.

    Raises:
        UserError: If it returns no compiled keras.Model that takes the features and gives what the kind of label asks for.
    """
    model = build_model(feature_spec, hyperparameters)
    if not isinstance(model, keras.Model) or not model.compiled:
        received = "a model that is not compiled" if isinstance(model, keras.Model) else type(model).__name__
        raise UserError(
            "build_model returns a compiled keras.Model.", received=received, remedy="Call model.compile(...) in it."
        )
    # Called on two rows, since a subclass of keras.Model has no shapes before.
    output = model({name: tf.zeros([2, *spec.shape], spec.dtype) for name, spec in feature_spec.items()}, training=False)
    _check_output(output, label)
    return model


def _check_output(output: Any, label: LabelSpec) -> None:
    width, kind = max(len(label.classes), 1), label.kind.value
    if not isinstance(output, tf.Tensor) or output.shape != (2, width):
        outputs = "one output" if width == 1 else f"one output per class, {width},"
        raise UserError(
            f"A model of a {kind} label has {outputs} per row, of shape [None, {width}].",
            received=f"{list(output.shape)} for two rows" if isinstance(output, tf.Tensor) else f"a {type(output).__name__}",
            remedy="Mend its last layer in model.py.",
        )
    sums = tf.reduce_sum(output, axis=1).numpy()
    if label.kind is LabelKind.MULTICLASS and not (abs(sums - 1) <= PROBABILITY_TOLERANCE).all():
        raise UserError(
            f"The outputs of a model of a {kind} label are probabilities, which sum to 1 in every row.",
            received=f"sums of {sums.tolist()} for two rows",
            remedy='End the model with activation="softmax".',
        )


@contextlib.contextmanager
def model_errors() -> Iterator[None]:
    """Turns what Keras and TensorFlow raise about a project's model, outside the project's code, into a UserError."""
    try:
        yield
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise UserError(
            "The model can be called and fitted on the transformed features.",
            received=f"{type(error).__name__}: {last_words(error)}",
            remedy="Look at the inputs, the layers and the call of compile(...) in model.py.",
        ) from error


def fit(
    model: keras.Model,
    *,
    train: Arrays | Stream,
    evaluation: Arrays | Stream,
    settings: Settings,
    checkpoint: CheckpointFile | None = None,
) -> Fit:
    """Fits a compiled model in place.

    Args:
        model: The model.
        train: The split that it fits.
        evaluation: The split that selects the epoch.
        settings: How to fit.
        checkpoint: Where the checkpoint is, and is written after each epoch; None for none.

    Raises:
        UserError: If the loss becomes NaN or infinite.
    """
    plan = plan_epoch(train.rows, settings.batch_size)
    model.steps_per_execution = plan.steps_per_execution
    earlier = restore(model, checkpoint)
    done, speeds = (earlier.epochs, earlier.rows_per_second) if earlier else (0, [])
    if earlier:
        logger.info("Goes on from the checkpoint after epoch %d of at most %d", done, settings.epochs)
    stopper = keras.callbacks.EarlyStopping(monitor=_MONITOR, mode="min", patience=settings.patience, restore_best_weights=True)
    keeper = Keeper(stopper, speeds, checkpoint, earlier)
    model.fit(
        training_batches(train, plan, settings.seed, first_epoch=done),
        steps_per_epoch=plan.steps,
        validation_data=evaluation_batches(evaluation),
        initial_epoch=settings.epochs if earlier and earlier.stopped else done,
        epochs=settings.epochs,
        callbacks=[keras.callbacks.TerminateOnNaN(), _Clock(plan.steps * plan.batch_size, speeds), stopper, keeper],
        shuffle=False,  # the batches come in a new order each epoch
        verbose=0,
    )
    history = {_name(key): values for key, values in keeper.history.items()}
    _check_finite(history)
    eval_loss = history["eval_loss"]
    return Fit(
        model=model,
        history=history,
        best_epoch=eval_loss.index(min(eval_loss)) + 1,
        rows_per_second=speeds,
        resumed_at=done + 1 if earlier else 0,
    )


def _name(key: str) -> str:
    return f"eval_{key.removeprefix('val_')}" if key.startswith("val_") else key


def _check_finite(history: dict[str, list[float]]) -> None:
    losses = [*history.get("loss", []), *history.get("eval_loss", [])]
    if not losses or not all(math.isfinite(loss) for loss in losses) or "eval_loss" not in history:
        raise UserError(
            "The loss stays finite.",
            received=f"loss {history.get('loss')}, eval_loss {history.get('eval_loss')}",
            remedy="Lower the learning rate, or look for extreme values in the transformed features.",
        )


class _Clock(keras.callbacks.Callback):
    """Logs each epoch and times its training part; Keras has no hook for it but a callback."""

    def __init__(self, rows: int, speeds: list[float]) -> None:
        super().__init__()
        self.rows, self.started, self.speeds = rows, 0.0, speeds

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Starts the clock."""
        self.started = time.perf_counter()

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        """Stops the clock: the training part is over."""
        self.speeds.append(self.rows / (time.perf_counter() - self.started))

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Logs loss and metrics."""
        values = ", ".join(f"{_name(key)} {value:.4f}" for key, value in (logs or {}).items())
        logger.info("Epoch %d: %s (%s rows/s)", epoch + 1, values, f"{self.speeds[-1]:,.0f}")
