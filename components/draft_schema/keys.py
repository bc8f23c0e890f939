"""Chooses by what rows are told apart, and by what they are split."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc

from components.draft_schema.columns import Column
from components.draft_schema.roles import Decision, Role

_MOST_COLUMNS = 4
_LEAST_DISTINCT = 0.9
_LEAST_ENTITIES = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class Keys:
    """Keys of the rows.

    Attributes:
        row_key: Columns that name a row.
        split_key: Columns by whose values rows are split.
        row_number: Name of a column with the rows' numbers that ingest adds; empty for none.
        why: For the reader.
    """

    row_key: tuple[str, ...]
    split_key: tuple[str, ...]
    row_number: str
    why: str


def choose_keys(columns: Sequence[Column], decisions: Sequence[Decision], rows: int) -> Keys:
    """Chooses keys that stay valid when features are edited, and under which no row is lost.

    Rows are named by a column that does, or by their numbers. They are split by the first of these that there is: what several
    rows are about, which goes to one split whole; what names rows; a few columns that tell nearly all rows apart, so that equal
    rows are never both trained and tested on; the numbers of the rows.

    Args:
        columns: The columns other than the label.
        decisions: What each of them is for.
        rows: Number of rows.
    """
    names = [decision.name for decision in decisions if decision.is_unique]
    number = "" if names else _free_name("row_number", {decision.name for decision in decisions})
    row_key = (names[0] if names else number,)
    split_key, why = _choose_split_key(columns, decisions, rows)
    if names and not any(decision.is_entity and decision.name in split_key for decision in decisions):
        split_key, why = row_key, f"{names[0]} names each row"
    why += _series_warning(decisions, rows)
    return Keys(row_key=row_key, split_key=split_key or row_key, row_number=number, why=why)


def _series_warning(decisions: Sequence[Decision], rows: int) -> str:
    dates = [item.name for item in decisions if item.role is Role.DATE and item.distinct == rows]
    if not dates:
        return ""
    return f". Each row has a {dates[0]} of its own: of a series the splits hold neighbours in time, which flatters a forecast"


def _choose_split_key(columns: Sequence[Column], decisions: Sequence[Decision], rows: int) -> tuple[tuple[str, ...], str]:
    entities = [item for item in decisions if item.is_entity and item.distinct >= _LEAST_ENTITIES]
    if entities:
        entity = min(entities, key=lambda item: item.distinct).name
        return (entity,), f"all rows of one {entity} go to the same split"
    if split_key := _find_columns(columns, decisions, rows):
        return split_key, "these columns tell nearly all rows apart, so rows that are alike go to the same split"
    return (), "no columns tell the rows apart, so the number of a row in the file names it"


def choose_shares(rows: int) -> dict[str, float]:
    """Returns the share of each split: with few rows more of them judge, as a verdict on thirty is none."""
    if rows < 2_000:
        return {"train": 0.6, "eval": 0.2, "test": 0.2}
    if rows < 20_000:
        return {"train": 0.7, "eval": 0.15, "test": 0.15}
    return {"train": 0.8, "eval": 0.1, "test": 0.1}


def _free_name(name: str, taken: set[str]) -> str:
    lower = {other.lower() for other in taken}
    return name if name not in lower else _free_name(f"{name}_", taken)


def _find_columns(columns: Sequence[Column], decisions: Sequence[Decision], rows: int) -> tuple[str, ...]:
    """Returns the fewest columns, found greedily, whose values differ in nearly all rows; none if there are no such."""
    usable = [
        (decision, column)
        for decision, column in zip(decisions, columns, strict=True)
        if decision.missing == 0 and column.kind in ("INT", "BYTES") and not decision.is_leak
    ]
    usable.sort(key=lambda item: -item[0].distinct)
    codes, chosen = np.zeros(rows, np.int64), list[str]()
    for decision, column in usable[:_MOST_COLUMNS]:
        values = pc.index_in(column.values, value_set=pc.unique(column.values)).to_numpy().astype(np.int64)
        _, codes = np.unique(codes * (decision.distinct + 1) + values, return_inverse=True)
        chosen.append(decision.name)
        if codes.max() + 1 >= _LEAST_DISTINCT * rows:
            return tuple(chosen)
    return ()
