"""Compares two models on the same rows: the difference of a metric, and how sure the rows make us of it.

Rows are resampled with replacement, one draw for both models (the paired bootstrap), so that what makes rows hard for both
does not count as noise. Rows that belong together, such as the flights of a day, are drawn together (the cluster bootstrap;
Davison, Hinkley 1997, "Bootstrap Methods and their Application", section 3.8). Differences are positive where the candidate is
better, whatever the metric.
"""

import abc
import dataclasses
import statistics

import numpy as np


@dataclasses.dataclass(frozen=True)
class Interval:
    """A two-sided confidence interval of a difference."""

    lower: float
    upper: float

    def overlaps(self, other: "Interval") -> bool:
        """Returns whether any value lies in both."""
        return self.lower <= other.upper and other.lower <= self.upper


class Pair(abc.ABC):
    """One metric of two models on the same rows.

    Attributes:
        formula: Name of the formula behind `row_standard_error`.
        rows: Number of rows.
        clusters: Number of each row's cluster, from 0, int64 of shape [rows], in the order that this object keeps rows in;
            None where every row stands for itself.
        informative: Number of rows that limit what the metric can tell: all of them, or those of the rarer class.
        candidate: The candidate's metric.
        live: The live version's.
        alike: Whether the metric would be equal for both on any rows.
    """

    formula: str
    rows: int
    clusters: np.ndarray | None
    informative: int
    candidate: float
    live: float
    alike: bool

    @abc.abstractmethod
    def gain(self, counts: np.ndarray) -> float:
        """Returns by how much the candidate is better on a resample; NaN where the metric is not defined.

        Args:
            counts: How often each row was drawn, float64 of shape [rows], in the order that this object keeps rows in.
        """

    @abc.abstractmethod
    def row_standard_error(self) -> float:
        """Returns the standard error of the gain for rows that are independent; NaN with too few of them."""

    @abc.abstractmethod
    def influences(self) -> np.ndarray:
        """Returns by how much each row moves the difference of the metric, float64 of shape [rows]; they sum to 0."""

    @property
    def units(self) -> int:
        """Number of independent units: clusters, or rows."""
        return self.rows if self.clusters is None else int(self.clusters.max()) + 1

    @property
    def method(self) -> str:
        """Name of the formula behind `analytic_interval`."""
        return self.formula if self.clusters is None else f"{self.formula} by clusters"

    @property
    def higher_is_better(self) -> bool:
        """Returns whether a larger value of the metric is a better one."""
        return False

    def bootstrap(self, resamples: int, seed: int) -> np.ndarray:
        """Returns the gain on resamples of the rows, float64 of shape [resamples].

        One resample is held in memory at a time, whatever their number.

        Args:
            resamples: Number of resamples.
            seed: Seed of the generator (PCG64); the same seed gives the same resamples.
        """
        generator = np.random.Generator(np.random.PCG64(seed))
        return np.array([self.gain(self._draw(generator)) for _ in range(resamples)])

    def _draw(self, generator: np.random.Generator) -> np.ndarray:
        # Counts of n uniform draws are multinomial; counting them is much faster than drawing n binomials.
        counts = np.bincount(generator.integers(0, self.units, self.units), minlength=self.units).astype(np.float64)
        return counts if self.clusters is None else counts[self.clusters]

    def standard_error(self) -> float:
        """Returns the standard error of the gain by a formula; NaN with too few units.

        With clusters, see `clustered_standard_error`.
        """
        if self.clusters is None:
            return self.row_standard_error()
        return clustered_standard_error(self.influences(), self.clusters)

    def analytic_interval(self, confidence: float) -> Interval | None:
        """Returns the normal interval around the gain, by the formula that `method` names; None with too few units."""
        gain, width = self.candidate - self.live, normal_quantile(confidence) * self.standard_error()
        gain = gain if self.higher_is_better else -gain
        return Interval(gain - width, gain + width) if np.isfinite(width) else None


class MeanPair(Pair):
    """Means of a value of each row, such as a loss or a hit."""

    formula = "normal approximation"

    def __init__(
        self, candidate: np.ndarray, live: np.ndarray, clusters: np.ndarray | None = None, *, higher_is_better: bool = False
    ) -> None:
        """Takes the values.

        Args:
            candidate: The candidate's value, float64 of shape [rows].
            live: The live version's.
            clusters: Number of each row's cluster, int64 of shape [rows]; None where every row stands for itself.
            higher_is_better: Whether larger values are better ones.
        """
        self.rows = self.informative = len(candidate)
        self.candidate, self.live = float(candidate.mean()), float(live.mean())
        self.alike = bool(np.array_equal(candidate, live))
        self._higher_is_better = higher_is_better
        gains = candidate - live if higher_is_better else live - candidate
        # An order that does not depend on how the rows came.
        order = np.argsort(gains) if clusters is None else np.lexsort((clusters, gains))
        self._gains, self.clusters = gains[order], None if clusters is None else clusters[order]

    @property
    def higher_is_better(self) -> bool:
        """Returns whether larger values are better ones."""
        return self._higher_is_better

    def gain(self, counts: np.ndarray) -> float:
        """Returns the mean gain of a resample."""
        return float(counts @ self._gains) / float(counts.sum())

    def row_standard_error(self) -> float:
        """Returns the standard error of the mean of paired differences, sd / sqrt(rows)."""
        return float(np.std(self._gains, ddof=1) / np.sqrt(self.rows)) if self.rows > 1 else float("nan")

    def influences(self) -> np.ndarray:
        """Returns each row's gain less their mean, over the number of rows."""
        return (self._gains - self._gains.mean()) / self.rows


def percentile_interval(values: np.ndarray, confidence: float) -> Interval:
    """Returns the percentile interval of bootstrap values.

    Efron, Tibshirani 1993, "An Introduction to the Bootstrap", section 13.3.
    """
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(values, [tail, 1 - tail])
    return Interval(float(lower), float(upper))


def clustered_standard_error(influences: np.ndarray, clusters: np.ndarray) -> float:
    """Returns the root of G / (G - 1) times the sum of the squared influences of the G clusters; NaN with fewer than two.

    For areas it is that of Obuchowski 1997, "Nonparametric Analysis of Clustered ROC Curve Data".

    Args:
        influences: By how much each row moves the estimate, float64 of shape [rows]; they sum to 0.
        clusters: Number of each row's cluster, int64 of shape [rows]; numbers without a row are no cluster.
    """
    sums = np.bincount(clusters, influences)[np.bincount(clusters) > 0]
    number = len(sums)
    return float(np.sqrt(number / (number - 1) * np.sum(sums**2))) if number > 1 else float("nan")


def normal_quantile(confidence: float) -> float:
    """Returns how many standard errors a two-sided normal interval reaches to each side."""
    return statistics.NormalDist().inv_cdf((1 + confidence) / 2)
