"""The serving gate: does the exported model load and answer, whole and fast enough."""

from collections.abc import Iterator
from pathlib import Path

from components._shared.gates import GateResult, Measurement, Verdict
from components._shared.label import LabelKind, LabelSpec
from components._shared.policy import ServingGate
from components.validate_serving.job import Measured, Outcome
from components.validate_serving.latency import Latency
from components.validate_serving.predictions import VALID


def judge_serving(
    bounds: ServingGate, label: LabelSpec, outcome: Outcome, latencies: list[Latency], size_mb: float
) -> GateResult:
    """Returns the verdict on what the server did.

    Args:
        bounds: The gate's bounds.
        label: What is predicted.
        outcome: What came of asking the server.
        latencies: One per batch size that was measured.
        size_mb: Megabytes (10^6 bytes) of the SavedModel on disk.
    """
    size = Measurement(
        name="megabytes on disk", value=size_mb, upper_bound=bounds.max_size_mb, passed=size_mb <= bounds.max_size_mb
    )
    if outcome.measured is None:
        died = Measurement(name="server", value=None, passed=False, note=outcome.failure)
        return GateResult(gate="serving", verdict=Verdict.FAILED, reason=outcome.failure, measurements=(died, size))
    measurements = (*_behaviour(label, outcome.measured), *_resources(bounds, outcome.measured), size)
    measurements += tuple(_speed(bounds, latencies))
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


def _behaviour(label: LabelSpec, seen: Measured) -> Iterator[Measurement]:
    yield _problems(seen, "loads", None, "loads into the server")
    yield Measurement(name="server stays to the end", value=None, passed=not seen.lost, note=seen.lost)
    note = "after the server's own warm-up"
    yield Measurement(name="milliseconds of the first request", value=seen.first_request_ms, note=note)
    yield _problems(seen, "signatures", len(seen.signatures), "signatures as the schema asks")
    yield _problems(seen, "warm-up", seen.warmup_records, "warm-up requests answered")
    yield _problems(seen, "answers", None, "answers on every signature")
    yield _count("numbers that are not finite", seen.non_finite)
    if label.kind is not LabelKind.NUMERIC:
        yield _count(f"answers that are not {VALID[label.kind]}", seen.invalid)
    yield _problems(seen, "missing values", seen.without_optional, "rows answered without any optional feature")
    yield _problems(seen, "latency", None, "timed requests")


def _resources(bounds: ServingGate, seen: Measured) -> Iterator[Measurement]:
    imported = f"; its imports took another {seen.seconds['import']:.1f} s" if "import" in seen.seconds else ""
    note = "from the server's start to AVAILABLE, warm-up requests played" + imported
    yield _bounded("seconds of the cold start", seen.seconds.get("cold_start"), bounds.max_cold_start_s, note)
    note = "the whole server at its peak, over loading, warm-up and timed requests"
    yield _bounded("megabytes of memory", seen.peak_mb, bounds.max_memory_mb, note)


def _bounded(name: str, value: float | None, bound: float | None, note: str) -> Measurement:
    passed = None if bound is None else value is not None and value <= bound
    return Measurement(
        name=name, value=value, upper_bound=bound, passed=passed, note=note if value is not None else "not measured"
    )


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
    """Judges p99 by its upper limit: what is not shown to be fast enough is too slow."""
    measured = {latency.batch_size: latency for latency in latencies}
    allowed = {int(text): bound for text, bound in bounds.max_p99_ms.items()}
    for size in sorted(measured.keys() | allowed.keys()):
        latency, name, bound = measured.get(size), f"p99_ms at batch {size}, upper limit", allowed.get(size)
        if latency is None:
            yield Measurement(name=name, value=None, upper_bound=bound, passed=False, note="not measured")
            continue
        p99 = latency.p99
        passed = None if bound is None else p99.upper is not None and p99.upper <= bound
        lower = "no lower limit" if p99.lower is None else f"lower limit {p99.lower:.3g}"
        note = f"p99 {p99.value:.3g}, {lower}, {latency.requests:,} requests"
        note += ", at the client over gRPC"
        note = note if p99.upper is not None else f"no upper limit: too few requests; {note}"
        yield Measurement(name=name, value=p99.upper, upper_bound=bound, passed=passed, note=note)


def _reason(failed: list[Measurement], seen: Measured) -> str:
    if not failed:
        return (
            "The exported model loads into the server, answers on every signature, and is within its bounds of time and size."
        )
    if seen.lost:
        return seen.lost
    if "loads" in seen.problems:
        return f"The exported model does not load: {failed[0].note}"
    sentences = [_sentence(item) for item in failed]
    more = f" And {len(sentences) - 3} more." if len(sentences) > 3 else ""
    return " ".join(sentences[:3]) + more


def _sentence(item: Measurement) -> str:
    if item.value is not None and item.upper_bound is not None:
        return f"{item.name}: {item.value:.4g}; at most {item.upper_bound:g} is allowed."
    return f"{item.name}: {item.note}".rstrip(".") + "."
