"""Which rows of a split belong together: a hash of each row's split key, beside the shards.

Rows that share a value of the split key, such as the flights of a day, are no independent facts. The key's columns need not be
features, so the examples themselves may not hold them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather

from components._shared.artifacts import SPLIT_KEYS_FILE, split_dir
from components._shared.errors import UserError

_COLUMN = "split_key"


def has_split_keys(split_key: Sequence[str], row_key: Sequence[str]) -> bool:
    """Returns whether rows may share a split key: not without one, nor where it tells all rows apart."""
    return bool(split_key) and not (row_key and set(row_key) <= set(split_key))


def write_split_keys(examples: str | Path, split: str, keys: np.ndarray) -> None:
    """Writes the hashes of one split, uint64 of shape [rows], in the order of its rows."""
    path = Path(examples) / split_dir(split) / SPLIT_KEYS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    pa.feather.write_feather(pa.table({_COLUMN: pa.array(keys, pa.uint64())}), str(path), compression="zstd")


def read_split_keys(examples: str | Path, split: str) -> np.ndarray:
    """Returns the hashes of one split, uint64 of shape [rows], in the order of its rows.

    Raises:
        UserError: If they are not there or cannot be read.
    """
    path = Path(examples) / split_dir(split) / SPLIT_KEYS_FILE
    try:
        return pa.feather.read_table(str(path))[_COLUMN].to_numpy()
    except (pa.ArrowException, OSError, KeyError) as error:
        rule = "Examples whose split key is not the row key say which rows share it."
        raise UserError(rule, received=f"{path}: {error}", remedy="Run ingest_examples again.") from error
