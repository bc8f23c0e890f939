"""Writes the rows of each split in their order, a row group at a time, so that they are in memory once and not twice."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from components._data.content import TableDigest
from components._data.examples import ROW_GROUP_ROWS, write_batches

_MOST_BYTES = 2**31 - 1
"""An Arrow array of strings holds no more: its offsets are int32."""


def write_splits(
    examples: str | Path,
    columns: dict[str, pa.ChunkedArray],
    positions: Mapping[str, np.ndarray],
    most_bytes: int = _MOST_BYTES,
) -> dict[str, str]:
    """Writes every split as Parquet, and returns the digests of their contents.

    Args:
        examples: The artifact's folder.
        columns: The rows by column. It is emptied on the way, so that each column can be freed once there is a better laid out
            copy of it; whoever else holds the rows keeps them in memory twice.
        positions: By split the positions of its rows, int64, in their order.
        most_bytes: Size from which on a column of strings needs longer offsets.
    """
    schema = pa.schema([(name, column.type) for name, column in columns.items()])
    whole = {}
    for name in schema.names:
        whole[name] = _combine(columns.pop(name), most_bytes)  # taking from many chunks is slow
        pa.default_memory_pool().release_unused()  # else the process keeps what the column was before
    digests = {}
    for split, rows in positions.items():
        digest = TableDigest(schema)
        write_batches(examples, split, schema, _take(whole, schema, rows, digest))
        digests[split] = digest.value()
    return digests


def _combine(column: pa.ChunkedArray, most_bytes: int) -> pa.Array:
    if pa.types.is_string(column.type) and column.nbytes > most_bytes:
        column = column.cast(pa.large_string())
    return column.combine_chunks()


def _take(columns: Mapping[str, pa.Array], schema: pa.Schema, rows: np.ndarray, digest: TableDigest) -> Iterator[pa.Table]:
    for start in range(0, len(rows), ROW_GROUP_ROWS):
        here = pa.array(rows[start : start + ROW_GROUP_ROWS])
        batch = pa.table({name: column.take(here) for name, column in columns.items()}).cast(schema)
        digest.update(batch)
        yield batch
