"""Applies the fitted graph to the splits that training reads, batch by batch and without Beam."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from components._data.examples import iterate_split
from components._shared.artifacts import SHARD_FILE, split_dir
from components._shared.errors import UserError
from components._tf.saved_model import column_tensors
from components._tf.transform_graph import TransformGraph
from components.transform_features.checks import graph_failed


def apply_to_split(*, graph: TransformGraph, examples: str, split: str, schema: schema_pb2.Schema, output: str | Path) -> int:
    """Transforms one split and writes it as a Parquet shard in the same order; returns the number of rows.

    Args:
        graph: The fitted graph.
        examples: Folder of the raw examples.
        split: Name of the split.
        schema: Schema of the raw examples.
        output: Folder of the transformed examples.

    Raises:
        UserError: If a transformed feature is not dense, or not finite, or the graph fails on a row.
    """
    folder = Path(output) / split_dir(split)
    folder.mkdir(parents=True)
    writer, rows = None, 0
    try:
        for table in iterate_split(examples, split, [feature.name for feature in schema.feature]):
            outputs = _transform(graph, column_tensors(table, list(schema.feature)))
            batch = pa.table({name: _to_arrow(name, values, table.num_rows) for name, values in sorted(outputs.items())})
            writer = writer or pq.ParquetWriter(folder / SHARD_FILE, batch.schema, compression="zstd")
            writer.write_table(batch)
            rows += batch.num_rows
    finally:
        if writer is not None:
            writer.close()
    if not rows:
        raise UserError(f"The split {split!r} has rows.", received=0, remedy="Read more data, or change the splits' shares.")
    return rows


def _transform(graph: TransformGraph, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    try:
        return graph(raw)
    except tf.errors.OpError as error:
        raise graph_failed(error) from error


def _to_arrow(name: str, values: tf.Tensor | tf.SparseTensor | tf.RaggedTensor, rows: int) -> pa.Array:
    if not isinstance(values, tf.Tensor) or values.shape.rank not in (1, 2) or values.shape[0] != rows:
        kind = f"shape {values.shape}" if isinstance(values, tf.Tensor) else type(values).__name__
        raise UserError(
            "The outputs of preprocessing_fn are dense: one value, or one vector of fixed length, per row.",
            received=f"{name!r}: {kind} for {rows} rows",
            remedy="Make it dense with tf.sparse.to_dense, and squeeze or reduce other axes.",
        )
    array = values.numpy()
    if values.dtype.is_floating and not np.isfinite(array).all():
        bad = int(np.count_nonzero(~np.isfinite(array)))
        raise UserError(
            f"Transformed features are finite. The feature {name!r} is not.",
            received=f"{bad} of {array.size} values NaN or infinite",
            remedy="Impute missing values, and guard logarithms and divisions, in features.py.",
        )
    if array.ndim == 1:
        return pa.array(array, pa.binary() if values.dtype == tf.string else None)
    flat = pa.array(array.reshape(-1), pa.binary() if values.dtype == tf.string else None)
    return pa.FixedSizeListArray.from_arrays(flat, array.shape[1])
