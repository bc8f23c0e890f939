"""Serialized tf.Example, read into tables of one value per row and feature, and written, by tfx_bsl and without TensorFlow."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tfx_bsl.coders import example_coder

from components._data.record_batches import to_record_batch
from components._shared.artifacts import split_dir, tfrecord_file
from components.ingest_examples.bad_rows import BadValue
from components.ingest_examples.tf_records import read_records, write_records

SHARD_ROWS = 262_144
_BATCH_ROWS = 16_384
_NO_EXAMPLE = "Every record is a tf.Example."


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecodedExamples:
    """The rows of a TFRecord file.

    Attributes:
        table: The rows, one column of int64, float32, float64 or bytes per feature: where records differ in the type, the one
            that holds them all. A feature that a record does not have is null; of several values it is the first.
        counts: int64 [rows] for each feature with several values in some row: how many there are in each.
        records: int64 [rows]: which record each row was, counted from 0.
        bad: Records that are no tf.Example, which the table leaves out.
    """

    table: pa.Table
    counts: dict[str, np.ndarray]
    records: np.ndarray
    bad: list[BadValue]


def decode_file(path: Path) -> DecodedExamples:
    """Returns the rows of a TFRecord file.

    Raises:
        UserError: If the file is damaged.
    """
    tables, counts, positions, bad = [], [], [np.empty(0, np.int64)], []
    for first, batch in _decode_all(read_records(path)):
        if batch is None:
            bad.append(BadValue(record=first, column="", value="", rule=_NO_EXAMPLE))
            continue
        table, lengths = _flatten(batch)
        tables.append(table)
        counts.append(lengths)
        positions.append(first + np.arange(batch.num_rows))
    several = {
        name: np.concatenate(
            [part.get(name, np.zeros(table.num_rows, int)) for part, table in zip(counts, tables, strict=True)]
        )
        for name in sorted({name for part in counts for name, lengths in part.items() if (lengths > 1).any()})
    }
    return DecodedExamples(table=_concatenate(tables), counts=several, records=np.concatenate(positions), bad=bad)


def write_split(examples: str | Path, split: str, table: pa.Table, shard_rows: int = SHARD_ROWS) -> list[str]:
    """Writes one split as gzip TFRecord of tf.Example, and returns the shards' paths in the artifact.

    Args:
        examples: The artifact's folder.
        split: The split's name.
        table: Its rows; a null becomes a feature without a value.
        shard_rows: Most rows of one shard.
    """
    starts = range(0, table.num_rows, shard_rows)
    names = [f"{split_dir(split)}/{tfrecord_file(number, len(starts))}" for number in range(len(starts))]
    encoder = example_coder.RecordBatchToExamplesEncoder()
    for name, start in zip(names, starts, strict=True):
        write_records(Path(examples) / name, encoder.encode(to_record_batch(table.slice(start, shard_rows))))
    return names


def _decode_all(records: Iterator[bytes]) -> Iterator[tuple[int, pa.RecordBatch | None]]:
    """Yields batches with the number of their first record; None for a record that is no tf.Example."""
    decoder, first = example_coder.ExamplesToRecordBatchDecoder(), 0
    while batch := list(itertools.islice(records, _BATCH_ROWS)):
        yield from _decode(decoder, batch, first)
        first += len(batch)


def _decode(
    decoder: example_coder.ExamplesToRecordBatchDecoder, records: Sequence[bytes], first: int
) -> Iterator[tuple[int, pa.RecordBatch | None]]:
    # A batch fails as a whole, by one damaged record or by records that give a feature different types.
    try:
        yield first, decoder.DecodeBatch(records)
    except RuntimeError:
        if len(records) == 1:
            yield first, None
            return
        middle = len(records) // 2
        yield from _decode(decoder, records[:middle], first)
        yield from _decode(decoder, records[middle:], first + middle)


def _flatten(batch: pa.RecordBatch) -> tuple[pa.Table, dict[str, np.ndarray]]:
    """Returns the first value of each feature and row, and how many there are, int64 [rows] by feature."""
    columns, counts = {}, {}
    for name, lists in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_null(lists.type):
            continue
        counts[name] = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
        values = lists.values
        if pa.types.is_large_binary(values.type):
            values = values.cast(pa.binary())
        starts = lists.offsets.to_numpy()[:-1]
        columns[name] = values.take(pa.array(starts, pa.int64(), mask=counts[name] == 0))
    return pa.table(columns) if columns else pa.table({"": pa.nulls(batch.num_rows)}).select([]), counts


def _concatenate(tables: Sequence[pa.Table]) -> pa.Table:
    rows = [table.num_rows for table in tables]
    columns = {}
    for name in dict.fromkeys(name for table in tables for name in table.column_names):
        parts = [table[name] if name in table.column_names else None for table in tables]
        kind = _common_type({part.type for part in parts if part is not None})
        whole = [
            pa.chunked_array([pa.nulls(count, kind)]) if part is None else _widen(part, kind)
            for part, count in zip(parts, rows, strict=True)
        ]
        columns[name] = pa.chunked_array([chunk for part in whole for chunk in part.chunks], kind)
    return pa.table(columns)


def _common_type(kinds: set[pa.DataType]) -> pa.DataType:
    if len(kinds) == 1:
        return next(iter(kinds))
    return pa.binary() if pa.binary() in kinds else pa.float64()


def _widen(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    is_number_as_text = pa.types.is_binary(kind) and not pa.types.is_binary(column.type)
    return (column.cast(pa.string()) if is_number_as_text else column).cast(kind)
