"""Compares two models on the same rows: the difference of a metric, and how sure the rows make us of it.

Rows are resampled with replacement, one draw for both models (the paired bootstrap), so that what makes rows hard for both
does not count as noise. Differences are positive where the candidate is better, whatever the metric.
"""

import abc
import dataclasses
import statistics

import numpy as np

EPSILON = 1e-7
"""Probabilities are kept this far from 0 and 1 inside logarithms, as Keras keeps them."""


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
        method: Name of the formula behind `analytic_interval`.
        rows: Number of rows.
        informative: Number of rows that limit what the metric can tell: all of them, or those of the rarer class.
        candidate: The candidate's metric.
        live: The live version's.
        alike: Whether the metric would be equal for both on any rows.
    """

    method: str
    rows: int
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
    def standard_error(self) -> float:
        """Returns the standard error of the gain by a formula; NaN with too few rows."""

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
        return np.bincount(generator.integers(0, self.rows, self.rows), minlength=self.rows).astype(np.float64)

    def analytic_interval(self, confidence: float) -> Interval | None:
        """Returns the normal interval around the gain, by the formula that `method` names; None with too few rows."""
        gain, width = self.candidate - self.live, normal_quantile(confidence) * self.standard_error()
        gain = gain if self.higher_is_better else -gain
        return Interval(gain - width, gain + width) if np.isfinite(width) else None

    @property
    def higher_is_better(self) -> bool:
        """Returns whether a larger value of the metric is a better one."""
        return False


class AucPair(Pair):
    """Areas under the ROC curves, exact and with ties: the Mann-Whitney statistic over the product of the class sizes."""

    method = "DeLong"

    def __init__(self, labels: np.ndarray, candidate: np.ndarray, live: np.ndarray) -> None:
        """Sorts the rows once, so that each resample takes time linear in their number.

        Args:
            labels: Zeros and ones of shape [rows], of both kinds.
            candidate: The candidate's probabilities of shape [rows].
            live: The live version's.
        """
        # Negatives first, by the candidate's score: an order that does not depend on how the rows came.
        order = np.lexsort((live, candidate, labels))
        candidate, live = candidate[order].astype(np.float64), live[order].astype(np.float64)
        self._negatives, self.rows = int(np.sum(labels == 0)), len(labels)
        self.informative = min(self._negatives, self.rows - self._negatives)
        self._candidate, self._live = (_Ranking(values, self._negatives) for values in (candidate, live))
        ones = np.ones(self.rows)
        self.candidate, self.live = self._candidate.auc(ones), self._live.auc(ones)
        ranks = [np.unique(values, return_inverse=True)[1] for values in (candidate, live)]
        self.alike = bool(np.array_equal(*ranks))

    @property
    def higher_is_better(self) -> bool:
        """Returns that a larger area is better."""
        return True

    def gain(self, counts: np.ndarray) -> float:
        """Returns the candidate's area less the live version's on a resample; NaN where it has one class only."""
        return self._candidate.auc(counts) - self._live.auc(counts)

    def standard_error(self) -> float:
        """Returns the standard error of the difference of two correlated areas.

        DeLong, DeLong, Clarke-Pearson 1988, "Comparing the Areas under Two or More Correlated Receiver Operating
        Characteristic Curves": the variance of the difference is that of the differences of the structural components,
        for positives and negatives each over their number. The components come from ranks, in the time of a sort, as in
        Sun, Xu 2014, "Fast Implementation of DeLong's Algorithm".
        """
        if self.informative < 2:
            return float("nan")
        pairs = zip(self._candidate.components(), self._live.components(), strict=True)
        return float(np.sqrt(sum(np.var(first - second, ddof=1) / len(first) for first, second in pairs)))


class LossPair(Pair):
    """Means of a loss of each row; the gain is the live version's mean less the candidate's."""

    method = "normal approximation"

    def __init__(self, candidate: np.ndarray, live: np.ndarray) -> None:
        """Takes the losses.

        Args:
            candidate: The candidate's loss, float64 of shape [rows].
            live: The live version's.
        """
        self.rows = self.informative = len(candidate)
        self.candidate, self.live = float(candidate.mean()), float(live.mean())
        self.alike = bool(np.array_equal(candidate, live))
        self._gains = np.sort(live - candidate)

    def gain(self, counts: np.ndarray) -> float:
        """Returns the mean gain of a resample."""
        return float(counts @ self._gains) / self.rows

    def standard_error(self) -> float:
        """Returns the standard error of the mean of paired differences, sd / sqrt(rows)."""
        return float(np.std(self._gains, ddof=1) / np.sqrt(self.rows)) if self.rows > 1 else float("nan")


class _Ranking:
    """One model's scores as ranks among the other class; rows are negatives first."""

    def __init__(self, scores: np.ndarray, negatives: int) -> None:
        self._split, below, above = negatives, scores[:negatives], scores[negatives:]
        self._order = np.argsort(below, kind="stable")
        self._below, self._above = below, above
        ranked = below[self._order]
        self._first, self._past = (np.searchsorted(ranked, above, side=side) for side in ("left", "right"))
        self._cumulated = np.zeros(negatives + 1)

    def auc(self, counts: np.ndarray) -> float:
        """Returns the area with each row counted so often: the share of pairs in the right order, ties by half."""
        negatives, positives = counts[: self._split], counts[self._split :]
        np.cumsum(negatives[self._order], out=self._cumulated[1:])
        pairs = self._cumulated[-1] * positives.sum()
        won = positives @ (self._cumulated[self._first] + self._cumulated[self._past]) / 2
        return float(won / pairs) if pairs else float("nan")

    def components(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns for each positive the share of negatives it beats, and for each negative of positives that beat it."""
        ranked = np.sort(self._above)
        first, past = (np.searchsorted(ranked, self._below, side=side) for side in ("left", "right"))
        return (self._first + self._past) / 2 / len(self._below), 1 - (first + past) / 2 / len(ranked)


def make_pair(metric: str, labels: np.ndarray, candidate: np.ndarray, live: np.ndarray) -> Pair:
    """Returns a metric of both models.

    Args:
        metric: "auc"; "binary_crossentropy", in nats; or "brier", the mean squared error of the probability (Brier 1950,
            "Verification of Forecasts Expressed in Terms of Probability").
        labels: Zeros and ones of shape [rows].
        candidate: The candidate's probabilities of shape [rows].
        live: The live version's.
    """
    if metric == "auc":
        return AucPair(labels, candidate, live)
    loss = {"binary_crossentropy": _crossentropy, "brier": _squared_error}[metric]
    return LossPair(loss(labels, candidate.astype(np.float64)), loss(labels, live.astype(np.float64)))


def percentile_interval(values: np.ndarray, confidence: float) -> Interval:
    """Returns the percentile interval of bootstrap values.

    Efron, Tibshirani 1993, "An Introduction to the Bootstrap", section 13.3.
    """
    tail = (1 - confidence) / 2
    lower, upper = np.quantile(values, [tail, 1 - tail])
    return Interval(float(lower), float(upper))


def normal_quantile(confidence: float) -> float:
    """Returns how many standard errors a two-sided normal interval reaches to each side."""
    return statistics.NormalDist().inv_cdf((1 + confidence) / 2)


def _crossentropy(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    return -np.log(np.clip(np.where(labels == 1, probabilities, 1 - probabilities), EPSILON, 1 - EPSILON))


def _squared_error(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    return (probabilities - labels) ** 2
