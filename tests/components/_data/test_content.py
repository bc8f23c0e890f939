import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components._data.content import TableDigest, digest_table

ROWS = st.lists(
    st.tuples(st.none() | st.integers(-(2**63), 2**63 - 1), st.none() | st.floats(width=32), st.none() | st.text(max_size=3)),
    max_size=8,
)


def make_table(rows: list[tuple]) -> pa.Table:
    kinds = {"n": pa.int64(), "x": pa.float32(), "s": pa.string()}
    return pa.table({name: pa.array([row[i] for row in rows], kind) for i, (name, kind) in enumerate(kinds.items())})


@settings(deadline=None, max_examples=100)
@given(ROWS, st.integers(0, 8), st.integers(0, 3))
def test_layout_does_not_count(rows: list[tuple], cut: int, padding: int):
    whole = make_table(rows)
    chunked = pa.concat_tables([whole.slice(0, cut), whole.slice(cut)])
    sliced = make_table([(1, 2.0, "before")] * padding + rows + [(3, 4.0, "after")] * padding).slice(padding, len(rows))
    assert digest_table(whole) == digest_table(chunked) == digest_table(sliced)


@settings(deadline=None, max_examples=100)
@given(ROWS, ROWS)
def test_different_rows_differ(one: list[tuple], other: list[tuple]):
    def shown(rows: list[tuple]) -> list[str]:
        return [str((n, None if x is None else x + 0.0, s)) for n, x, s in rows]  # one zero, one NaN

    same = shown(one) == shown(other)
    assert (digest_table(make_table(one)) == digest_table(make_table(other))) == same


def test_value_below_a_null_does_not_count():
    hidden = pa.Array.from_buffers(pa.int64(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(np.array([7, 9]).tobytes())])
    assert digest_table(pa.table({"n": hidden})) == digest_table(pa.table({"n": pa.array([7, None])}))


def test_bits_of_nan_do_not_count():
    bits = np.array([0x7FC00000, 0x7FC00001], np.uint32).view(np.float32)
    one, other = (digest_table(pa.table({"x": pa.array(bits[i : i + 1])})) for i in (0, 1))
    assert one == other


@pytest.mark.parametrize(
    "other", [{"n": ["12", "3"]}, {"n": ["", "123"]}, {"n": ["1", None]}, {"m": ["1", "23"]}, {"n": ["1"]}, {"n": [1, 23]}, {}]
)
def test_values_names_nulls_and_types_count(other: dict):
    assert digest_table(pa.table({"n": ["1", "23"]})) != digest_table(pa.table(other))


def test_order_counts():
    assert digest_table(pa.table({"n": [1, 2]})) != digest_table(pa.table({"n": [2, 1]}))


def test_digest_does_not_change_between_releases():
    digest = digest_table(make_table([(1, 0.5, "a"), (None, None, None), (-3, -0.0, "ä")]))
    assert digest == "sha256:4afc9448d0ceb5f8da2c16abb079104873ea0fc892025c9375bd1a03e55637b8"


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="bool"):
        digest_table(pa.table({"b": [True]}))


def test_a_table_that_comes_in_parts_has_the_digest_of_the_whole():
    whole = make_table([(1, 0.5, "a"), (None, None, None), (-3, -0.0, "ä")])
    digest = TableDigest(whole.schema)
    for start in range(3):
        digest.update(whole.slice(start, 1))
    assert digest.value() == digest_table(whole)
