"""Transformed examples in memory, and the order in which training sees them."""

import dataclasses
import logging
import math

import numpy as np
import tensorflow as tf

from components._data.examples import iterate_split, read_split
from components._data.vectors import to_array
from components._shared.errors import UserError
from components._shared.label import LabelKind, LabelSpec
from components._tf.transform_graph import FeatureSpec
from components.train_model.streams import Stream, label_type, open_stream, row_bytes, stream_evaluation, stream_training

logger = logging.getLogger("sluice.train_model")

MOST_BYTES_IN_MEMORY = 512 << 20
"""A split that takes more is read from disk in every epoch: in memory it takes up to four times as much for a moment."""
MOST_STEPS_PER_EXECUTION = 50
EVALUATION_ROWS = 8192


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arrays:
    """One split: features by name, each of shape [rows, ...], and the label of shape [rows].

    The label is float32; for several classes it is their number, int64.
    """

    features: dict[str, np.ndarray]
    label: np.ndarray

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.label)

    def first_rows(self, count: int) -> dict[str, np.ndarray]:
        """Returns the features of the first rows, each of shape [count, ...]."""
        return {name: values[:count] for name, values in self.features.items()}


def read_rows(
    transformed_examples: str,
    split: str,
    feature_spec: dict[str, FeatureSpec],
    label: LabelSpec,
    most_bytes: int = MOST_BYTES_IN_MEMORY,
) -> Arrays | Stream:
    """Reads one split of the transformed examples into memory, or leaves it on disk if it is too large.

    Args:
        transformed_examples: Folder of the transformed examples.
        split: Name of the split.
        feature_spec: The transformed features, without the label.
        label: The label.
        most_bytes: Greatest size in memory.

    Raises:
        UserError: If the split is empty, a label is not what its kind asks for, or all labels are the same.
    """
    stream = open_stream(transformed_examples, split, feature_spec, label)
    if stream.rows * row_bytes(feature_spec) <= most_bytes:
        return read_arrays(transformed_examples, split, feature_spec, label)
    parts = (to_array(table[label.name]) for table in iterate_split(transformed_examples, split, [label.name]))
    _check_label(np.concatenate([part.astype(np.float32) for part in parts]), split, label)
    logger.info("Reading %s rows of %s from disk in every epoch", f"{stream.rows:,}", split)
    return stream


def read_arrays(transformed_examples: str, split: str, feature_spec: dict[str, FeatureSpec], label: LabelSpec) -> Arrays:
    """Reads one split of the transformed examples into memory; see `read_rows`."""
    table = read_split(transformed_examples, split, [*feature_spec, label.name])
    features = {name: to_array(table[name]) for name in feature_spec}
    values = to_array(table[label.name]).astype(np.float32)
    _check_label(values, split, label)
    return Arrays(features=features, label=values.astype(label_type(label)))


def _check_label(values: np.ndarray, split: str, label: LabelSpec) -> None:
    name = label.name
    if not len(values):
        raise UserError(f"The split {split!r} has rows.", received=0, remedy="Read more data, or change the splits' shares.")
    if not np.isfinite(values).all():
        bad = np.count_nonzero(~np.isfinite(values))
        raise UserError(f"Every row has a finite label {name!r}.", received=f"{bad} rows of {split!r} without")
    if label.kind is LabelKind.BINARY and (values.min() < 0 or values.max() > 1):
        raise UserError(
            f"The label {name!r} is 0 or 1, as the model gives a probability.",
            received=f"values from {values.min():g} to {values.max():g} in the split {split!r}",
            remedy="Derive it in project.yaml with `column` and `above`, or deliver it as 0 and 1.",
        )
    if label.kind is LabelKind.MULTICLASS and not np.isin(values, np.arange(len(label.classes))).all():
        raise UserError(
            f"The label {name!r} is the number of a class, from 0 to {len(label.classes) - 1}.",
            received=f"values from {values.min():g} to {values.max():g} in the split {split!r}",
            remedy="Pass it through preprocessing_fn as it is.",
        )
    if values.min() == values.max():
        raise UserError(
            f"The label {name!r} has at least two values in the split {split!r}.",
            received=f"only {values[0]:g} in {len(values)} rows",
            remedy="Read more data, or check how the label is made in project.yaml.",
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """How an epoch is cut into steps: `steps` of `batch_size` rows, of which one call runs `steps_per_execution`."""

    batch_size: int
    steps: int
    steps_per_execution: int


def plan_epoch(rows: int, batch_size: int) -> Plan:
    """Returns a plan whose calls all run the same number of steps; it leaves out less than one step per call."""
    batch_size = min(batch_size, rows)
    whole = rows // batch_size
    executions = math.ceil(whole / MOST_STEPS_PER_EXECUTION)
    per_execution = whole // executions
    return Plan(batch_size=batch_size, steps=executions * per_execution, steps_per_execution=per_execution)


def training_batches(arrays: Arrays | Stream, plan: Plan, seed: int, *, first_epoch: int = 0) -> tf.data.Dataset:
    """Returns endless batches in an order that a seed and the epoch fix: one permutation per epoch, no work per row.

    The rows that fill no whole step are other ones in every epoch.

    Args:
        arrays: The split.
        plan: How an epoch is cut.
        seed: The seed.
        first_epoch: The epoch to begin with, from 0.
    """
    if isinstance(arrays, Stream):
        return _without_autotune(stream_training(arrays, plan.batch_size, plan.steps, seed, first_epoch))
    features, label = _tensors(arrays)

    def permute(epoch: tf.Tensor) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(tf.range(arrays.rows), seed=tf.stack([tf.cast(seed, tf.int64), epoch]))
        order = order[: plan.steps * plan.batch_size]
        return tf.data.Dataset.from_tensor_slices(tf.reshape(order, [plan.steps, plan.batch_size]))

    batches = tf.data.Dataset.counter(first_epoch).flat_map(permute)
    gathered = batches.map(
        lambda rows: ({name: tf.gather(values, rows) for name, values in features.items()}, tf.gather(label, rows)),
        num_parallel_calls=2,
        deterministic=True,
    )
    return _without_autotune(gathered.prefetch(2))


def evaluation_batches(arrays: Arrays | Stream) -> tf.data.Dataset:
    """Returns every row once, in order, in large batches."""
    if isinstance(arrays, Stream):
        return _without_autotune(stream_evaluation(arrays, EVALUATION_ROWS))
    features, label = _tensors(arrays)
    starts = tf.data.Dataset.range(0, arrays.rows, EVALUATION_ROWS)
    batches = starts.map(
        lambda start: (
            {name: values[start : start + EVALUATION_ROWS] for name, values in features.items()},
            label[start : start + EVALUATION_ROWS],
        )
    )
    return _without_autotune(batches)


def _without_autotune(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Returns batches whose parallelism stays as written; closing an iterator may wait seconds for the tuning thread."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


def _tensors(arrays: Arrays) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    return {name: tf.constant(values) for name, values in arrays.features.items()}, tf.constant(arrays.label)
