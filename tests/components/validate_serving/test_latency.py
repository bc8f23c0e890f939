import numpy as np
import pytest

from components._shared.policy import LEAST_REQUESTS
from components.validate_serving.latency import quantile_interval, summarize_latency


def test_percentiles_are_requests_that_were_timed():
    found = summarize_latency(8, np.arange(100, 0, -1.0))

    assert (found.p50.value, found.p95.value, found.p99.value, found.worst) == (50.0, 95.0, 99.0, 100.0)
    assert (found.batch_size, found.requests) == (8, 100)


@pytest.mark.parametrize(("requests", "known"), [(298, False), (299, True)])
def test_the_upper_end_of_p99_takes_299_requests(requests, known):
    _, upper = quantile_interval(np.arange(float(requests)), 0.99)

    assert (upper is not None) is known
    assert LEAST_REQUESTS == 299


def test_one_request_bounds_p99_from_below_alone():
    found = summarize_latency(1, np.array([3.0]))

    assert (found.p99.value, found.p99.lower, found.p99.upper) == (3.0, 3.0, None)


def test_the_interval_agrees_with_exact_binomial_ranks():
    stats = pytest.importorskip("scipy.stats")
    n = 1000
    lower, upper = quantile_interval(np.arange(float(n)), 0.99)

    assert stats.binom.cdf(lower, n, 0.99) <= 0.05 < stats.binom.cdf(lower + 1, n, 0.99)
    assert stats.binom.cdf(upper, n, 0.99) >= 0.95 > stats.binom.cdf(upper - 1, n, 0.99)


def test_the_interval_covers_the_true_quantile_as_often_as_it_says():
    random = np.random.default_rng(1)
    samples = np.sort(random.exponential(size=(2000, 400)), axis=1)
    ends = np.array([quantile_interval(sample, 0.95) for sample in samples])

    covered = np.mean((ends[:, 0] <= -np.log(0.05)) & (-np.log(0.05) <= ends[:, 1]))
    assert 0.88 < covered < 0.97
