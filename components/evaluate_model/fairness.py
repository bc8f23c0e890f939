"""Judges the differences between groups of people or things: true- and false-positive rates at the decision threshold.

Equal true-positive rates are equal opportunity; both together are equalized odds (Hardt, Price, Srebro 2016, "Equality of
Opportunity in Supervised Learning"). The rates come from TFMA's confusion counts; the difference is that of the largest and the
smallest rate, as in fairlearn's `MetricFrame.difference(method="between_groups")`.
"""

import dataclasses
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from components._shared.artifacts import CANDIDATE
from components._shared.gates import GateResult, Measurement, Verdict
from components._shared.policy import FairnessGate
from components.evaluate_model.results import Confusion, SliceResult

MAX_GROUPS = 500
"""A protected feature with more values than this is an identifier or a quantity, and its groups mean nothing."""

TRUE_POSITIVE_RATE, FALSE_POSITIVE_RATE = "true positive rate", "false positive rate"


@dataclasses.dataclass(frozen=True)
class Group:
    """One value of a protected feature.

    Attributes:
        name: The slice, such as "origin=JFK".
        rows: Number of rows.
        true_positive_rate: Share of positive rows that are predicted positive; None without a positive row.
        false_positive_rate: Share of negative rows that are predicted positive; None without a negative row.
        judged: Whether it is large enough to be judged.
    """

    name: str
    rows: int
    true_positive_rate: float | None
    false_positive_rate: float | None
    judged: bool


def find_groups(feature: str, results: Sequence[SliceResult], min_group_size: int) -> list[Group]:
    """Returns the groups of a protected feature, by name."""
    chosen = [result for result in results if result.confusion and [item[0] for item in result.key] == [feature]]
    return [_group(result.name, result.confusion[CANDIDATE], min_group_size) for result in chosen]


def judge_fairness(
    results: Sequence[SliceResult], policy: FairnessGate, unsuited: dict[str, str], missing: dict[str, int]
) -> GateResult:
    """Returns the fairness gate.

    A bound that could not be checked is not a bound that holds: a protected feature with fewer than two groups that are large
    enough and have a defined rate says no, until the author lowers the size, drops the feature or switches the gate off.

    Args:
        results: The slices that TFMA wrote.
        policy: The gate's bounds.
        unsuited: Why a protected feature cannot be judged, by feature.
        missing: Rows without a value, by protected feature; they are in no group.
    """
    if not policy.protected:
        return GateResult(gate="fairness", verdict=Verdict.NOT_APPLICABLE, reason="No protected feature is configured.")
    measurements: list[Measurement] = []
    for feature in policy.protected:
        if feature in unsuited:
            measurements.append(Measurement(name=feature, value=None, passed=False, note=unsuited[feature]))
        else:
            measurements += _judge_feature(feature, find_groups(feature, results, policy.min_group_size), policy)
        if missing.get(feature):
            note = "rows without a value are in no group"
            measurements.append(
                Measurement(name=f"{feature} missing", value=missing[feature], rows=missing[feature], note=note)
            )
    failed = [item for item in measurements if item.passed is False]
    verdict = Verdict.FAILED if failed else Verdict.PASSED
    return GateResult(gate="fairness", verdict=verdict, reason=_reason(failed, policy), measurements=tuple(measurements))


def _group(name: str, counts: Confusion, min_group_size: int) -> Group:
    rows = counts.positives + counts.negatives
    true_rate = counts.tp / counts.positives if counts.positives else None
    false_rate = counts.fp / counts.negatives if counts.negatives else None
    return Group(name, rows, true_rate, false_rate, rows >= min_group_size)


def _judge_feature(feature: str, groups: list[Group], policy: FairnessGate) -> list[Measurement]:
    measurements = []
    for name, bound in (
        (TRUE_POSITIVE_RATE, policy.max_true_positive_rate_difference),
        (FALSE_POSITIVE_RATE, policy.max_false_positive_rate_difference),
    ):
        rates = [(group, getattr(group, name.replace(" ", "_"))) for group in groups]
        measurements.append(_difference(feature, name, [rate for group, rate in rates if group.judged], bound, policy))
        measurements += [
            Measurement(name=name, value=rate, slice=group.name, rows=group.rows, note=_note(group, name, rate, policy))
            for group, rate in rates
        ]
    return measurements


def _difference(feature: str, name: str, rates: list[float | None], bound: float, policy: FairnessGate) -> Measurement:
    defined = [rate for rate in rates if rate is not None]
    label = f"difference of {name} over {feature}"
    if len(defined) < 2:
        note = f"fewer than two groups of at least {policy.min_group_size:,} rows have this rate: there is nothing to compare"
        return Measurement(name=label, value=None, upper_bound=bound, passed=False, note=note)
    difference = max(defined) - min(defined)
    return Measurement(name=label, value=difference, upper_bound=bound, passed=difference <= bound)


def _note(group: Group, name: str, rate: float | None, policy: FairnessGate) -> str:
    kind = "positive" if name == TRUE_POSITIVE_RATE else "negative"
    notes = [f"not defined: no {kind} row"] if rate is None else []
    notes += [] if group.judged else [f"fewer than {policy.min_group_size:,} rows"]
    return "; ".join(notes)


def _reason(failed: list[Measurement], policy: FairnessGate) -> str:
    if not failed:
        return f"The rates differ by no more than allowed over {', '.join(policy.protected)}."
    first = failed[0]
    if first.value is None:
        reason = f"{first.name}: {first.note}."
    else:
        reason = f"The {first.name} is {first.value:.3f}; at most {first.upper_bound:g} is allowed."
    return reason + (f" And {len(failed) - 1} more." if len(failed) > 1 else "")


def unsuited_features(policy: FairnessGate, table: pa.Table, label: str) -> dict[str, str]:
    """Returns why a protected feature cannot be judged on these rows, by feature."""
    reasons = {}
    for name in policy.protected:
        if name not in table.column_names:
            reasons[name] = "the examples have no such column"
        elif name == label:
            reasons[name] = "it is the label, and each of its values has one rate only"
        elif pc.count_distinct(table[name]).as_py() > MAX_GROUPS:
            reasons[name] = f"more than {MAX_GROUPS} values are no groups; put them into buckets first"
    return reasons
