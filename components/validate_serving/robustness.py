"""The robustness gate: does the exported model answer sensibly what clients send by mistake."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from components._shared.gates import GateResult, Measurement, Verdict
from components._shared.policy import RobustnessGate
from components.validate_serving.client import Outcome
from components.validate_serving.parity import plain_value
from components.validate_serving.perturbations import ALL_NUMBERS, NOISE, PERMUTED, Probe, perturb, plan_probes

UNCHANGED = "robustness"
"""Name of the array with the predictions of the unchanged sample."""

_LONGEST_VALUE = 60


@dataclasses.dataclass(frozen=True, kw_only=True)
class Robustness:
    """What the probes found.

    Attributes:
        result: The gate's verdict.
        broken: One row for each probe that failed: `probe`, `rows` it concerns, `row` (its number in the sample), `before`,
            `after` (predictions; None when there is none or it is not finite) and the `values` that were sent.
    """

    result: GateResult
    broken: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def probe_key(index: int) -> str:
    """Returns the name of the array with the answers to the probe at this place of the plan."""
    return f"robustness_{index}"


def judge_robustness(bounds: RobustnessGate, outcome: Outcome, table: pa.Table, schema: Any) -> Robustness:
    """Judges the answers to every probe: all are finite probabilities, and stable under noise.

    Args:
        bounds: The gate's bounds.
        outcome: What became of the fresh process.
        table: The sampled rows, unchanged.
        schema: The schema of the rows.
    """
    if reason := _why_not_asked(outcome):
        return _not_asked(reason)
    before, measurements, broken = outcome.answers[UNCHANGED], list[Measurement](), list[dict[str, Any]]()
    measurements.append(_validity("unchanged rows", before, judged=True))
    for index, probe in enumerate(plan_probes(schema, bounds)):
        after = outcome.answers.get(probe_key(index))
        unanswered = outcome.measured.unanswered.get(probe_key(index), "not answered") if outcome.measured else ""
        found = _measure(probe, bounds, before, after, unanswered)
        measurements += found
        if any(item.passed is False for item in found):
            sent = perturb(table, probe, schema, bounds)
            broken.append(_example(probe, before, after, sent))
    failed = [item for item in measurements if item.passed is False]
    verdict = Verdict.FAILED if failed else Verdict.PASSED
    # What failed comes first: there are a dozen probes per feature.
    ordered = tuple(sorted(measurements, key=lambda item: item.passed is not False))
    reason = _reason(failed, measurements, len(before))
    return Robustness(result=GateResult(gate="robustness", verdict=verdict, reason=reason, measurements=ordered), broken=broken)


def _why_not_asked(outcome: Outcome) -> str:
    if outcome.measured is None:
        return outcome.failure
    if UNCHANGED in outcome.answers:
        return "" if len(outcome.answers[UNCHANGED]) else "The test split has no rows to send."
    problems = outcome.measured.problems
    said = outcome.measured.unanswered.get(UNCHANGED) or " ".join(problems.get("loads", problems.get("robustness", [])))
    return f"The model did not answer the unchanged rows. {said}".strip()


def _not_asked(reason: str) -> Robustness:
    missing = Measurement(name="answers", value=None, passed=False, note=reason)
    return Robustness(result=GateResult(gate="robustness", verdict=Verdict.FAILED, reason=reason, measurements=(missing,)))


def _measure(
    probe: Probe, bounds: RobustnessGate, before: np.ndarray, after: np.ndarray | None, unanswered: str
) -> list[Measurement]:
    name = _name(probe)
    if after is None or len(after) != len(before):
        return [Measurement(name=name, value=None, rows=len(before), passed=False if probe.judged else None, note=unanswered)]
    if probe.change == NOISE:
        return [*_stability(name, bounds, before, after)]
    if probe.change == PERMUTED:
        change = _change(before, after)
        value = float(change.mean()) if np.isfinite(change).all() else None
        return [Measurement(name=f"{name}: mean change", value=value, rows=len(after), note="for information")]
    return [_validity(name, after, judged=probe.judged)]


def _validity(name: str, answers: np.ndarray, *, judged: bool) -> Measurement:
    not_finite, wrong = int(np.count_nonzero(~np.isfinite(answers))), int(np.count_nonzero(_wrong(answers)))
    parts = [(not_finite, "not finite"), (wrong - not_finite, "outside [0, 1]")]
    told = [f"{count:,} of {len(answers):,} rows {what}" for count, what in parts if count]
    if not judged:
        told.append("a client's mistake, for information")
    return Measurement(
        name=f"{name}: answers that are no probability",
        value=wrong,
        upper_bound=0 if judged else None,
        rows=len(answers),
        passed=wrong == 0 if judged else None,
        note=", ".join(told),
    )


def _stability(name: str, bounds: RobustnessGate, before: np.ndarray, after: np.ndarray) -> Iterator[Measurement]:
    change = _change(before, after)
    values = {
        "mean change": (change.mean(), bounds.max_mean_change),
        "99th percentile of the change": (np.quantile(change, 0.99, method="higher"), bounds.max_p99_change),
    }
    for what, (value, bound) in values.items():
        finite = float(value) if np.isfinite(value) else None
        beyond = int(np.count_nonzero(change > bound))
        yield Measurement(
            name=f"{name}: {what}",
            value=finite,
            upper_bound=bound,
            rows=len(after),
            passed=bool(value <= bound),
            note=f"{beyond:,} of {len(after):,} rows change more" if beyond else "",
        )


def _change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    unknown = _wrong(before) | _wrong(after)
    return np.where(unknown, np.inf, np.abs(np.where(unknown, 0, after) - np.where(unknown, 0, before)))


def _wrong(answers: np.ndarray) -> np.ndarray:
    return ~((answers >= 0) & (answers <= 1))  # NaN compares false


def _name(probe: Probe) -> str:
    return f"{probe.feature or 'all numbers'}, {probe.kind}"


def _example(probe: Probe, before: np.ndarray, after: np.ndarray | None, sent: pa.Table) -> dict[str, Any]:
    answered = after is not None and len(after) == len(before)
    row = int(np.argmax(_change(before, after))) if answered else 0  # type: ignore[arg-type]  # answered says it is there
    if answered and _wrong(after).any():  # type: ignore[arg-type]
        row = int(np.argmax(_wrong(after)))  # type: ignore[arg-type]
    values = {name: plain_value(value)[:_LONGEST_VALUE] for name, value in sent.slice(row, 1).to_pylist()[0].items()}
    changed = [probe.feature] if probe.feature != ALL_NUMBERS else []
    return {
        "probe": _name(probe),
        "row": row,
        "before": _number(before[row]),
        "after": _number(after[row]) if answered else None,  # type: ignore[index]
        "values": {name: values[name] for name in [*changed, *(name for name in values if name not in changed)]},
    }


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _reason(failed: list[Measurement], measurements: list[Measurement], rows: int) -> str:
    judged = sum(item.passed is not None for item in measurements)
    if not failed:
        return f"Missing, unseen, extreme and noisy inputs get sensible answers: {judged} checks on {rows:,} test rows each."
    told = [_sentence(item) for item in failed[:3]]
    more = f" And {len(failed) - 3} more." if len(failed) > 3 else ""
    return " ".join(told) + more


def _sentence(item: Measurement) -> str:
    if item.value is None or item.upper_bound == 0:
        return f"{item.name}: {item.note or 'not finite'}".rstrip(".") + "."
    return f"{item.name} is {item.value:.3g}; at most {item.upper_bound:g} is allowed ({item.note or 'on average'})."
