"""Finds the rows that belong together: those that share a value of the key that splits them."""

from pathlib import Path
from typing import Any

import numpy as np

from components._data.split_keys import has_split_keys, read_split_keys
from components._shared.errors import UserError


def find_clusters(examples: str | Path, split: str, manifest: dict[str, Any], rows: int) -> np.ndarray | None:
    """Returns the number of each row's cluster, from 0, int64 of shape [rows]; None where every row is one of its own.

    The numbers do not depend on the order of the rows.

    Args:
        examples: Folder of the examples.
        split: Name of the split.
        manifest: The manifest of the examples, with `split_rule` and `row_key`.
        rows: Number of rows of the split.

    Raises:
        UserError: If the examples should say which rows belong together and do not, or speak of another number of rows.
    """
    if not has_split_keys(manifest["split_rule"].get("key") or [], manifest.get("row_key") or []):
        return None
    keys = read_split_keys(examples, split)
    if len(keys) != rows:
        received = f"{len(keys):,} keys of {rows:,} rows"
        raise UserError("Every row of a split has a split key.", received=received, remedy="Run ingest_examples again.")
    distinct, codes = np.unique(keys, return_inverse=True)
    return None if len(distinct) == rows else codes.astype(np.int64)
