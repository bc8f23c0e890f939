import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components._data.record_batches import canonical_type, to_record_batch

VALUES = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.bool_(): st.booleans(),
    pa.float64(): st.floats(width=32),
    pa.float32(): st.floats(width=32),
    pa.string(): st.text(),
    pa.large_string(): st.text(),
    pa.binary(): st.binary(),
    pa.dictionary(pa.int32(), pa.string()): st.sampled_from(["", "a", "b"]),
}
SCALARS = st.sampled_from(list(VALUES))


@st.composite
def columns(draw: st.DrawFn) -> pa.ChunkedArray:
    """A column of any supported type, with nulls, in chunks, and sliced."""
    kind = draw(SCALARS)
    values = st.none() | VALUES[kind]
    if not pa.types.is_dictionary(kind) and draw(st.booleans()):
        kind, values = pa.list_(kind), st.none() | st.lists(VALUES[kind], max_size=3)
    chunks = draw(st.lists(st.lists(values, max_size=5), max_size=3))
    column = pa.chunked_array([pa.array(chunk, kind) for chunk in chunks], kind)
    return column.slice(draw(st.integers(0, 2)))


def expected_rows(column: pa.ChunkedArray) -> list[list[object] | None]:
    """The definition, row by row: a null is no list, a value is a list of one, text is bytes."""

    def convert(value: object) -> object:
        return value.encode() if isinstance(value, str) else value

    rows = []
    for value in column.to_pylist():
        items = value if isinstance(value, list) or value is None else [value]
        rows.append(None if items is None else [convert(item) for item in items])
    return rows


@settings(deadline=None, max_examples=150)
@given(columns())
def test_agrees_with_row_by_row_definition(column: pa.ChunkedArray) -> None:
    batch = to_record_batch(pa.table({"c": column}))
    np.testing.assert_equal(batch.column(0).to_pylist(), expected_rows(column))
    assert batch.column(0).type.value_type in (pa.int64(), pa.float32(), pa.binary())


def test_null_is_missing_and_not_zero():
    batch = to_record_batch(pa.table({"n": pa.array([1, None, 0]), "s": pa.array(["", None, "a"])}))
    assert batch.to_pydict() == {"n": [[1], None, [0]], "s": [[b""], None, [b"a"]]}


def test_column_of_nulls_alone():
    batch = to_record_batch(pa.table({"x": pa.array([None, None], pa.float32())}))
    assert batch.to_pydict() == {"x": [None, None]}


def test_keeps_names_and_order():
    batch = to_record_batch(pa.table({"b": [1], "a": ["x"]}))
    assert batch.schema.names == ["b", "a"]


def test_value_below_a_null_is_not_kept():
    values = pa.Array.from_buffers(pa.int64(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(np.array([7, 9]).tobytes())])
    assert to_record_batch(pa.table({"n": values})).column(0).flatten().to_pylist() == [7]


@pytest.mark.parametrize("kind", [pa.timestamp("s"), pa.date32(), pa.null()])
def test_other_types_are_refused(kind: pa.DataType):
    with pytest.raises(TypeError, match="integers, floats and bytes"):
        canonical_type(kind)
