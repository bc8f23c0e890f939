import hashlib

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ingest_examples.keys import assign_splits, hash_keys, order_rows

TEXTS = st.none() | st.text("ab:1-\x1f", max_size=4)
NUMBERS = st.none() | st.floats(allow_nan=False)


def make_table(rows: list[tuple]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    kinds = (pa.string(), pa.string(), pa.float64())
    return pa.table({name: pa.array(values, kind) for name, values, kind in zip("abc", columns, kinds, strict=True)})


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(TEXTS, TEXTS, NUMBERS), max_size=12))
def test_hashes_are_equal_where_keys_are(rows: list[tuple]):
    hashes = [bytes(row) for row in hash_keys(make_table(rows), ["a", "b", "c"])]
    groups = {row: {value for other, value in zip(rows, hashes, strict=True) if other == row} for row in rows}
    assert all(len(values) == 1 for values in groups.values())
    assert len(set(hashes)) == len(groups)


def test_hash_knows_no_chunks():
    table = make_table([(str(i), "x", i / 3) for i in range(9)])
    chunked = pa.concat_tables([table.slice(0, 4), table.slice(4)])
    np.testing.assert_array_equal(hash_keys(table, ["a", "c"]), hash_keys(chunked, ["a", "c"]))


def test_hash_does_not_change_between_releases():
    bits = int(np.float64(0.5).view(np.int64))
    expected = hashlib.blake2b(f"4:salt:1:a:-::19:{bits}".encode(), digest_size=16).digest()
    assert hash_keys(make_table([("a", None, 0.5)]), ["a", "b", "c"], "salt").tobytes() == expected


def test_salt_makes_other_hashes():
    table = make_table([("a", "b", 1.0)])
    assert hash_keys(table, ["a"], "1").tolist() != hash_keys(table, ["a"], "2").tolist()


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=12))
def test_last_of_each_key_is_kept(pairs: list[tuple[int, int]]):
    kept = order_rows(np.array(pairs, np.uint64).reshape(-1, 2), unique=True)
    assert [pairs[i] for i in kept] == sorted(set(pairs))
    assert all(pairs[i] not in pairs[i + 1 :] for i in kept)


def test_without_a_key_all_rows_are_kept_in_order():
    hashes = np.array([[2, 0], [1, 1], [2, 0], [1, 0]], np.uint64)
    assert order_rows(hashes, unique=False).tolist() == [3, 1, 0, 2]


def test_split_is_a_range_of_the_hash():
    most = 2**64 - 1
    hashes = np.array([[0, 0], [2**63 - 2**11, 0], [2**63, 0], [2**63 + 2**62, 0], [most, most]], np.uint64)
    assert assign_splits(hashes, [0.5, 0.25, 0.25]).tolist() == [0, 0, 1, 2, 2]
