"""How far predictions are from what happens, and how far chance alone would put them.

Even a perfectly calibrated model has an expected calibration error above 0 on a finite number of rows. So the error is compared
with that of labels drawn from the predictions themselves (consistency resampling: Broecker, Smith 2007, "Increasing the
Reliability of Reliability Diagrams"; as a test of calibration: Vaicenavicius et al. 2019).
"""

import dataclasses
import math

import numpy as np

from components._shared.policy import CalibrationGate
from components.evaluate_model.shares import critical_value


@dataclasses.dataclass(frozen=True)
class Bins:
    """Rows by their prediction, in bins of equal width over [0, 1], closed above; empty bins are left out.

    Attributes:
        prediction: Mean prediction of each bin, float64 of shape [bins].
        rate: Share of its rows that are hits, float64 of shape [bins].
        rows: Number of its rows, int64 of shape [bins].
    """

    prediction: np.ndarray
    rate: np.ndarray
    rows: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error: mean |rate - mean prediction| over the rows (Guo et al. 2017, equation 3)."""
        return float(np.average(np.abs(self.rate - self.prediction), weights=self.rows))


@dataclasses.dataclass(frozen=True)
class CalibrationError:
    """The expected calibration error, and what chance explains.

    Attributes:
        value: The error, in [0, 1].
        expected: Its mean if the model were perfectly calibrated.
        explained: The quantile of it at the policy's confidence, if the model were perfectly calibrated.
    """

    value: float
    expected: float
    explained: float


@dataclasses.dataclass(frozen=True)
class Ratio:
    """What happened over what was predicted.

    Attributes:
        value: Label rate over mean prediction; NaN where the mean prediction is 0.
        lower: The least value that chance explains, if the model were perfectly calibrated.
        upper: The greatest value that chance explains.
    """

    value: float
    lower: float
    upper: float


@dataclasses.dataclass(frozen=True)
class MeanDifference:
    """Mean prediction less mean label.

    Attributes:
        value: In standard deviations of the label; NaN where all labels are equal.
        explained: The greatest distance from 0 that chance explains.
    """

    value: float
    explained: float


def bin_rows(hits: np.ndarray, predictions: np.ndarray, bins: int) -> Bins:
    """Returns the bins of a reliability diagram.

    Args:
        hits: Zeros and ones of shape [rows].
        predictions: Their probabilities of shape [rows].
        bins: Number of bins.
    """
    places, exact = _places(predictions, bins), predictions.astype(np.float64)
    rows = np.bincount(places, minlength=bins)
    used = rows > 0
    sums = (np.bincount(places, values, bins)[used] for values in (exact, hits))
    prediction, rate = (values / rows[used] for values in sums)
    return Bins(prediction, rate, rows[used])


def measure_error(hits: np.ndarray, predictions: np.ndarray, policy: CalibrationGate) -> CalibrationError:
    """Returns the expected calibration error of at least one row; see the module's text.

    Args:
        hits: Zeros and ones of shape [rows].
        predictions: Their probabilities of shape [rows].
        policy: Bins, resamples, seed and confidence.
    """
    generator = np.random.default_rng(policy.seed)
    order = np.argsort(predictions, kind="stable")  # the same rows give the same resamples in whatever order they come
    places, sorted_predictions = _places(predictions[order], policy.bins), predictions[order].astype(np.float32)
    starts = np.flatnonzero(np.diff(places, prepend=-1))
    expected = np.add.reduceat(sorted_predictions, starts, dtype=np.float64)
    errors = np.empty(policy.resamples)
    for number in range(policy.resamples):
        drawn = generator.random(len(order), dtype=np.float32) < sorted_predictions
        errors[number] = np.abs(np.add.reduceat(drawn, starts, dtype=np.int64) - expected).sum() / len(order)
    explained = float(np.quantile(errors, policy.confidence, method="higher"))
    return CalibrationError(bin_rows(hits, predictions, policy.bins).error, float(errors.mean()), explained)


def measure_base_rate(hits: np.ndarray, predictions: np.ndarray, confidence: float, *, comparisons: int = 1) -> Ratio:
    """Returns the label rate over the mean prediction.

    The number of hits of a perfectly calibrated model has a Poisson binomial distribution; its quantiles are those of the
    normal distribution with a correction for the skewness (Cornish, Fisher 1938), and half a row for the step.

    Args:
        hits: Zeros and ones of shape [rows].
        predictions: Their probabilities of shape [rows].
        confidence: Share of perfectly calibrated models within the limits.
        comparisons: Among how many ratios the error is divided.
    """
    exact = predictions.astype(np.float64)
    mean, variance = exact.sum(), (exact * (1 - exact)).sum()
    if mean == 0:
        return Ratio(math.nan, math.nan, math.nan)
    critical = critical_value(confidence, comparisons)
    skew = (exact * (1 - exact) * (1 - 2 * exact)).sum() / variance if variance else 0.0
    middle, reach = mean + skew * (critical**2 - 1) / 6, critical * math.sqrt(variance) + 0.5
    return Ratio(float(hits.sum() / mean), float(max(0.0, middle - reach) / mean), float((middle + reach) / mean))


def measure_mean(labels: np.ndarray, predictions: np.ndarray, confidence: float) -> MeanDifference:
    """Returns mean prediction less mean label, and what chance explains by the normal interval of a mean.

    Args:
        labels: Numbers of shape [rows].
        predictions: Numbers of shape [rows].
        confidence: Confidence of the interval.
    """
    errors = predictions.astype(np.float64) - labels
    spread = float(np.std(labels, ddof=1)) if len(labels) > 1 else 0.0
    if not spread > 0:
        return MeanDifference(math.nan, math.nan)
    reach = critical_value(confidence) * float(np.std(errors, ddof=1)) / math.sqrt(len(errors))
    return MeanDifference(float(errors.mean()) / spread, reach / spread)


def _places(predictions: np.ndarray, bins: int) -> np.ndarray:
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], predictions.astype(np.float64), side="left")
