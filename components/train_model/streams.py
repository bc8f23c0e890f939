"""Splits that are larger than memory should hold: training reads them in windows of row groups, epoch by epoch.

An epoch takes the row groups in a new order, some of them at a time, and the rows of such a window in a new order, too. The
rows of a split lie in the order of their hashes, so that neighbours have nothing in common, and mixing them within a window
does what a permutation of all rows does.
"""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import tensorflow as tf

from components._data.examples import RowGroup, iterate_split, list_row_groups, read_row_groups
from components._data.vectors import to_array
from components._shared.label import LabelKind, LabelSpec
from components._tf.transform_graph import FeatureSpec

WINDOW_BYTES = 64 << 20
"""Size of a window; some four of them are in memory at a time, one of them being read."""

_STRING_BYTES = 64

Batch = tuple[dict[str, np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stream:
    """One split that stays on disk.

    Attributes:
        folder: Folder of the transformed examples.
        split: Name of the split.
        feature_spec: The transformed features, without the label.
        label: The label.
        groups: The row groups of its shards, in the order of the rows.
    """

    folder: str
    split: str
    feature_spec: dict[str, FeatureSpec]
    label: LabelSpec
    groups: tuple[RowGroup, ...]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(group.rows for group in self.groups)

    @property
    def columns(self) -> list[str]:
        """The columns to read."""
        return [*self.feature_spec, self.label.name]

    def first_rows(self, count: int) -> dict[str, np.ndarray]:
        """Returns the features of the first rows, each of shape [count, ...]."""
        table = next(iterate_split(self.folder, self.split, self.columns, batch_rows=count))
        return {name: to_array(table[name]) for name in self.feature_spec}

    def to_arrays(self, table: pa.Table) -> Batch:
        """Returns features and label of some rows."""
        features = {name: to_array(table[name]) for name in self.feature_spec}
        return features, to_array(table[self.label.name]).astype(label_type(self.label))


def open_stream(folder: str, split: str, feature_spec: dict[str, FeatureSpec], label: LabelSpec) -> Stream:
    """Returns a split as a stream; raises as `read_split` does."""
    groups = tuple(list_row_groups(folder, split))
    return Stream(folder=folder, split=split, feature_spec=feature_spec, label=label, groups=groups)


def label_type(label: LabelSpec) -> type[np.generic]:
    """Returns the type of labels: float32; for several classes it is their number, int64."""
    return np.int64 if label.kind is LabelKind.MULTICLASS else np.float32


def row_bytes(feature_spec: dict[str, FeatureSpec]) -> int:
    """Returns what a row takes in memory, in bytes; of a text it is a guess."""
    sizes = ((spec.dtype.size if spec.dtype != tf.string else _STRING_BYTES, spec.shape) for spec in feature_spec.values())
    return sum(size * int(np.prod(shape)) for size, shape in sizes) + np.dtype(np.int64).itemsize


def iterate_epoch(
    stream: Stream, batch_size: int, steps: int, seed: int, epoch: int, window_bytes: int = WINDOW_BYTES
) -> Iterator[Batch]:
    """Yields the rows of an epoch in windows, in an order that seed and epoch fix: `steps` whole batches in all.

    Args:
        stream: The split.
        batch_size: Rows of a batch; each window holds whole ones, and what is over goes to the next.
        steps: Number of batches.
        seed: Seed of the order.
        epoch: Number of the epoch, from 0.
        window_bytes: Size of a window; it holds at least one row group.
    """
    generator = np.random.default_rng([seed, epoch])
    order = [stream.groups[position] for position in generator.permutation(len(stream.groups))]
    left, over = steps * batch_size, list[pa.Table]()
    for window in _windows(order, window_bytes // row_bytes(stream.feature_spec)):
        table = pa.concat_tables([*over, read_row_groups(window, stream.columns)])
        rows = min(table.num_rows - table.num_rows % batch_size, left)
        # The permutation is of the arrays: in Arrow it would be of each column, with all its chunks laid end to end.
        mixed = generator.permutation(table.num_rows)
        features, label = stream.to_arrays(table)
        if rows:
            yield {name: values[mixed[:rows]] for name, values in features.items()}, label[mixed[:rows]]
        left -= rows
        if not left:
            return
        over = [table.take(pa.array(np.sort(mixed[rows:])))]


def stream_training(stream: Stream, batch_size: int, steps: int, seed: int, first_epoch: int = 0) -> tf.data.Dataset:
    """Returns endless batches, one epoch after the other."""

    def windows() -> Iterator[Batch]:
        for epoch in itertools.count(first_epoch):
            yield from iterate_epoch(stream, batch_size, steps, seed, epoch)

    def cut(features: dict[str, tf.Tensor], label: tf.Tensor) -> tf.data.Dataset:
        pieces = tf.nest.map_structure(lambda values: _reshape(values, batch_size), (features, label))
        return tf.data.Dataset.from_tensor_slices(pieces)

    whole = tf.data.Dataset.from_generator(windows, output_signature=_signature(stream)).prefetch(1)
    return whole.flat_map(cut).prefetch(2)


def stream_evaluation(stream: Stream, batch_rows: int) -> tf.data.Dataset:
    """Returns every row once, in order."""

    def batches() -> Iterator[Batch]:
        for table in iterate_split(stream.folder, stream.split, stream.columns, batch_rows=batch_rows):
            yield stream.to_arrays(table)

    return tf.data.Dataset.from_generator(batches, output_signature=_signature(stream)).prefetch(2)


def _windows(groups: list[RowGroup], rows: int) -> Iterator[list[RowGroup]]:
    window = list[RowGroup]()
    for group in groups:
        if window and sum(item.rows for item in window) + group.rows > rows:
            yield window
            window = []
        window.append(group)
    yield window


def _reshape(values: tf.Tensor, batch_size: int) -> tf.Tensor:
    return tf.reshape(values, [-1, batch_size, *values.shape[1:]])


def _signature(stream: Stream) -> tuple[dict[str, tf.TensorSpec], tf.TensorSpec]:
    features = {name: tf.TensorSpec([None, *spec.shape], spec.dtype) for name, spec in stream.feature_spec.items()}
    return features, tf.TensorSpec([None], label_type(stream.label))
