"""The robustness gate: does the exported model answer sensibly what clients send by mistake."""

import dataclasses
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from components._shared.gates import GateResult, Measurement, Verdict
from components._shared.label import LabelKind, LabelSpec
from components._shared.policy import RobustnessGate
from components.validate_serving.job import ANSWERS, Measured, Outcome
from components.validate_serving.perturbations import ALL_NUMBERS, NOISE, PERMUTED, Probe, perturb, plan_probes
from components.validate_serving.predictions import VALID, changes, farthest_class, invalid, not_finite, of_class, per_row
from components.validate_serving.values import plain_row

UNCHANGED = "robustness"
"""Name of the array with the predictions of the unchanged sample."""

_LONGEST_VALUE = 60
_UNMOVED = "not asked: so little noise moves no whole number of this feature"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Valid:
    """What a valid answer is.

    Attributes:
        label: What is predicted.
        least: Least valid answer for a numeric label; unused for others.
        greatest: Greatest valid answer for a numeric label; unused for others.
        rule: Where both come from, as the end of a sentence.
    """

    label: LabelSpec
    least: float = -np.inf
    greatest: float = np.inf
    rule: str = ""

    def described(self) -> str:
        """Returns the rule for people."""
        if self.label.kind is not LabelKind.NUMERIC:
            return VALID[self.label.kind]
        return f"a number from {self.least:.6g} to {self.greatest:.6g}"

    def violated(self, answers: np.ndarray) -> np.ndarray:
        """Returns the rows whose answer is not valid, bool of shape [rows]."""
        wrong = invalid(answers, self.label)
        if self.label.kind is LabelKind.NUMERIC:
            wrong |= (answers < self.least) | (answers > self.greatest)
        return wrong


@dataclasses.dataclass(frozen=True, kw_only=True)
class Robustness:
    """What the probes found.

    Attributes:
        result: The gate's verdict.
        broken: One row for each probe that failed: `probe`, `rows` it concerns, `row` (its number in the sample), `class` (the
            one that moved farthest, where the label has classes), `before`, `after` (its predictions; None when there is none
            or it is not finite) and the `values` that were sent.
    """

    result: GateResult
    broken: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def probe_name(probe: Probe) -> str:
    """Returns the name of a probe, for people."""
    return f"{probe.feature or 'all numbers'}, {probe.kind}"


def probe_key(index: int) -> str:
    """Returns the name of the array with the answers to the probe at this place of the plan."""
    return f"robustness_{index}"


def judge_robustness(
    bounds: RobustnessGate,
    label: LabelSpec,
    outcome: Outcome,
    table: pa.Table,
    schema: Any,
    label_range: tuple[float, float] | None = None,
    ways: Collection[str] = ANSWERS,
) -> Robustness:
    """Judges the answers to every probe: all are valid predictions, and stable under noise.

    Args:
        bounds: The gate's bounds.
        label: What is predicted.
        outcome: What came of asking the server.
        table: The sampled rows, unchanged.
        schema: The schema of the rows.
        label_range: The least and the greatest label of the test split; a numeric label needs it.
        ways: The ways of asking that the model has.
    """
    if reason := _why_not_asked(outcome):
        return _not_asked(reason)
    if label.kind is LabelKind.NUMERIC and label_range is None:
        return _not_asked("The test split has no finite label, so no range tells which answers are valid.")
    valid = _valid(bounds, label, label_range)
    seen = outcome.measured or Measured()
    before, measurements, broken = outcome.answers[UNCHANGED], list[Measurement](), list[dict[str, Any]]()
    measurements.append(_validity("unchanged rows", valid, before, judged=True))
    for index, probe in enumerate(plan_probes(schema, bounds, ways)):
        after = outcome.answers.get(probe_key(index))
        if after is not None and after.shape != before.shape:
            after = None
        unanswered = seen.unanswered.get(probe_key(index), "not answered")
        if probe.change == NOISE and after is not None and perturb(table, probe, schema, bounds).equals(table):
            measurements.append(Measurement(name=probe_name(probe), value=None, rows=len(before), note=_UNMOVED))
            continue
        found = _measure(probe, bounds, valid, before, after, unanswered, judged=probe.judged or unanswered == seen.lost)
        measurements += found
        if any(item.passed is False for item in found):
            broken.append(_example(probe, valid, before, after, perturb(table, probe, schema, bounds)))
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
    seen = outcome.measured
    said = seen.unanswered.get(UNCHANGED) or seen.lost
    said = said or " ".join(seen.problems.get("loads", seen.problems.get("robustness", [])))
    return f"The model did not answer the unchanged rows. {said}".strip()


def _not_asked(reason: str) -> Robustness:
    missing = Measurement(name="answers", value=None, passed=False, note=reason)
    return Robustness(result=GateResult(gate="robustness", verdict=Verdict.FAILED, reason=reason, measurements=(missing,)))


def _measure(
    probe: Probe,
    bounds: RobustnessGate,
    valid: Valid,
    before: np.ndarray,
    after: np.ndarray | None,
    unanswered: str,
    *,
    judged: bool,
) -> list[Measurement]:
    name, rows = probe_name(probe), len(before)  # a probe that ends the server is judged in any case
    if after is None and probe.may_refuse and unanswered.startswith("INVALID_ARGUMENT"):
        note = f"refused, as a required feature may be: {unanswered}"
        return [Measurement(name=f"{name}: {_not_valid(valid)}", value=0, upper_bound=0, rows=rows, passed=True, note=note)]
    if after is None:
        return [Measurement(name=name, value=None, rows=rows, passed=False if judged else None, note=unanswered)]
    if probe.change == NOISE:
        return [*_stability(name, bounds, valid.label, before, after)]
    validity = _validity(name, valid, after, judged=probe.judged)
    if probe.change != PERMUTED:
        return [validity]
    change = per_row(changes(before, after, valid.label))
    value = float(change.mean()) if np.isfinite(change).all() else None
    return [validity, Measurement(name=f"{name}: mean change", value=value, rows=rows, note="for information")]


def _valid(bounds: RobustnessGate, label: LabelSpec, label_range: tuple[float, float] | None) -> Valid:
    if label.kind is not LabelKind.NUMERIC or label_range is None:
        return Valid(label=label)
    (least, greatest), factor = label_range, bounds.max_range_factor
    room = factor * (greatest - least)
    rule = (
        f"the labels of the test split go from {least:.6g} to {greatest:.6g}, and {factor:g} times that width is allowed beyond"
    )
    return Valid(label=label, least=least - room, greatest=greatest + room, rule=rule)


def _not_valid(valid: Valid) -> str:
    return f"answers that are not {valid.described()}"


def _validity(name: str, valid: Valid, answers: np.ndarray, *, judged: bool) -> Measurement:
    infinite, wrong = int(np.count_nonzero(not_finite(answers))), int(np.count_nonzero(valid.violated(answers)))
    parts = [(infinite, "not finite"), (wrong - infinite, f"not {valid.described()}")]
    told = [f"{count:,} of {len(answers):,} rows {what}" for count, what in parts if count]
    if valid.rule and wrong > infinite:
        told.append(valid.rule)
    if not judged:
        told.append("a client's mistake, for information")
    return Measurement(
        name=f"{name}: {_not_valid(valid)}",
        value=wrong,
        upper_bound=0 if judged else None,
        rows=len(answers),
        passed=wrong == 0 if judged else None,
        note=", ".join(told),
    )


def _stability(
    name: str, bounds: RobustnessGate, label: LabelSpec, before: np.ndarray, after: np.ndarray
) -> Iterator[Measurement]:
    change = per_row(changes(before, after, label))
    unit = " in standard deviations of the predictions" if label.kind is LabelKind.NUMERIC else ""
    values = {
        "mean change": (change.mean(), bounds.max_mean_change),
        "99th percentile of the change": (np.quantile(change, 0.99, method="higher"), bounds.max_p99_change),
    }
    for what, (value, bound) in values.items():
        finite = float(value) if np.isfinite(value) else None
        beyond = int(np.count_nonzero(change > bound))
        yield Measurement(
            name=f"{name}: {what}{unit}",
            value=finite,
            upper_bound=bound,
            rows=len(after),
            passed=bool(value <= bound),
            note=f"{beyond:,} of {len(after):,} rows change more" if beyond else "",
        )


def _example(probe: Probe, valid: Valid, before: np.ndarray, after: np.ndarray | None, sent: pa.Table) -> dict[str, Any]:
    label = valid.label
    row, name = 0, label.classes[0] if label.classes else ""
    if after is not None:
        wrong, moved = valid.violated(after), changes(before, after, label)
        row = int(np.argmax(wrong)) if wrong.any() else int(np.argmax(per_row(moved)))
        name = farthest_class(moved, row, label)
    values = {key: text[:_LONGEST_VALUE] for key, text in plain_row(sent.slice(row, 1).to_pylist()[0]).items()}
    changed = [probe.feature] if probe.feature != ALL_NUMBERS else []
    return {
        "probe": probe_name(probe),
        "row": row,
        "class": name,
        "before": of_class(before, row, name, label),
        "after": None if after is None else of_class(after, row, name, label),
        "values": {key: values[key] for key in [*changed, *(key for key in values if key not in changed)]},
    }


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
