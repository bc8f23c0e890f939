import numpy as np
import pyarrow as pa
import pytest

from components.evaluate_model.clusters import find_clusters

ROWS = pa.table(
    {
        "day": pa.array([2, 1, None, 2, None, 1], pa.int64()),
        "depot": pa.array([b"b", b"a", b"a", b"b", b"a", b"b"], pa.binary()),
        "number": [1, 2, 3, 4, 5, 6],
    }
)


def find(*key, row_key=("number",)):
    return find_clusters(ROWS, {"split_rule": {"key": list(key)}, "row_key": list(row_key)})


@pytest.mark.parametrize(
    ("key", "codes"), [(("day",), [1, 0, 2, 1, 2, 0]), (("depot",), [1, 0, 0, 1, 0, 1]), (("day", "depot"), [2, 0, 3, 2, 3, 1])]
)
def test_rows_that_share_the_key_are_one_cluster_whatever_their_order(key, codes):
    assert find(*key).codes.tolist() == codes
    shuffled = np.random.default_rng(0).permutation(6)
    found = find_clusters(ROWS.take(pa.array(shuffled)), {"split_rule": {"key": list(key)}})
    assert found.codes.tolist() == np.array(codes)[shuffled].tolist()


@pytest.mark.parametrize("key", [(), ("number",), ("day", "number")])
def test_a_key_that_tells_all_rows_apart_leaves_them_single(key):
    assert find(*key).codes is None
    assert not find(*key).problem


def test_rows_stand_alone_by_the_row_key_though_the_examples_do_not_hold_it():
    assert find("parcel", "day", row_key=("parcel",)).problem == ""


def test_a_key_that_the_examples_lack_is_a_problem():
    assert "lack week of splits.key" in find("day", "week").problem
