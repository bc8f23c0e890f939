import numpy as np
import pytest

from components.validate_serving.predictions import changes, invalid, not_finite, relative_differences

INFINITY, NAN = np.inf, np.nan


def test_each_kind_has_its_valid_predictions(kit):
    assert invalid(np.array([0, 1, 1.01, -0.01, NAN]), kit.LATE).tolist() == [False, False, True, True, True]
    assert invalid(np.array([-5, 1e30, INFINITY, NAN]), kit.PRICE).tolist() == [False, False, True, True]
    rows = np.array([[0.2, 0.3, 0.5], [0.2, 0.3, 0.5009], [0.2, 0.3, 0.502], [-0.5, 1, 0.5], [NAN, 0.5, 0.5]])
    assert invalid(rows, kit.SPECIES).tolist() == [False, False, True, True, True]
    assert not_finite(rows).tolist() == [False, False, False, False, True]


@pytest.mark.parametrize(
    ("found", "wanted", "difference"),
    [
        ([1010, 990], [1000, 990], [0.01, 0]),
        ([1, -1], [0, 0], [INFINITY, INFINITY]),
        ([0, 0], [0, 0], [0, 0]),
        ([1.1, -1], [1, -1], [0.1, 0]),
        ([0.1, 10], [0, 10], [0.02, 0]),
        ([NAN, INFINITY], [1, INFINITY], [INFINITY, INFINITY]),
    ],
)
def test_a_difference_is_relative_to_the_value_or_the_spread(found, wanted, difference):
    np.testing.assert_allclose(relative_differences(np.array(found, float), np.array(wanted, float)), difference, atol=1e-12)


def test_a_change_to_or_from_nonsense_is_infinite(kit):
    before, after = np.array([0.1, NAN, 0.3, 0.4]), np.array([0.2, 0.2, 2.0, 0.4])

    np.testing.assert_allclose(changes(before, after, kit.LATE), [0.1, INFINITY, INFINITY, 0])


def test_no_spread_makes_any_change_of_a_number_infinite(kit):
    assert changes(np.full(2, 5.0), np.array([5.0, 5.1]), kit.PRICE).tolist() == [0, INFINITY]
