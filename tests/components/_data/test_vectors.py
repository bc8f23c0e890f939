import numpy as np
import pyarrow as pa
import pytest

from components._data.record_batches import to_record_batch
from components._data.vectors import to_array, to_column


@pytest.mark.parametrize("shape", [(6,), (6, 3), (0, 3)])
def test_numbers_and_vectors_come_back(shape):
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    column = pa.chunked_array([to_column(values[:4]), to_column(values[4:])])
    np.testing.assert_array_equal(to_array(column), values)
    assert to_array(column).dtype == np.float32


def test_vectors_become_lists_of_a_record_batch():
    table = pa.table({"scores": to_column(np.array([[0.5, 0.25], [1, 2], [3, 4]]))})
    assert to_record_batch(table.slice(1))["scores"].to_pylist() == [[1, 2], [3, 4]]
