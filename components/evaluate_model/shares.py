"""Intervals of shares, and of the distance between two shares, from counts of independent rows.

Sources: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference"; Newcombe 1998, "Interval
Estimation for the Difference Between Independent Proportions" (method 10, without continuity correction); Zou, Donner 2008,
"Construction of Confidence Limits About Effect Measures", which carries method 10 over to a weighted difference.
"""

import dataclasses
import statistics

import numpy as np


@dataclasses.dataclass(frozen=True)
class Shares:
    """Counts of several groups, and the shares they make.

    Attributes:
        hits: Rows of each group that count, int64 of any shape.
        totals: Rows of each group, int64 of the same shape.
    """

    hits: np.ndarray
    totals: np.ndarray

    @property
    def values(self) -> np.ndarray:
        """The shares, float64; NaN for a group without rows."""
        return np.divide(self.hits, self.totals, out=np.full(self.hits.shape, np.nan), where=self.totals > 0)


def critical_value(confidence: float, comparisons: int = 1) -> float:
    """Returns how many standard errors a two-sided interval reaches out, so that all of several comparisons hold together.

    Args:
        confidence: Confidence that all intervals hold what they estimate, in (0, 1).
        comparisons: Number of intervals, at least 1; the error is divided among them (Bonferroni).
    """
    return statistics.NormalDist().inv_cdf(1 - (1 - confidence) / (2 * comparisons))


def wilson_interval(shares: Shares, critical: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the score interval of each share, lower and upper ends in [0, 1]; NaN for a group without rows.

    Args:
        shares: The counts.
        critical: What `critical_value` returns.
    """
    totals = np.where(shares.totals > 0, shares.totals, np.nan)
    hits, square = shares.hits, critical**2
    middle = (hits + square / 2) / (totals + square)
    half = critical / (totals + square) * np.sqrt(hits * (totals - hits) / totals + square / 4)
    # At the ends the formula gives 0 and 1 up to rounding.
    lower = np.where(hits == 0, 0 * middle, middle - half)
    upper = np.where(hits == totals, 0 * middle + 1, middle + half)
    return lower, upper


def difference_interval(
    first: Shares, second: Shares, critical: float, *, weight: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the interval of `first - weight * second`, lower and upper ends; NaN where a group has no rows.

    Args:
        first: Counts of shape [...], or of a shape that broadcasts with those of `second`.
        second: Counts of other rows than those of `first`.
        critical: What `critical_value` returns.
        weight: Not negative; with 1 the interval is that of the difference.
    """
    (low, high), (other_low, other_high) = wilson_interval(first, critical), wilson_interval(second, critical)
    value, other = first.values, second.values
    middle = value - weight * other
    lower = middle - np.hypot(value - low, weight * (other_high - other))
    upper = middle + np.hypot(high - value, weight * (other - other_low))
    return lower, upper
