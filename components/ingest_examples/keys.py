"""Hashes of keys: which rows are the same, in what order they stand, and which split they belong to.

A hash depends on the values alone, never on files, row numbers or Arrow's memory, so a row keeps its place and its split
when other rows come or go.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components._data.content import canonical_floats

_BATCH_ROWS = 65_536


def hash_keys(table: pa.Table, columns: Sequence[str], salt: str = "") -> np.ndarray:
    """Returns 128 bits of BLAKE2b over the values of some columns.

    Args:
        table: Columns of int64, float32, float64 and string.
        columns: The columns of the key, at least one; the hash depends on their order.
        salt: Text that makes the hashes differ from those under another salt.

    Returns:
        uint64 [rows, 2]. Two keys share both halves with a probability of 2^-128; the halves are uniform.
    """
    batches = table.select(list(columns)).to_batches(max_chunksize=_BATCH_ROWS)
    return np.concatenate([np.empty((0, 2), np.uint64), *(_hash_batch(batch, salt) for batch in batches)])


def order_rows(hashes: np.ndarray, *, unique: bool) -> np.ndarray:
    """Returns the positions of rows in the order of their hashes.

    Args:
        hashes: uint64 [rows, 2].
        unique: Whether only the last row of equal hashes is kept.

    Returns:
        int64 [kept rows].
    """
    order = np.lexsort((hashes[:, 1], hashes[:, 0]))  # stable: equal hashes stay in the order of the rows
    if not unique:
        return order
    ordered = hashes[order]
    is_last = np.append(np.any(ordered[1:] != ordered[:-1], axis=1), True)[: len(order)]
    return order[is_last]


def assign_splits(hashes: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Returns the split of each row, by where its hash lies in [0, 1).

    Args:
        hashes: uint64 [rows, 2], of the split key.
        shares: Share of each split; they sum to 1.

    Returns:
        int64 [rows], the index of the split.
    """
    fractions = (hashes[:, 0] >> np.uint64(11)) * 2.0**-53  # 53 bits, exact in float64
    return np.searchsorted(np.cumsum(shares[:-1]), fractions, side="right")


def _hash_batch(batch: pa.RecordBatch, salt: str) -> np.ndarray:
    # Each value goes with its length, so that ("ab", "c") and ("a", "bc") differ.
    framed = [part for column in batch.columns for part in _frame(column)]
    keys = pc.binary_join_element_wise(str(len(salt.encode())), salt, *framed, ":").dictionary_encode()
    texts = keys.dictionary.cast(pa.binary()).to_pylist()
    digests = b"".join([hashlib.blake2b(text, digest_size=16).digest() for text in texts])
    return np.frombuffer(digests, "<u8").reshape(-1, 2)[keys.indices.to_numpy()]


def _frame(values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Returns length and text of each value; a null has the length `-`."""
    if pa.types.is_floating(values.type):
        bits = canonical_floats(values.cast(pa.float64())).view(np.int64)
        texts = pc.if_else(values.is_valid(), pa.array(bits).cast(pa.string()), None)
    else:
        texts = values.cast(pa.string())
    return pc.fill_null(pc.binary_length(texts).cast(pa.string()), "-"), pc.fill_null(texts, "")
