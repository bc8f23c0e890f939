"""Percentiles of latencies, and how far they can be trusted."""

import dataclasses
import math

import numpy as np

CONFIDENCE = 0.9
"""Of the interval; each of its ends alone is a 95 % bound."""


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
        p99_lower: Lower end of the 90 % interval of the 99th percentile; None when there are too few requests for one.
        p99_upper: Upper end of it; None when there are too few requests for one.
    """

    batch_size: int
    requests: int
    p50: float
    p95: float
    p99: float
    worst: float
    p99_lower: float | None
    p99_upper: float | None


def summarize_latency(batch_size: int, milliseconds: np.ndarray) -> Latency:
    """Returns the percentiles of one batch size.

    Args:
        batch_size: Rows per request.
        milliseconds: One latency per request, float64 of shape [requests], at least one.
    """
    ordered = np.sort(milliseconds)
    lower, upper = quantile_interval(ordered, 0.99)
    p50, p95, p99 = (_quantile(ordered, probability) for probability in (0.5, 0.95, 0.99))
    return Latency(
        batch_size=batch_size,
        requests=len(ordered),
        p50=p50,
        p95=p95,
        p99=p99,
        worst=float(ordered[-1]),
        p99_lower=lower,
        p99_upper=upper,
    )


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


def _quantile(ordered: np.ndarray, probability: float) -> float:
    return float(ordered[max(math.ceil(probability * len(ordered)) - 1, 0)])


def _binomial(n: int, probability: float) -> np.ndarray:
    log_factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    k = np.arange(n + 1)
    logs = log_factorials[n] - log_factorials[k] - log_factorials[n - k]
    return np.exp(logs + k * math.log(probability) + (n - k) * math.log1p(-probability))
