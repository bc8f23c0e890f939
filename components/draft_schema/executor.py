"""Turns a table into a draft: what each column is for, how ingest_examples reads it, and its schema."""

import dataclasses
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf import text_format

from components._shared.artifacts import DRAFT_FILE, SCHEMA_FILE
from components._shared.errors import UserError
from components._shared.label import LabelKind
from components._shared.outputs import write_json, write_text
from components.draft_schema.columns import Column, Table, read_columns
from components.draft_schema.keys import Keys, choose_keys, choose_shares
from components.draft_schema.labels import DraftLabel, draft_label, find_label
from components.draft_schema.leaks import SUSPECT, is_leak, measure_alone
from components.draft_schema.names import rename_columns
from components.draft_schema.roles import FEATURES, Decision, Role, decide, may_be_protected
from components.draft_schema.sniffing import Writing, sniff

logger = logging.getLogger(__name__)

_LEAST_ROWS = 50
_MOST_TEXTS = 5


def draft(*, data: str, label: str, kind: str, folder: str) -> None:
    """Writes `draft.json` and `schema.pbtxt`.

    Args:
        data: The CSV or Parquet file.
        label: Name of the column to predict, as the data has it.
        kind: Kind of the label; found by the values when empty.
        folder: Folder to write to.

    Raises:
        UserError: If the file cannot be read, has too few rows, no such label, or no feature to learn from.
    """
    if kind not in ("", *LabelKind):
        raise UserError("The label's kind is known.", received=kind, remedy=f"Known: {', '.join(LabelKind)}.")
    path = Path(data)
    writing = sniff(path)
    table = read_columns(path, writing)
    renamed = rename_columns([column.original for column in table.columns])
    names = {column.original: renamed.get(column.original, column.original) for column in table.columns}
    wanted = find_label(table.columns, label)
    target = draft_label(wanted, names[wanted.original], kind)
    _check_rows(target, wanted.original)
    others = [column for column in table.columns if column is not wanted]
    decisions = _without_leaks([decide(column, names[column.original]) for column in others], others, target)
    features = [item for item in decisions if item.role in FEATURES]
    if not features:
        found = ", ".join(f"{item.original!r}: {item.why}" for item in decisions)
        rule = "At least one column besides the label is something to learn from."
        raise UserError(rule, received=found or "no other column", remedy="Add such a column.")
    keys = choose_keys(others, decisions, table.rows)
    # Imported here, so that what is wrong with the data is said before TFDV has been loaded.
    from components.draft_schema.schema import draft_schema  # noqa: PLC0415

    schema = draft_schema({names[column.original]: column for column in others}, features, target)
    write_text(Path(folder) / SCHEMA_FILE, text_format.MessageToString(schema, as_utf8=True))
    document = _describe(table, writing, renamed, keys, target) | {"columns": _list_columns(wanted, target, decisions)}
    write_json(Path(folder) / DRAFT_FILE, document)


def _check_rows(label: DraftLabel, original: str) -> None:
    rows = int(np.isfinite(label.target).sum())
    if rows < _LEAST_ROWS:
        rule = f"A table has at least {_LEAST_ROWS} rows with a label: some to train on, some to select, some to judge by."
        remedy = "Gather more rows, or name a label that more rows have."
        raise UserError(rule, received=f"{rows} with one in {original!r}", remedy=remedy)


def _without_leaks(decisions: Sequence[Decision], columns: Sequence[Column], label: DraftLabel) -> list[Decision]:
    """Returns the decisions with what gives the label away left out, and what may do so named."""
    labelled = np.isfinite(label.target)
    mask, target = pa.array(labelled), label.target[labelled]
    result, texts = [], 0
    for item, column in zip(decisions, columns, strict=True):
        texts += item.role is Role.TEXT
        if item.role is Role.LEFT_OUT:
            result.append(item)
        elif item.role is Role.TEXT and texts > _MOST_TEXTS:
            why = f"{item.why}, after {_MOST_TEXTS} others of them"
            result.append(dataclasses.replace(item, role=Role.LEFT_OUT, why=why))
        else:
            result.append(_judge(item, column.values.filter(mask), target, label.kind))
    return result


def _judge(item: Decision, values: pa.ChunkedArray, target: np.ndarray, kind: LabelKind) -> Decision:
    # Whether a value is there at all can tell of the label, too; of dates and free text only that is looked at.
    missing = measure_alone(pc.is_null(values).cast(pa.int64()), target, kind) if item.missing else 0.0
    known = measure_alone(values, target, kind) if item.role in (Role.NUMBER, Role.CATEGORY) else 0.0
    strength = max(missing, known)
    if is_leak(missing, 2, kind) or is_leak(known, item.distinct, kind):
        why = f"leakage: alone it tells {_share(strength)} of the label, so it is probably known only after it"
        return dataclasses.replace(item, role=Role.LEFT_OUT, why=why, is_leak=True)
    if strength >= SUSPECT:
        return dataclasses.replace(item, why=f"{item.why}; alone it tells {_share(strength)} of the label: known in time?")
    return item


def _share(strength: float) -> str:
    """Returns a share in words, rounded down, so that 100 % is said of a perfect copy alone."""
    return f"{math.floor(strength * 100)} %"


def _list_columns(wanted: Column, label: DraftLabel, decisions: Sequence[Decision]) -> list[dict[str, Any]]:
    without = wanted.values.null_count
    why = label.why + (f"; {without:,} rows without one are left out" if without else "")
    first = Decision(name=label.settings["name"], original=wanted.original, kind=wanted.kind, role=Role.LABEL, why=why)
    protected = {item.name for item in decisions if item.role in FEATURES and may_be_protected(item)}
    return [item.to_json() | {"may_be_protected": item.name in protected} for item in (first, *decisions)]


def _describe(table: Table, writing: Writing, renamed: dict[str, str], keys: Keys, label: DraftLabel) -> dict[str, Any]:
    source: dict[str, Any] = {"format": writing.format}
    if writing.format == "csv":
        source |= {"null_values": list(table.null_values), "delimiter": writing.delimiter, "encoding": writing.encoding}
        source |= {"decimal_point": table.decimal_point}
    source |= {"columns": renamed, "row_number": keys.row_number, "row_key": list(keys.row_key), "label": label.settings}
    return {
        "format": "sluice/draft/1",
        "rows": table.rows,
        "labelled": int(np.isfinite(label.target).sum()),
        "label_kind": label.kind.value,
        "source": source,
        "shares": choose_shares(int(np.isfinite(label.target).sum())),
        "split_key": list(keys.split_key),
        "why_keys": keys.why,
    }
