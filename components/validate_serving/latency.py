"""Percentiles of latencies, and how far they can be trusted."""

import dataclasses
import math

import numpy as np

BATCH_SIZES = (1, 16, 128)
"""Rows per request that are always timed; the policy may ask for more."""

CONFIDENCE = 0.9
"""Of the two-sided interval; each of its ends alone is a 95 % bound."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Percentile:
    """A percentile of the latency in milliseconds, with its interval.

    Attributes:
        value: The percentile: a request that was timed.
        lower: Lower end of the interval; None when there are too few requests for one.
        upper: Upper end of the interval; None when there are too few requests for one.
    """

    value: float
    lower: float | None
    upper: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Latency:
    """The distribution of one batch size's latencies, in milliseconds.

    Attributes:
        batch_size: Rows per request.
        requests: Number of timed requests.
        p50: Median.
        p95: 95th percentile.
        p99: 99th percentile.
        worst: The slowest request.
    """

    batch_size: int
    requests: int
    p50: Percentile
    p95: Percentile
    p99: Percentile
    worst: float


def summarize_latency(batch_size: int, milliseconds: np.ndarray) -> Latency:
    """Returns the percentiles of one batch size.

    Args:
        batch_size: Rows per request.
        milliseconds: One latency per request, float64 of shape [requests], at least one.
    """
    ordered = np.sort(milliseconds)
    p50, p95, p99 = (_percentile(ordered, probability) for probability in (0.5, 0.95, 0.99))
    return Latency(batch_size=batch_size, requests=len(ordered), p50=p50, p95=p95, p99=p99, worst=float(ordered[-1]))


def quantile_interval(ordered: np.ndarray, probability: float) -> tuple[float | None, float | None]:
    """Returns a confidence interval of a quantile that assumes nothing of the distribution but independent requests.

    The number of requests faster than the true quantile is binomial(n, probability), so two order statistics enclose it
    with a known confidence: W. J. Conover, Practical Nonparametric Statistics, 3rd ed. (1999), section 3.2;
    H. A. David and H. N. Nagaraja, Order Statistics, 3rd ed. (2003), section 7.1.

    Args:
        ordered: The values in ascending order, shape [n].
        probability: Which quantile, in (0, 1).

    Returns:
        Both ends at `CONFIDENCE`; None for an end that n values cannot give. The upper end of p99 takes 299 of them.
    """
    n, tail = len(ordered), (1 - CONFIDENCE) / 2
    cumulative = np.cumsum(_binomial(n, probability))  # cumulative[k] = P(at most k values are below the quantile)
    # 1-based ranks: x(r) > quantile unless at least r values lie below it, x(r) <= quantile unless fewer than r do.
    below = np.flatnonzero(cumulative <= tail)
    above = np.flatnonzero(cumulative[:n] >= 1 - tail)
    lower = float(ordered[below[-1]]) if below.size else None
    upper = float(ordered[above[0]]) if above.size else None
    return lower, upper


def _percentile(ordered: np.ndarray, probability: float) -> Percentile:
    lower, upper = quantile_interval(ordered, probability)
    value = float(ordered[max(math.ceil(probability * len(ordered)) - 1, 0)])
    return Percentile(value=value, lower=lower, upper=upper)


def _binomial(n: int, probability: float) -> np.ndarray:
    log_factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    k = np.arange(n + 1)
    logs = log_factorials[n] - log_factorials[k] - log_factorials[n - k]
    return np.exp(logs + k * math.log(probability) + (n - k) * math.log1p(-probability))
