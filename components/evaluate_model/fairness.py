"""Judges the differences between groups of people or things in what is decided about them.

Groups with enough rows are judged by their rates as they are. A rate over few rows is noise: such a group is judged by its
interval, and says no only where the whole of it lies beyond the bound.
"""

import dataclasses
import math
from collections.abc import Sequence

from components._shared.gates import GateResult, Measurement, Verdict
from components._shared.policy import FairnessGate
from components.evaluate_model.disparities import DISPARITIES, Disparity, Form, is_large, measure, prove
from components.evaluate_model.group_counts import FALSE_POSITIVE_RATE, RATES, TRUE_POSITIVE_RATE, Counted, Groups
from components.evaluate_model.shares import critical_value, wilson_interval

_NO_BOUND = "No bound is set, so nothing would be judged: set one, such as max_equalized_odds_difference."

_MORE_ROWS = "chance moves rates, and a test on more rows or spans tells it from the model."


def judge_fairness(counted: Counted, policy: FairnessGate) -> GateResult:
    """Returns the fairness gate.

    A bound that could not be checked is not a bound that holds: a protected attribute with fewer than two groups that are
    large enough and have the rate says no, until the author lowers the size, drops the attribute or switches the gate off.
    """
    if not policy.protected:
        return GateResult(gate="fairness", verdict=Verdict.NOT_APPLICABLE, reason="No protected feature is configured.")
    if problem := counted.problem or (_NO_BOUND if not has_bound(policy) else ""):
        return GateResult(gate="fairness", verdict=Verdict.FAILED, reason=problem)
    measurements: list[Measurement] = []
    for attribute in policy.protected:
        own = [groups for groups in counted.groups if groups.attribute == attribute]
        if not own:
            note = counted.unsuited.get(attribute, "its groups were not counted")
            measurements.append(Measurement(name=attribute, value=None, passed=False, note=note))
        for groups in own:
            where = f"{attribute} for {groups.decision}" if len(own) > 1 else attribute
            measurements += [*judge_groups(groups, policy, where), *describe_rates(groups, policy)]
        if rows := counted.missing.get(attribute):
            note = "rows without a value are in no group"
            measurements.append(Measurement(name=f"{attribute} missing", value=rows, rows=rows, note=note))
    failed = [item for item in measurements if item.passed is False]
    verdict = Verdict.FAILED if failed else Verdict.PASSED
    reason = f"{_reason(failed, policy)} {counted.note}".strip()
    return GateResult(gate="fairness", verdict=verdict, reason=reason, measurements=tuple(measurements))


def has_bound(policy: FairnessGate) -> bool:
    """Returns whether the policy bounds anything."""
    return any(disparity.bound(policy) is not None for disparity in DISPARITIES)


def judge_groups(groups: Groups, policy: FairnessGate, where: str) -> list[Measurement]:
    """Returns every disparity of one attribute under one decision, and the small groups that surely break a bound.

    Args:
        groups: The groups.
        policy: The bounds.
        where: The attribute, and the decision where there are several.
    """
    measurements = []
    for disparity in DISPARITIES:
        bound, found = disparity.bound(policy), measure(disparity, groups, policy.min_group_size)
        passed = None if bound is None else disparity.holds(found.value, bound)
        note = found.problem or f"{found.rate} of {found.between[0]} and {found.between[1]}, which are farthest apart"
        item = _bounded(disparity, where, found.value, bound, passed=passed, note=note)
        measurements.append(dataclasses.replace(item, rows=found.rows))
        for proof in prove(disparity, groups, policy, bound) if bound is not None else ():
            sure = f"few rows, and yet beyond chance: {100 * policy.confidence:g} % confidence over {proof.comparisons:,} pairs"
            note = f"{proof.rate} of {proof.between[0]} and {proof.between[1]}; {sure}"
            item = _bounded(disparity, where, proof.value, bound, passed=False, note=note)
            measurements.append(dataclasses.replace(item, slice=" and ".join(proof.between), rows=proof.rows))
    return measurements


def describe_rates(groups: Groups, policy: FairnessGate) -> list[Measurement]:
    """Returns the rates of every group with their intervals; they are reported, not judged one by one."""
    measurements = []
    for name in RATES:
        shares = groups.rate(name)
        lower, upper = wilson_interval(shares, critical_value(policy.confidence))
        large = is_large(shares, policy.min_group_size)
        for index, group in enumerate(groups.names):
            rows = int(shares.totals[index])
            interval = f"{100 * policy.confidence:g} % interval {lower[index]:.3g} to {upper[index]:.3g}"
            note = interval if rows else _undefined(name)
            note += "" if large[index] or not rows else f"; too small to judge: fewer than {policy.min_group_size:,} rows"
            value = float(shares.values[index]) if rows else None
            label = f"{name} for {groups.decision}"
            measurements.append(Measurement(name=label, value=value, slice=group, rows=rows, note=note))
    return measurements


def _bounded(
    disparity: Disparity, where: str, value: float, bound: float | None, *, passed: bool | None, note: str
) -> Measurement:
    upper, lower = (bound, None) if disparity.form is Form.DIFFERENCE else (None, bound)
    return Measurement(
        name=f"{disparity.name} {disparity.form} over {where}",
        value=value if math.isfinite(value) else None,
        lower_bound=lower,
        upper_bound=upper,
        passed=passed,
        note=note,
    )


def _undefined(rate: str) -> str:
    kinds = {TRUE_POSITIVE_RATE: "a favourable", FALSE_POSITIVE_RATE: "an unfavourable"}
    return f"not defined: no row has {kinds[rate]} label"


def _reason(failed: Sequence[Measurement], policy: FairnessGate) -> str:
    if not failed:
        return f"The rates differ by no more than allowed over {', '.join(policy.protected)}."
    first = failed[0]
    if first.value is None:
        reason = f"The {first.name} cannot be told: {first.note}."
    else:
        bound = f"at most {first.upper_bound:g}" if first.upper_bound is not None else f"at least {first.lower_bound:g}"
        reason = f"The {first.name} is {first.value:.3f} ({first.note}); {bound} is allowed."
        if first.rows and not first.slice:  # a small group says no only beyond chance
            reason += f" The smaller of both has {first.rows:,} rows: where these are few, or of few days, {_MORE_ROWS}"
    others = ", ".join(item.name for item in failed[1:])
    return reason + (f" Nor within bounds: {others}." if others else "")
