"""Rows that cannot become examples: what is wrong with them, and finding all values of a column that its type refuses."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest_examples.failures import TYPE_NAMES

LONGEST_VALUE = 200

Cast = Callable[[Any, pa.DataType], Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class BadValue:
    """What is wrong with one row of a file.

    Attributes:
        record: The row, counted from 0; in CSV after the header and without blank lines.
        column: The column; empty when it is about the whole row.
        value: The value, shortened.
        rule: What must hold.
    """

    record: int
    column: str
    value: str
    rule: str


def cast_leniently(column: pa.ChunkedArray, cast: Cast, kind: pa.DataType) -> tuple[pa.ChunkedArray, np.ndarray]:
    """Returns a column with null for each value that cannot be cast, and where those are.

    Args:
        column: Values of any type that Arrow can encode as a dictionary.
        cast: Casts an array to a type, or raises an ArrowException.
        kind: The type that it casts to.

    Returns:
        The column, and bool [rows]. Each distinct value is cast once, and halves of those that fail until the failing ones are
        found, so few bad values cost little.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    encoded = pa.concat_arrays([*column.chunks, pa.array([], column.type)]).dictionary_encode()
    parts: list[pa.Array] = []
    failing = np.zeros(len(encoded.dictionary), dtype=bool)
    _cast_halves(encoded.dictionary, cast, kind, parts, failing, 0)
    values = pa.chunked_array([pa.concat_arrays(parts).take(encoded.indices)])  # taking from many chunks is slow
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    return values, np.append(failing, False)[codes]  # the code -1 of a null takes the last, which is no failure


def _cast_halves(
    values: pa.Array,
    cast: Cast,
    kind: pa.DataType,
    parts: list[pa.Array],
    failing: np.ndarray,
    start: int,
) -> None:
    try:
        parts.append(cast(values, kind))
    except pa.ArrowException:
        if len(values) == 1:
            failing[start] = True
            parts.append(pa.nulls(1, kind))
            return
        middle = len(values) // 2
        _cast_halves(values.slice(0, middle), cast, kind, parts, failing, start)
        _cast_halves(values.slice(middle), cast, kind, parts, failing, start + middle)


def cast_table(table: pa.Table, types: Mapping[str, pa.DataType], cast: Cast) -> tuple[pa.Table, np.ndarray, list[BadValue]]:
    """Returns the rows of a table whose values can all be cast, and what is wrong with the others.

    Args:
        table: The rows.
        types: Type to cast each column to.
        cast: Casts an array to a type, or raises an ArrowException.

    Returns:
        The good rows, int64 [good rows] with their positions, and of each other row its first bad value, in order.
    """
    columns: dict[str, pa.ChunkedArray] = {}
    found: dict[int, BadValue] = {}
    for name, kind in types.items():
        columns[name], is_bad = cast_leniently(table[name], cast, kind)
        rule = f"Column {name!r} holds {TYPE_NAMES[kind]}, as the schema says."
        for row in np.flatnonzero(is_bad).tolist():
            if row not in found:
                value = shorten(table[name][row].as_py())
                found[row] = BadValue(record=row, column=name, value=value, rule=rule)
    good = np.setdiff1d(np.arange(table.num_rows), list(found))
    cast_rows = pa.table(columns)
    return cast_rows.take(pa.array(good)) if found else cast_rows, good, [found[row] for row in sorted(found)]


def shorten(value: object) -> str:
    """Returns a value as text that is not too long; bytes that are no UTF-8 are written out."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else "" if value is None else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
