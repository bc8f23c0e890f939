from pathlib import Path

import numpy as np
import pytest

from components._data.split_keys import write_split_keys
from components._shared.errors import UserError
from components.evaluate_model.clusters import find_clusters

KEYS = np.array([2**63 + 7, 5, 9, 2**63 + 7, 9, 5], dtype=np.uint64)


def find(folder: Path, *, key=("day",), row_key=("number",), rows=6):
    return find_clusters(folder, "test", {"split_rule": {"key": list(key)}, "row_key": list(row_key)}, rows)


def test_rows_that_share_the_key_are_one_cluster_whatever_their_order(tmp_path: Path) -> None:
    for order in (np.arange(6), np.random.default_rng(0).permutation(6)):
        write_split_keys(tmp_path, "test", KEYS[order])
        assert find(tmp_path).tolist() == np.array([2, 0, 1, 2, 1, 0])[order].tolist()


@pytest.mark.parametrize(("key", "row_key"), [((), ("number",)), (("number",), ("number",)), (("day", "number"), ("number",))])
def test_a_key_that_tells_all_rows_apart_needs_no_file(tmp_path: Path, key, row_key) -> None:
    assert find(tmp_path, key=key, row_key=row_key) is None


def test_distinct_keys_leave_rows_single(tmp_path: Path) -> None:
    write_split_keys(tmp_path, "test", np.arange(6, dtype=np.uint64))
    assert find(tmp_path) is None


def test_keys_that_are_missing_or_too_few_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="which rows share it"):
        find(tmp_path)
    write_split_keys(tmp_path, "test", KEYS[:5])
    with pytest.raises(UserError, match="5 keys of 6 rows"):
        find(tmp_path)
