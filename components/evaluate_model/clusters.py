"""Finds the rows that belong together: those that share a value of the key that splits them."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclasses.dataclass(frozen=True)
class Clusters:
    """Which rows belong together.

    Attributes:
        codes: Number of each row's cluster, from 0, int64 of shape [rows]; None where every row is one of its own.
        problem: Why it is not known, as a sentence; empty when it is.
    """

    codes: np.ndarray | None = None
    problem: str = ""


def find_clusters(table: pa.Table, manifest: dict[str, Any]) -> Clusters:
    """Returns which rows share a value of the split's key; nulls are alike.

    The clusters' numbers follow the order of the values, not that of the rows.

    Args:
        table: The rows.
        manifest: The manifest of the examples, with `split_rule` and `row_key`.
    """
    key, row_key = manifest["split_rule"].get("key") or [], manifest.get("row_key") or []
    if not key or (row_key and set(row_key) <= set(key)):
        return Clusters()
    if missing := [name for name in key if name not in table.column_names]:
        lacking = f"The examples lack {', '.join(missing)} of splits.key, so which rows belong together is not known."
        remedy = "Add it to schema.pbtxt, or set gates.regression.resample to row."
        return Clusters(problem=f"{lacking} {remedy}")
    codes = _number(table, key)
    return Clusters(None if int(codes.max(initial=0)) + 1 == table.num_rows else codes)


def _number(table: pa.Table, key: Sequence[str]) -> np.ndarray:
    codes = np.zeros(table.num_rows, dtype=np.int64)
    for name in key:
        ranks = np.asarray(pc.rank(table[name].combine_chunks(), tiebreaker="dense")).astype(np.int64)
        # Renumbered after each column, so that no product over many columns overflows.
        codes = np.unique(codes * (int(ranks.max(initial=0)) + 1) + ranks, return_inverse=True)[1].astype(np.int64)
    return codes
