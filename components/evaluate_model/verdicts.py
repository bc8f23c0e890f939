"""Turns measurements into the verdicts of the performance and regression gates."""

import dataclasses
from collections.abc import Sequence

from components._shared.gates import GateResult, Measurement, Verdict
from components._shared.policy import Policy


def judge(gate: str, measurements: Sequence[Measurement], *, none_configured: str) -> GateResult:
    """Returns a gate's verdict over measurements that were judged one by one.

    Args:
        gate: Name of the gate.
        measurements: What was measured; `passed` is None for what was not judged.
        none_configured: The reason when there is nothing to judge at all, which is a "no".
    """
    failed = [item for item in measurements if item.passed is False]
    judged = [item for item in measurements if item.passed is not None]
    skipped = len(measurements) - len(judged)
    small = f" {_count(skipped, 'bound')} on slices that are too small {'was' if skipped == 1 else 'were'} not judged."
    if not measurements:
        verdict, reason = Verdict.FAILED, none_configured
    elif failed:
        more = f" And {len(failed) - 1} more." if len(failed) > 1 else ""
        verdict, reason = Verdict.FAILED, describe(failed[0]) + more
    elif not judged:
        verdict, reason = Verdict.FAILED, "Nothing was judged: every slice with a bound is too small."
    else:
        verdict, reason = Verdict.PASSED, f"{_count(len(judged), 'bound')} {'holds' if len(judged) == 1 else 'hold'}."
        reason += small if skipped else ""
    return GateResult(gate=gate, verdict=verdict, reason=reason, measurements=tuple(measurements))


def fail(gate: str, reason: str) -> GateResult:
    """Returns a "no" without numbers."""
    return GateResult(gate=gate, verdict=Verdict.FAILED, reason=reason)


def describe(item: Measurement) -> str:
    """Returns one sentence about a bound that does not hold."""
    where = item.slice or "all rows"
    if item.value is None:
        return (
            f"The {item.name} of {where} is {item.note}."
            if item.note.startswith("not")
            else f"{item.name}, {where}: {item.note}."
        )
    bounds = [f"at least {item.lower_bound:g}"] if item.lower_bound is not None else []
    bounds += [f"at most {item.upper_bound:g}"] if item.upper_bound is not None else []
    return f"The {item.name} of {where} is {item.value:.4g}; {' and '.join(bounds)} is required."


def finish(gates: Sequence[GateResult], policy: Policy, *, mismatch: str, note: str) -> tuple[GateResult, ...]:
    """Returns the gates as they are reported.

    Args:
        gates: The verdicts over the numbers.
        policy: The policy, which may have switched gates off by name.
        mismatch: Why the inputs do not belong together; every gate then says no, whatever its numbers.
        note: What a reader has to know about the evaluation; added to each reason.
    """
    return tuple(_finish(gate, getattr(policy, gate.gate).off, mismatch, note) for gate in gates)


def _finish(gate: GateResult, off: str, mismatch: str, note: str) -> GateResult:
    if off:
        return dataclasses.replace(gate, verdict=Verdict.SWITCHED_OFF, reason=off)
    if mismatch:
        return dataclasses.replace(gate, verdict=Verdict.FAILED, reason=mismatch)
    return dataclasses.replace(gate, reason=f"{gate.reason} {note}".strip())


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
