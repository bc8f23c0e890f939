"""Decides what kind of label a column holds, and how project.yaml says so."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components._shared.errors import UserError
from components._shared.label import LabelKind
from components.draft_schema.columns import Column
from components.draft_schema.names import words_of

MOST_CLASSES = 50
_MOST_NAMED = 10
_MOST_NUMBERED_CLASSES = 10
_YES = {"yes", "y", "true", "t", "1", "positive", "pos", "bad", "default", "churn", "churned", "fraud", "spam", "late", "died"}
_LIKELY = {"label", "target", "y", "class", "outcome", "response", "churn", "default", "fraud", "survived", "income", "price"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class DraftLabel:
    """What is predicted.

    Attributes:
        settings: `source.label` of project.yaml.
        kind: Kind of the label.
        feature_type: Its type in the schema, INT or FLOAT.
        target: float64 [rows]: 0 or 1, the number of the class, or the number; NaN where a row has no label.
        why: How the kind was found, for the reader.
    """

    settings: dict[str, Any]
    kind: LabelKind
    feature_type: str
    target: np.ndarray
    why: str


def find_label(columns: Sequence[Column], wanted: str) -> Column:
    """Returns the column of the label.

    Args:
        columns: All columns.
        wanted: Its name as the user wrote it.

    Raises:
        UserError: If there is none of the name; it lists the columns, those that are likely labels first.
    """
    exact = [column for column in columns if column.original == wanted]
    trimmed = [column for column in columns if column.original.strip() == wanted.strip()]
    if found := exact or trimmed:
        return found[0]
    likely = [repr(column.original) for column in columns if _is_likely(column)] or [repr(columns[-1].original)]
    more = f" and {len(likely) - _MOST_NAMED} more" if len(likely) > _MOST_NAMED else ""
    raise UserError(
        "The label is a column of the data, named by --label.",
        received=repr(wanted) if wanted else "no --label",
        remedy=f"The columns: {', '.join(repr(column.original) for column in columns)}. "
        f"Likely labels: {', '.join(likely[:_MOST_NAMED])}{more}.",
    )


def _is_likely(column: Column) -> bool:
    if not column.kind:
        return False
    return bool(_LIKELY & set(words_of(column.original))) or len(pc.unique(column.values.drop_null())) == 2


def draft_label(column: Column, name: str, kind: str) -> DraftLabel:
    """Decides how a column is predicted.

    Args:
        column: The column.
        name: Name of the label's feature.
        kind: Kind that the user asks for; empty to decide by the values.

    Raises:
        UserError: If nothing can be learned from it, or it is not of the kind.
    """
    values = column.values
    if column.kind == "FLOAT":
        values = pc.if_else(pc.is_finite(values), values, None)
    distinct = len(pc.unique(values.drop_null())) if column.kind else 0
    if not column.kind or distinct < 2:
        received = f"{column.original!r}: {column.problem or f'{distinct} different values'}"
        raise UserError("The label is a column of numbers or texts that differ.", received=received)
    kind = kind or _kind_by_values(values, distinct)
    # With `column`, rows that lack the label are left out; without, ingest refuses them.
    settings = {"name": name, **({"column": name} if values.null_count else {})}
    if kind == LabelKind.NUMERIC:
        return _numeric(column, values, settings)
    if kind == LabelKind.MULTICLASS:
        return _multiclass(column, values, settings, distinct)
    return _binary(column, values, settings, distinct)


def _kind_by_values(values: pa.ChunkedArray, distinct: int) -> str:
    if distinct == 2:
        return LabelKind.BINARY
    if pa.types.is_string(values.type):
        return LabelKind.MULTICLASS
    if pa.types.is_integer(values.type) and distinct <= _MOST_NUMBERED_CLASSES:
        first = pc.min(values).as_py()
        if first in (0, 1) and pc.max(values).as_py() - first + 1 == distinct:
            return LabelKind.MULTICLASS
    return LabelKind.NUMERIC


def _numeric(column: Column, values: pa.ChunkedArray, settings: dict[str, Any]) -> DraftLabel:
    if pa.types.is_string(values.type):
        received = f"texts in {column.original!r}, such as {values.drop_null()[0].as_py()!r}"
        raise UserError("A numeric label is a column of numbers.", received=received, remedy="Mend them, or name another kind.")
    target = values.cast(pa.float64(), safe=False).to_numpy()
    why = "a number"
    return DraftLabel(
        settings={**settings, "kind": "numeric"}, kind=LabelKind.NUMERIC, feature_type="FLOAT", target=target, why=why
    )


def _multiclass(column: Column, values: pa.ChunkedArray, settings: dict[str, Any], distinct: int) -> DraftLabel:
    if distinct > MOST_CLASSES or pa.types.is_floating(values.type):
        rule = f"A multiclass label has at most {MOST_CLASSES} classes, which are texts or whole numbers."
        received = f"{distinct:,} different values in {column.original!r}"
        raise UserError(rule, received=received, remedy="Name another column, or merge rare classes into one.")
    classes = sorted(pc.unique(values.drop_null()).to_pylist())
    positions = pc.index_in(values, value_set=pa.array(classes, values.type))
    why = f"{distinct} classes" + ("" if pa.types.is_string(values.type) else "; --kind numeric takes the numbers as such")
    return DraftLabel(
        settings={**settings, "classes": [str(name) for name in classes]},
        kind=LabelKind.MULTICLASS,
        feature_type="INT",
        target=positions.cast(pa.float64()).to_numpy(),
        why=why,
    )


def _binary(column: Column, values: pa.ChunkedArray, settings: dict[str, Any], distinct: int) -> DraftLabel:
    if distinct != 2:
        received = f"{distinct:,} in {column.original!r}"
        raise UserError("A binary label has two different values.", received=received, remedy="Name another kind.")
    rarer = sorted(values.value_counts().to_pylist(), key=lambda item: (item["counts"], str(item["values"])))
    named = [item["values"] for item in rarer if item["values"] is not None]
    if pa.types.is_string(values.type):
        positive = next((text for text in named if text.strip().lower() in _YES), named[0])
        settings = {"name": settings["name"], "column": settings["name"], "positive": [positive]}
        target = pc.equal(values, positive)
        why = f"two texts; 1 is {positive!r}, " + ("as it says yes" if positive.strip().lower() in _YES else "the rarer one")
    else:
        low, high = sorted(named)
        target = pc.equal(values, high)
        why = "0 and 1" if (low, high) == (0, 1) else f"two numbers; 1 is {high:g}"
        if (low, high) != (0, 1) or not pa.types.is_integer(values.type) or values.null_count:
            settings = {"name": settings["name"], "column": settings["name"], "above": (low + high) / 2}
    return DraftLabel(
        settings=settings,
        kind=LabelKind.BINARY,
        feature_type="INT",
        target=target.cast(pa.int64()).cast(pa.float64()).to_numpy(),
        why=why,
    )
