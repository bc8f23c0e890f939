"""The columns of a table with their types, and the texts that stand for missing values.

Types are found by the distinct values of a column, so that the work does not grow with repeated ones.
"""

import dataclasses
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from components._shared.errors import UserError
from components._shared.source import CSV
from components.draft_schema.sniffing import Writing

NULLS = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NAN", "NULL", "null", "<NA>", "?")
"""Texts that stand for a missing value wherever they are."""

_WHOLE = r"^\s*-?\d{1,18}\s*$"
_CODE = r"^\s*-?0\d{2,}\s*$"
_DECIMAL = {".": r"^\s*-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$", ",": r"^\s*-?(\d+,?\d*|,\d+)([eE][+-]?\d+)?\s*$"}
_MOST_STRAY_TEXTS, _MOST_STRAY_SHARE = 3, 0.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the table.

    Attributes:
        original: Its name in the data.
        kind: INT, FLOAT or BYTES as the schema will have it; empty for a type that is none of them.
        problem: Why it can be neither; empty if it can.
        values: int64, float64 or string of shape [rows], null where missing; of another type as the file has them.
        stray: Texts in a column of numbers that are taken for missing values.
    """

    original: str
    kind: str
    values: pa.ChunkedArray
    problem: str = ""
    stray: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """A table as it was read.

    Attributes:
        columns: Its columns in the file's order.
        null_values: Texts that stand for a missing value.
        decimal_point: `.` or `,`.
        rows: Number of rows.
    """

    columns: tuple[Column, ...]
    null_values: tuple[str, ...]
    decimal_point: str
    rows: int


def read_columns(path: Path, writing: Writing) -> Table:
    """Reads a whole table.

    Args:
        path: The file.
        writing: How it is written.

    Raises:
        UserError: If a row has too few or too many fields.
    """
    return _read_csv(path, writing) if writing.format == CSV else _read_parquet(path)


def _read_csv(path: Path, writing: Writing) -> Table:
    try:
        texts = pa_csv.read_csv(
            path,
            read_options=pa_csv.ReadOptions(encoding=writing.encoding, block_size=4 << 20),
            parse_options=pa_csv.ParseOptions(delimiter=writing.delimiter, newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(writing.header, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowException, UnicodeError) as error:
        rule = f"Every row has as many fields as the header, which has {len(writing.header)}."
        remedy = "Mend the row; a field that holds the delimiter or a line break is put in double quotes."
        raise UserError(rule, received=f"{path}: {error}", remedy=remedy) from error
    repeated = {name for name, count in Counter(writing.header).items() if count > 1}
    texts = texts.select([index for index, name in enumerate(writing.header) if name not in repeated])
    counts = {name: _count_values(texts[name]) for name in texts.column_names}
    nulls = _known_nulls(counts)
    decimal_point = _find_decimal_point(counts, nulls, writing.delimiter)
    stray = {name: _stray_texts(count, nulls, decimal_point) for name, count in counts.items()}
    nulls |= {text for found in stray.values() for text in found}
    columns = {name: _typed(name, texts[name], counts[name], nulls, decimal_point) for name in texts.column_names}
    columns = {name: dataclasses.replace(column, stray=stray[name]) for name, column in columns.items()}
    columns |= {name: _repeated(name, texts.num_rows) for name in repeated}
    in_order = tuple(columns[name] for name in dict.fromkeys(writing.header))
    return Table(columns=in_order, null_values=tuple(sorted({"", *nulls})), decimal_point=decimal_point, rows=texts.num_rows)


def _repeated(name: str, rows: int) -> Column:
    values = pa.chunked_array([pa.nulls(rows)])
    return Column(original=name, kind="", values=values, problem="the name is there twice; rename one of them to use it")


def _count_values(texts: pa.ChunkedArray) -> dict[str, int]:
    counted = texts.value_counts()
    return dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))


def _known_nulls(counts: dict[str, dict[str, int]]) -> set[str]:
    return {text for count in counts.values() for text in count if text.strip() in NULLS}


def _matches(texts: list[str], pattern: str) -> list[bool]:
    return list(pc.match_substring_regex(pa.array(texts, pa.string()), pattern).to_pylist())


def _find_decimal_point(counts: dict[str, dict[str, int]], nulls: set[str], delimiter: str) -> str:
    """Returns the comma where a column is of numbers with it alone, and none is of numbers with the point alone."""
    if delimiter == ",":
        return "."
    found = {".": 0, ",": 0}
    for count in counts.values():
        texts = [text for text in count if text not in nulls]
        fits = {point: bool(texts) and all(_matches(texts, pattern)) for point, pattern in _DECIMAL.items()}
        for point in found:
            found[point] += fits[point] and not all(fits.values())
    return "," if found[","] and not found["."] else "."


def _stray_texts(count: dict[str, int], nulls: set[str], decimal_point: str) -> tuple[str, ...]:
    """Returns the few texts, in few rows, that keep a column from being one of numbers."""
    texts = [text for text in count if text not in nulls]
    is_number = _matches(texts, _DECIMAL[decimal_point])
    stray = [text for text, fits in zip(texts, is_number, strict=True) if not fits]
    rows = sum(count[text] for text in stray)
    few = len(stray) <= _MOST_STRAY_TEXTS and rows <= _MOST_STRAY_SHARE * sum(count[text] for text in texts)
    return tuple(stray) if stray and few else ()


def _typed(name: str, texts: pa.ChunkedArray, count: dict[str, int], nulls: set[str], decimal_point: str) -> Column:
    values = pc.if_else(pc.is_in(texts, value_set=pa.array(sorted(nulls), pa.string())), None, texts)
    known = [text for text in count if text not in nulls]
    if known and all(_matches(known, _DECIMAL[decimal_point])) and not any(_matches(known, _CODE)):
        kind = pa.int64() if all(_matches(known, _WHOLE)) else pa.float64()
        numbers = pc.replace_substring(pc.utf8_trim_whitespace(values), decimal_point, ".").cast(kind)
        return Column(original=name, kind="INT" if pa.types.is_integer(kind) else "FLOAT", values=numbers)
    return Column(original=name, kind="BYTES", values=values)


def _read_parquet(path: Path) -> Table:
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise UserError("The data is a whole Parquet file.", received=f"{path}: {error}") from error
    repeated = {name for name, count in Counter(table.column_names).items() if count > 1}
    columns = tuple(
        _repeated(name, table.num_rows) if name in repeated else _column_of(name, table[name])
        for name in dict.fromkeys(table.column_names)
    )
    return Table(columns=columns, null_values=("",), decimal_point=".", rows=table.num_rows)


def _column_of(name: str, values: pa.ChunkedArray) -> Column:
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    kind, wanted = _kind_of(values.type)
    if wanted is None:
        return Column(original=name, kind="", values=values, problem=f"the type {values.type} is neither number nor text")
    try:
        return Column(original=name, kind=kind, values=values.cast(wanted))
    except pa.ArrowException:
        return Column(original=name, kind="", values=values, problem=f"its values of the type {values.type} are out of range")


def _kind_of(kind: pa.DataType) -> tuple[str, pa.DataType | None]:
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return "INT", pa.int64()
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "FLOAT", pa.float64()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return "BYTES", pa.string()
    return "", None
