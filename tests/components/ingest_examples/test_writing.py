import numpy as np
import pyarrow as pa
import pytest

from components._data.content import digest_table
from components._data.examples import list_row_groups, read_split
from components.ingest_examples.writing import write_splits

ROWS = 70_000  # more than a row group holds
TABLE = pa.table({"city": [None if row % 7 == 0 else f"city {row}" for row in range(ROWS)], "n": np.arange(ROWS)})


@pytest.fixture
def columns():
    parts = [TABLE.slice(start, 9_999) for start in range(0, ROWS, 9_999)]
    chunked = pa.concat_tables(parts)
    return {name: chunked[name] for name in chunked.column_names}


@pytest.mark.parametrize("most_bytes", [2**31 - 1, 1000])  # the second has texts take the way of those beyond 2 GB
def test_splits_hold_their_rows_in_the_order_given(tmp_path, columns, most_bytes):
    order = np.random.default_rng(0).permutation(ROWS)
    positions = {"train": order[:66_000], "test": order[66_000:]}
    digests = write_splits(tmp_path, columns, positions, most_bytes)
    for split, rows in positions.items():
        expected = TABLE.take(pa.array(rows))
        assert read_split(tmp_path, split).equals(expected)
        assert digests[split] == digest_table(expected)
    assert [group.rows for group in list_row_groups(tmp_path, "train")] == [65_536, 464]


def test_columns_are_given_up_to_be_freed(tmp_path, columns):
    write_splits(tmp_path, columns, {"train": np.arange(5)})
    assert columns == {}
