import numpy as np
import pytest

from components.evaluate_model.shares import Shares, critical_value, difference_interval, wilson_interval

Z = critical_value(0.95)


def shares(*counts):
    hits, totals = np.array(counts, dtype=np.int64).T
    return Shares(hits, totals)


def test_critical_value_is_divided_among_comparisons():
    assert critical_value(0.95) == pytest.approx(1.959964, abs=1e-6)
    assert critical_value(0.95, 10) == pytest.approx(2.807034, abs=1e-6)


def test_wilson_interval_is_that_of_the_literature():
    """Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3."""
    lower, upper = wilson_interval(shares((81, 263), (15, 148), (0, 20), (1, 29)), Z)
    assert lower == pytest.approx([0.2553, 0.0624, 0.0, 0.0061], abs=5e-5)
    assert upper == pytest.approx([0.3662, 0.1605, 0.1611, 0.1718], abs=5e-5)


def test_difference_interval_is_that_of_the_literature():
    """Newcombe 1998, "Interval estimation for the difference between independent proportions", table II, method 10."""
    first, second = shares((56, 70), (9, 10), (10, 10)), shares((48, 80), (3, 10), (0, 20))
    lower, upper = difference_interval(first, second, Z)
    assert lower == pytest.approx([0.0524, 0.1705, 0.6791], abs=5e-5)
    assert upper == pytest.approx([0.3339, 0.8090, 1.0], abs=5e-5)


def test_a_group_without_rows_has_no_interval():
    assert np.isnan(wilson_interval(shares((0, 0)), Z)).all()


@pytest.mark.parametrize("weight", [1.0, 0.8])
def test_intervals_hold_what_they_estimate_as_often_as_they_say(weight):
    """On average over the true shares; at a single one the coverage of few rows goes up and down."""
    random = np.random.default_rng(3)
    truth, other = random.random((2, 20_000))
    first, second = (Shares(random.binomial(rows, rate), np.full(20_000, rows)) for rows, rate in ((30, truth), (80, other)))
    ends = [wilson_interval(first, Z), difference_interval(first, second, Z, weight=weight)]
    for (lower, upper), value in zip(ends, [truth, truth - weight * other], strict=True):
        assert np.mean((lower <= value) & (value <= upper)) == pytest.approx(0.95, abs=0.01)
