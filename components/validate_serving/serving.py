"""The serving gate: does the exported model load and answer, whole and fast enough."""

from collections.abc import Iterator
from pathlib import Path

from components._shared.gates import GateResult, Measurement, Verdict
from components._shared.policy import ServingGate
from components.validate_serving.client import Outcome
from components.validate_serving.job import Measured
from components.validate_serving.latency import Latency


def judge_serving(bounds: ServingGate, outcome: Outcome, latencies: list[Latency], size_mb: float) -> GateResult:
    """Returns the verdict on what the fresh process did.

    Args:
        bounds: The gate's bounds.
        outcome: What became of the fresh process.
        latencies: One per batch size that was measured.
        size_mb: Megabytes (10^6 bytes) of the SavedModel on disk.
    """
    size = Measurement(
        name="megabytes on disk", value=size_mb, upper_bound=bounds.max_size_mb, passed=size_mb <= bounds.max_size_mb
    )
    if outcome.measured is None:
        died = Measurement(name="fresh process", value=None, passed=False, note=outcome.failure)
        return GateResult(gate="serving", verdict=Verdict.FAILED, reason=outcome.failure, measurements=(died, size))
    measurements = (*_behaviour(outcome.measured), size, *_speed(bounds, latencies))
    failed = [item for item in measurements if item.passed is False]
    return GateResult(
        gate="serving",
        verdict=Verdict.FAILED if failed else Verdict.PASSED,
        reason=_reason(failed, outcome.measured),
        measurements=measurements,
    )


def model_size_mb(model_dir: Path) -> float:
    """Returns the megabytes (10^6 bytes) of a SavedModel's files."""
    return sum(path.stat().st_size for path in model_dir.rglob("*") if path.is_file()) / 1e6


def _behaviour(seen: Measured) -> Iterator[Measurement]:
    yield _problems(seen, "loads", seen.seconds.get("load"), "seconds to load")
    yield Measurement(name="milliseconds of the first request", value=seen.first_request_ms, note="before any warm-up")
    memory = seen.memory.get("peak_mb")
    yield Measurement(name="megabytes of memory at most", value=memory, note="the whole process, TensorFlow included")
    yield _problems(seen, "signatures", len(seen.signatures), "signatures as the schema asks")
    yield _problems(seen, "warm-up", seen.warmup_records, "warm-up requests answered")
    yield _problems(seen, "answers", None, "answers on every signature")
    yield _count("numbers that are not finite", seen.non_finite)
    yield _count("probabilities outside [0, 1]", seen.out_of_range)
    yield _problems(seen, "missing values", seen.without_optional, "rows answered without any optional feature")
    yield _problems(seen, "latency", None, "timed requests")


def _problems(seen: Measured, check: str, value: float | None, name: str) -> Measurement:
    found = seen.problems.get(check, [])
    unloaded = check != "loads" and "loads" in seen.problems
    note = " ".join(found) or ("not tried: the model does not load" if unloaded else "")
    return Measurement(name=name, value=value, passed=not found and not unloaded, note=note)


def _count(name: str, counts: dict[str, int]) -> Measurement:
    total = sum(counts.values())
    note = ", ".join(f"{asked}: {count:,}" for asked, count in counts.items() if count)
    return Measurement(name=name, value=total, upper_bound=0, passed=total == 0, note=note)


def _speed(bounds: ServingGate, latencies: list[Latency]) -> Iterator[Measurement]:
    measured = {latency.batch_size: latency for latency in latencies}
    # A JSON object sorts its keys as text, 16 before 2; a reader does not.
    for text, bound in sorted(bounds.max_p99_ms.items(), key=lambda item: int(item[0])):
        latency, name = measured.get(int(text)), f"p99_ms at batch {text}"
        if latency is None:
            yield Measurement(name=name, value=None, upper_bound=bound, passed=False, note="not measured")
            continue
        lower, upper = (f"{end:.3g}" if end is not None else "?" for end in (latency.p99_lower, latency.p99_upper))
        note = f"{latency.requests} requests, 90 % interval {lower} to {upper}"
        yield Measurement(name=name, value=latency.p99, upper_bound=bound, passed=latency.p99 <= bound, note=note)


def _reason(failed: list[Measurement], seen: Measured) -> str:
    if not failed:
        return "The exported model loads, answers on every signature, and is within its bounds of time and size."
    if "loads" in seen.problems:
        return f"The exported model does not load: {failed[0].note}"
    sentences = [_sentence(item) for item in failed]
    more = f" And {len(sentences) - 3} more." if len(sentences) > 3 else ""
    return " ".join(sentences[:3]) + more


def _sentence(item: Measurement) -> str:
    if item.value is not None and item.upper_bound is not None:
        return f"{item.name}: {item.value:.4g}; at most {item.upper_bound:g} is allowed."
    return f"{item.name}: {item.note}".rstrip(".") + "."
