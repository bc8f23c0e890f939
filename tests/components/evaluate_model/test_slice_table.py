import math

import pytest
from tensorflow_model_analysis.metrics import metric_types

from components.evaluate_model.paired import Interval
from components.evaluate_model.results import SliceResult
from components.evaluate_model.slice_table import Ranking, place_overall, sort_slices


def make_slice(name, value, rows=100, one_class=False):
    key = (("depot", name),) if name else ()
    values = {metric_types.MetricKey("auc"): value}
    return SliceResult(
        key=key, name=f"depot={name}" if name else "", rows=rows, values=values, confusion={}, one_class=one_class
    )


RESULTS = [make_slice("", 0.7), make_slice("a", 0.8), make_slice("b", 0.6, rows=5), make_slice("c", math.nan)]
INTERVALS = {(("depot", "a"),): Interval(0.75, 0.85), (("depot", "b"),): Interval(0.45, 0.75)}


@pytest.mark.parametrize(("higher", "names"), [(True, ["b", "a", "c"]), (False, ["a", "b", "c"])])
def test_the_worst_slice_comes_first_and_one_without_a_value_last(higher, names):
    rows = sort_slices(RESULTS, Ranking("auc", higher), INTERVALS, min_slice_size=10)
    assert [row.name for row in rows] == [f"depot={name}" for name in names]
    assert [row.small for row in rows if row.name == "depot=b"] == [True]


def test_intervals_and_values_share_one_scale():
    rows = {row.name: row for row in sort_slices(RESULTS, Ranking("auc", higher=True), INTERVALS, 10)}
    first, second = rows["depot=a"], rows["depot=b"]
    assert (second.left, first.left + first.width) == pytest.approx((0, 100))
    assert second.left < second.point < second.left + second.width
    assert place_overall(RESULTS, Ranking("auc", higher=True), INTERVALS) == pytest.approx(100 * 0.25 / 0.4)


def test_without_intervals_there_are_points_and_without_a_metric_nothing():
    rows = sort_slices(RESULTS, Ranking("auc", higher=True), {}, 10)
    assert [(row.point, row.width) for row in rows[:2]] == [(0, 0), (100, 0)]
    assert place_overall(RESULTS, Ranking("f1", higher=True), {}) is None
    assert all(row.value is None for row in sort_slices(RESULTS, Ranking("f1", higher=True), {}, 10))


def test_a_ranking_of_one_class_is_not_defined_whatever_tfma_says():
    rows = sort_slices([*RESULTS, make_slice("d", 0.0, rows=1, one_class=True)], Ranking("auc", higher=True), {}, 10)
    assert [(row.name, row.value) for row in rows[2:]] == [("depot=c", None), ("depot=d", None)]
