"""Reads one input file, CSV or Parquet, into a table whose types the schema pins."""

import csv
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from components._shared.errors import UserError
from components._shared.source import CSV, Source
from components.ingest_examples.failures import explain_cast, explain_csv, no_rows, open_text

_BLOCK_BYTES = 4 << 20


def read_names(path: Path, source: Source) -> list[str]:
    """Returns the columns of a file, by the names that the source gives them.

    Raises:
        UserError: If the file is empty, or no file of the source's format.
    """
    names = _csv_names(path, source) if source.format == CSV else _parquet_names(path)
    if not names:
        raise UserError("Every input file names its columns.", received=f"{path}, which is empty")
    return [source.columns.get(name, name) for name in names]


def read_table(path: Path, source: Source, types: Mapping[str, pa.DataType]) -> pa.Table:
    """Returns the rows of a file in their order.

    Args:
        path: The file.
        source: How to read it.
        types: Columns to read, all of them in the file, with their types: int64, float32, float64 or string.

    Raises:
        UserError: If a value is not of its column's type, a row has too few or too many fields, or there is no row.
    """
    # Read by the file's own names, so that what is said of a value speaks of them.
    own = {source.original(name): kind for name, kind in types.items()}
    table = _read_csv(path, source, own) if source.format == CSV else _read_parquet(path, own)
    if table.num_rows == 0:
        raise no_rows(path)
    return table.rename_columns(list(types))


def _csv_names(path: Path, source: Source) -> list[str]:
    try:
        with open_text(path, source.encoding) as text:
            return next((record for record in csv.reader(text, delimiter=source.delimiter) if record), [])
    except (UnicodeError, csv.Error, OSError) as error:
        raise explain_csv(path, source, {}, error) from error


def _parquet_names(path: Path) -> list[str]:
    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise UserError("Every input file is a Parquet file.", received=f"{path}: {error}") from error


def _read_csv(path: Path, source: Source, types: Mapping[str, pa.DataType]) -> pa.Table:
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
        raise explain_csv(path, source, wide, error) from error
    return table.cast(pa.schema(list(types.items())))


def _read_parquet(path: Path, types: Mapping[str, pa.DataType]) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            table = file.read(columns=list(types)).select(list(types))
    except (pa.ArrowException, OSError) as error:
        raise UserError("Every input file is a whole Parquet file.", received=f"{path}: {error}") from error
    return pa.table({name: _cast(path, name, table[name], kind) for name, kind in types.items()})


def _cast(path: Path, name: str, column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        if pa.types.is_temporal(column.type) and not pa.types.is_string(kind):
            raise pa.ArrowTypeError("A time is a number only together with its unit.")
        if pa.types.is_integer(column.type) and pa.types.is_floating(kind):
            return column.cast(pa.float64(), safe=False).cast(kind)  # rounded, as the same number in CSV is
        return column.cast(kind)
    except pa.ArrowException as error:
        raise explain_cast(path, name, column, kind) from error
