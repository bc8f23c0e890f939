"""Reads a CSV file whose bad rows are set aside: rows of another shape, and values that are not of their column's type.

Slower than reading a file that is right, so it runs only on those that are not.
"""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from components._shared.errors import UserError
from components._shared.source import Source
from components.ingest_examples.bad_rows import BadValue, cast_table, shorten
from components.ingest_examples.failures import NO_ZERO_BYTES, find_line, has_zero_byte, with_points

_WRONG_SHAPE = "A row has as many fields as the header."


def read_csv_leniently(
    path: Path, source: Source, types: Mapping[str, pa.DataType]
) -> tuple[pa.Table, np.ndarray, list[BadValue]]:
    """Returns the good rows of a CSV file, which records they are, and what is wrong with the others.

    Args:
        path: The file.
        source: How to read it.
        types: Columns to read, with their types.

    Returns:
        The rows with these types, int64 [rows], and the bad rows in the order of the file.

    Raises:
        UserError: If a bad row is longer than a line: then a quote that nobody closed may have swallowed good rows.
        pa.ArrowException: If the file cannot be read even so.
    """
    texts, misshapen = _read_bytes(path, source, list(types))
    records = np.setdiff1d(np.arange(texts.num_rows + len(misshapen)), [value.record for value in misshapen])
    table, good, found = cast_table(texts, types, functools.partial(_parse, source))
    bad = [dataclasses.replace(value, record=int(records[value.record])) for value in found]
    return table, records[good], sorted([*bad, *misshapen], key=lambda value: value.record)


def _read_bytes(path: Path, source: Source, names: list[str]) -> tuple[pa.Table, list[BadValue]]:
    """Returns columns as bytes, with nulls, and the rows of another shape, which it leaves out."""
    misshapen: list[BadValue] = []
    swallowing: list[tuple[int, str]] = []  # an error that is raised in the handler does not come through

    def skip(row: pa_csv.InvalidRow) -> str:
        record = row.number - 2  # the header is number 1
        misshapen.append(BadValue(record=record, column="", value=shorten(row.text), rule=_WRONG_SHAPE))
        if "\n" in row.text or "\r" in row.text:
            swallowing.append((record, row.text))
        return "skip"

    table = pa_csv.read_csv(
        path,
        read_options=pa_csv.ReadOptions(use_threads=False, encoding=source.encoding),  # otherwise rows have no numbers
        parse_options=pa_csv.ParseOptions(delimiter=source.delimiter, newlines_in_values=True, invalid_row_handler=skip),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.binary()),
            include_columns=names,
            null_values=source.null_values,
            strings_can_be_null=True,
        ),
    )
    for record, text in swallowing:
        line = find_line(path, source, record)
        raise UserError(
            "A row that is set aside ends where its line ends.",
            received=f"{path}, line {line}, which goes on for {len(text.splitlines())} lines",
            remedy="A quote may not be closed, and good rows after it be lost. Mend the row.",
        )
    return table, misshapen


def _parse(source: Source, values: pa.Array, kind: pa.DataType) -> pa.Array:
    texts = values.cast(pa.string())
    if pa.types.is_string(kind):
        if pc.any(has_zero_byte(texts)).as_py():
            raise pa.ArrowInvalid(NO_ZERO_BYTES)
        return texts
    numbers = pc.utf8_trim_whitespace(texts)
    return with_points(numbers, source).cast(pa.float64()).cast(kind) if pa.types.is_floating(kind) else numbers.cast(kind)
