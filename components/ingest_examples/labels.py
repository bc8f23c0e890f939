"""Makes the label of each row: a number as it is, whether a number is above a bound, or what a text stands for."""

import dataclasses

import pyarrow as pa
import pyarrow.compute as pc

from components._shared.errors import UserError
from components._shared.label import LabelKind
from components._shared.source import QUARANTINE, Label
from components.ingest_examples.rows import Rows

_MOST_NAMED = 5


def with_label(rows: Rows, kind: pa.DataType) -> Rows:
    """Returns the rows with their label as a column.

    Args:
        rows: The rows as they were read.
        kind: Type of the label, int64 or float32.

    Returns:
        The same rows, less those that are set aside for a text that is no class. The label is null where a row has none:
        where its column is null or NaN and, for a numeric label, infinite.

    Raises:
        UserError: If the column that it is made from has another type, or holds a text that is no class, and bad rows are an
            error.
    """
    label = rows.source.label
    rows = _with_known_classes(rows) if label.classes else rows
    table, made = rows.table, _make_label(rows, label, kind)
    if label.source == label.name:
        table = table.set_column(table.column_names.index(label.name), label.name, made)
    else:
        table = table.append_column(label.name, made)
    return dataclasses.replace(rows, table=table)


def _make_label(rows: Rows, label: Label, kind: pa.DataType) -> pa.ChunkedArray:
    values = rows.table[label.source]
    if pa.types.is_string(values.type) != label.is_text:
        wanted = "a text" if label.is_text else "a number"
        rule = f"The column {rows.source.describe(label.source)} that the label is derived from is {wanted}."
        raise UserError(rule, received=values.type)
    if label.classes:
        return pc.index_in(values, value_set=pa.array(label.classes, pa.string())).cast(kind)
    if label.positive:
        is_positive = pc.is_in(values, value_set=pa.array(label.positive, pa.string()))
        return _where(values.is_valid(), is_positive.cast(pa.int64()).cast(kind))
    if label.above is not None:
        is_above = pc.greater(values, pa.scalar(label.above, pa.float64()))
        return _where(pc.invert(pc.is_null(values, nan_is_null=True)), is_above.cast(pa.int64()).cast(kind))
    if label.spec.kind is LabelKind.NUMERIC:
        return _where(pc.is_finite(values), _cast(values, label, kind))
    return values


def _where(has_label: pa.ChunkedArray, values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(has_label, values, pa.scalar(None, values.type))


def _cast(values: pa.ChunkedArray, label: Label, kind: pa.DataType) -> pa.ChunkedArray:
    try:
        return values.cast(kind)
    except pa.ArrowInvalid as error:
        rule = f"The column {label.source!r} has values of the type that the schema gives the label {label.name!r}."
        raise UserError(rule, received=error, remedy="Give the label the type FLOAT in schema.pbtxt.") from error


def _with_known_classes(rows: Rows) -> Rows:
    """Returns the rows without those whose text is no class, which are set aside.

    Raises:
        UserError: If there are any, and bad rows are an error; it counts them and names the most frequent ones.
    """
    label, values = rows.source.label, rows.table[rows.source.label.source]
    if not pa.types.is_string(values.type):
        return rows
    unknown = pc.and_(values.is_valid(), pc.invert(pc.is_in(values, value_set=pa.array(label.classes, pa.string()))))
    count = pc.sum(unknown).as_py() or 0
    if not count:
        return rows
    rule = f"The column {rows.source.describe(label.source)} holds classes of the label only: {', '.join(label.classes)}."
    if rows.source.bad_rows == QUARANTINE:
        return rows.set_aside(unknown.to_numpy(), label.source, rule)
    found = pc.value_counts(rows.table[label.source].filter(unknown)).to_pylist()
    found.sort(key=lambda item: (-item["counts"], item["values"]))
    named = ", ".join(f"{item['values']!r} ({item['counts']:,})" for item in found[:_MOST_NAMED])
    more = f" and {len(found) - _MOST_NAMED:,} more" if len(found) > _MOST_NAMED else ""
    first = rows.locate(pc.index(unknown, True).as_py())
    raise UserError(
        rule,
        received=f"{count:,} rows with {len(found):,} other values, {named}{more}; the first in {first}",
        remedy="Add the class to `source.label.classes` in project.yaml, mend the rows, or list the text in `null_values`.",
    )
