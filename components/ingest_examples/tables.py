"""Reads one input file, CSV, Parquet or TFRecord, into a table whose types the schema pins."""

import csv
import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from components._shared.errors import UserError
from components._shared.source import CSV, FAIL, TFRECORD, Source
from components.ingest_examples.bad_rows import BadValue, cast_table
from components.ingest_examples.failures import check_texts, explain_cast, explain_csv, has_zero_byte, no_rows, open_text
from components.ingest_examples.lenient import read_csv_leniently
from components.ingest_examples.tf_examples import DecodedExamples, decode_file

_BLOCK_BYTES = 4 << 20
_NOT_SINGLE = "A row has at most one value of a feature."


@dataclasses.dataclass(frozen=True, kw_only=True)
class OpenedFile:
    """An input file whose columns are known.

    Attributes:
        path: The file.
        names: Its columns.
        decoded: Its rows, where only they tell the columns: TFRecord has no header.
    """

    path: Path
    names: list[str]
    decoded: DecodedExamples | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileRows:
    """The rows of a file.

    Attributes:
        table: The rows that are good, in their order.
        records: int64 [rows]: which row of the file each is, counted from 0.
        bad: The others; none unless the source sets bad rows aside.
    """

    table: pa.Table
    records: np.ndarray
    bad: list[BadValue]


def open_file(path: Path, source: Source) -> OpenedFile:
    """Returns a file with its columns.

    Raises:
        UserError: If the file is empty, or no file of the source's format.
    """
    if source.format == TFRECORD:
        decoded = decode_file(path)
        if decoded.bad and source.bad_rows == FAIL:
            raise _bad_record(path, decoded.bad[0])
        if not len(decoded.records) and not decoded.bad:
            raise no_rows(path)
        return OpenedFile(
            path=path, names=[source.columns.get(name, name) for name in decoded.table.column_names], decoded=decoded
        )
    names = _csv_names(path, source) if source.format == CSV else _parquet_names(path)
    if not names:
        rule = "Every input file names its columns."
        raise UserError(rule, received=f"{path}, which is empty", remedy="Deliver the file again.")
    return OpenedFile(path=path, names=[source.columns.get(name, name) for name in names])


def read_table(file: OpenedFile, source: Source, types: Mapping[str, pa.DataType]) -> FileRows:
    """Returns the rows of a file in their order.

    Args:
        file: The file.
        source: How to read it.
        types: Columns to read with their types: int64, float32, float64 or string. One that the file lacks is null everywhere.

    Raises:
        UserError: If a value is not of its column's type, a row has too few or too many fields, or there is no row. With
            `bad_rows: quarantine` the first two are no errors.
    """
    # Read by the file's own names, so that what is said of a value speaks of them.
    present = {source.original(name): kind for name, kind in types.items() if name in file.names}
    read = _read_csv(file.path, source, present) if source.format == CSV else _read_columns(file, source, present)
    if read.table.num_rows == 0 and not read.bad:
        raise no_rows(file.path)
    missing = {name: pa.nulls(read.table.num_rows, kind) for name, kind in types.items() if name not in file.names}
    table = read.table.rename_columns([source.columns.get(name, name) for name in read.table.column_names])
    for name, values in missing.items():
        table = table.append_column(name, values)
    return dataclasses.replace(read, table=table.select(list(types)))


def _csv_names(path: Path, source: Source) -> list[str]:
    try:
        with open_text(path, source.encoding, errors="strict" if source.bad_rows == FAIL else "replace") as text:
            return next((record for record in csv.reader(text, delimiter=source.delimiter) if record), [])
    except (UnicodeError, csv.Error, OSError) as error:
        raise explain_csv(path, source, {}, error) from error


def _parquet_names(path: Path) -> list[str]:
    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise _no_parquet(path, error) from error


def _read_csv(path: Path, source: Source, types: Mapping[str, pa.DataType]) -> FileRows:
    # Read as float64 and rounded once to float32, so that CSV and Parquet give the same bits.
    wide = {name: pa.float64() if pa.types.is_float32(kind) else kind for name, kind in types.items()}
    try:
        table = pa_csv.read_csv(
            path,
            read_options=pa_csv.ReadOptions(block_size=_BLOCK_BYTES, encoding=source.encoding),
            parse_options=pa_csv.ParseOptions(delimiter=source.delimiter, newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                column_types=wide,
                include_columns=list(wide),
                null_values=source.null_values,
                strings_can_be_null=True,
                decimal_point=source.decimal_point,
            ),
        )
    except (pa.ArrowException, OSError, UnicodeError) as error:
        if source.bad_rows == FAIL or isinstance(error, OSError):
            raise explain_csv(path, source, wide, error) from error
        return _read_bad_csv(path, source, types, wide)
    if source.bad_rows == FAIL:
        check_texts(path, table, source)
    elif any(pc.any(has_zero_byte(column)).as_py() for column in table.columns if pa.types.is_string(column.type)):
        return _read_bad_csv(path, source, types, wide)
    return _whole(table.cast(pa.schema(list(types.items()))))


def _read_bad_csv(path: Path, source: Source, types: Mapping[str, pa.DataType], wide: Mapping[str, pa.DataType]) -> FileRows:
    try:
        table, records, bad = read_csv_leniently(path, source, types)
    except pa.ArrowException as error:
        raise explain_csv(path, source, wide, error) from error
    return FileRows(table=table, records=records, bad=bad)


def _read_columns(file: OpenedFile, source: Source, types: Mapping[str, pa.DataType]) -> FileRows:
    """Reads a format whose values have types of their own."""
    table = file.decoded.table.select(list(types)) if file.decoded else _read_parquet(file.path, types)
    records = file.decoded.records if file.decoded else np.arange(table.num_rows)
    unread = file.decoded.bad if file.decoded else []
    several = _several_values(file.decoded, types) if file.decoded else []
    if source.bad_rows == FAIL:
        if several:
            raise _bad_record(file.path, several[0])
        columns = {name: _cast(file.path, name, table[name], kind) for name, kind in types.items()}
        return FileRows(table=pa.table(columns), records=records, bad=[])
    for name, kind in types.items():
        _cast(file.path, name, table[name].slice(0, 0), kind)  # a type that holds no such values at all is an error
    good_rows, good, found = cast_table(table, types, _cast_values)
    bad = {value.record: value for value in several}
    bad |= {row: dataclasses.replace(value, record=row) for value in found if (row := int(records[value.record])) not in bad}
    kept = ~np.isin(records[good], list(bad))
    bad |= {value.record: value for value in unread}
    return FileRows(
        table=good_rows.filter(pa.array(kept)), records=records[good][kept], bad=[bad[record] for record in sorted(bad)]
    )


def _several_values(decoded: DecodedExamples, types: Mapping[str, pa.DataType]) -> list[BadValue]:
    """Returns the records with several values of a feature that is read, with the first such feature."""
    found: dict[int, BadValue] = {}
    for name in (name for name in types if name in decoded.counts):
        counts = decoded.counts[name]
        for row in np.flatnonzero(counts > 1).tolist():
            record = int(decoded.records[row])
            value = BadValue(record=record, column=name, value=f"{counts[row]} values", rule=_NOT_SINGLE)
            found.setdefault(record, value)
    return [found[record] for record in sorted(found)]


def _read_parquet(path: Path, types: Mapping[str, pa.DataType]) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            return file.read(columns=list(types)).select(list(types))
    except (pa.ArrowException, OSError) as error:
        raise _no_parquet(path, error) from error


def _no_parquet(path: Path, error: Exception) -> UserError:
    rule = "Every input file is a whole Parquet file."
    return UserError(rule, received=f"{path}: {error}", remedy="Deliver the file again.")


def _cast(path: Path, name: str, column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    try:
        return _cast_values(column, kind)
    except pa.ArrowException as error:
        raise explain_cast(path, name, _unchecked(column, kind), kind) from error


def _cast_values(values: pa.Array | pa.ChunkedArray, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    values = _unchecked(values, kind)
    if pa.types.is_temporal(values.type) and not pa.types.is_string(kind):
        raise pa.ArrowTypeError("A time is a number only together with its unit.")
    if pa.types.is_integer(values.type) and pa.types.is_floating(kind):
        return values.cast(pa.float64(), safe=False).cast(kind)  # rounded, as the same number in CSV is
    return values.cast(kind)


def _unchecked(values: pa.Array | pa.ChunkedArray, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    """Returns values without a dictionary, and what is to be text as bytes: Parquet's are UTF-8 by its word only."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if not pa.types.is_string(kind):
        return values
    bytes_of = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}
    return values.cast(bytes_of.get(values.type, values.type))


def _whole(table: pa.Table) -> FileRows:
    return FileRows(table=table, records=np.arange(table.num_rows), bad=[])


def _bad_record(path: Path, bad: BadValue) -> UserError:
    what = f"{bad.value} of {bad.column!r} in " if bad.column else ""
    return UserError(bad.rule, received=f"{what}{path}, record {bad.record + 1}", remedy="Mend the record.")
