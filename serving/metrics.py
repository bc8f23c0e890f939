"""Counts and latencies of requests, exported for Prometheus under TF Serving's names.

Names, labels, units and buckets follow servables/tensorflow/util.cc, for loads TensorFlow's cc/saved_model/loader.cc; the
page follows util/prometheus_exporter.cc.
"""

import threading
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import accumulate

_LIMITS = [10 * 1.8**power for power in range(33)]
"""Upper bounds of the buckets in microseconds, from 10 to about 25 minutes; one more bucket holds what is above."""


@dataclass
class _Counter:
    name: str
    labels: tuple[str, ...]
    counts: dict[tuple[str, ...], int] = field(default_factory=dict)


@dataclass
class _Histogram:
    name: str
    labels: tuple[str, ...]
    buckets: dict[tuple[str, ...], list[int]] = field(default_factory=dict)
    sums: dict[tuple[str, ...], float] = field(default_factory=dict)


class Metrics:
    """Collects counts and latencies; any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = _Counter(":tensorflow:serving:request_count", ("model_name", "status"))
        self._loads = _Counter(":tensorflow:cc:saved_model:load_attempt_count", ("model_path", "status"))
        self._request = _Histogram(":tensorflow:serving:request_latency", ("model_name", "API", "entrypoint"))
        self._runtime = _Histogram(":tensorflow:serving:runtime_latency", ("model_name", "API", "runtime"))
        self._warmup = _Histogram(":tensorflow:serving:model_warmup_latency", ("model_path", "status"))

    def count_request(self, model: str, code: str) -> None:
        """Counts a Predict request by its outcome, such as `OK` or `NOT_FOUND`."""
        self._count(self._requests, (model, code))

    def load_attempted(self, path: str, *, succeeded: bool) -> None:
        """Counts an attempt to load a version, without its warm-up."""
        self._count(self._loads, (path, "success" if succeeded else "fail"))

    def request_took(self, model: str, api: str, entrypoint: str, seconds: float) -> None:
        """Records the whole time of a request that was answered; `entrypoint` is `GRPC` or `REST`."""
        self._add(self._request, (model, api, entrypoint), seconds)

    def runtime_took(self, model: str, seconds: float) -> None:
        """Records the time that TensorFlow took for a request."""
        self._add(self._runtime, (model, "Predict", "TF1"), seconds)

    def warmup_took(self, path: str, status: str, seconds: float) -> None:
        """Records the time of a version's warm-up."""
        self._add(self._warmup, (path, status), seconds)

    def page(self) -> str:
        """Returns all metrics in Prometheus's text format."""
        with self._lock:
            lines = [line for counter in (self._requests, self._loads) for line in _counter_lines(counter)]
            for histogram in (self._request, self._runtime, self._warmup):
                lines += _histogram_lines(histogram)
        return "\n".join(lines) + "\n"

    def _count(self, counter: _Counter, key: tuple[str, ...]) -> None:
        with self._lock:
            counter.counts[key] = counter.counts.get(key, 0) + 1

    def _add(self, histogram: _Histogram, key: tuple[str, ...], seconds: float) -> None:
        microseconds = seconds * 1e6
        with self._lock:
            buckets = histogram.buckets.setdefault(key, [0] * (len(_LIMITS) + 1))
            buckets[bisect_left(_LIMITS, microseconds)] += 1
            histogram.sums[key] = histogram.sums.get(key, 0.0) + microseconds


def _counter_lines(counter: _Counter) -> list[str]:
    lines = [f"# TYPE {counter.name} counter"]
    return lines + [f"{counter.name}{{{_labels(counter.labels, key)}}} {count}" for key, count in counter.counts.items()]


def _histogram_lines(histogram: _Histogram) -> list[str]:
    lines = [f"# TYPE {histogram.name} histogram"]
    bounds = [*(f"{limit:g}" for limit in _LIMITS), "+Inf"]
    for key, buckets in histogram.buckets.items():
        labels = _labels(histogram.labels, key)
        cumulated = list(accumulate(buckets))
        lines += [
            f'{histogram.name}_bucket{{{labels},le="{bound}"}} {count}' for bound, count in zip(bounds, cumulated, strict=True)
        ]
        lines.append(f"{histogram.name}_sum{{{labels}}} {histogram.sums[key]:.1f}")
        lines.append(f"{histogram.name}_count{{{labels}}} {cumulated[-1]}")
    return lines


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    return ",".join(f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True))


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
