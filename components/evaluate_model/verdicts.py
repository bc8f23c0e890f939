"""Turns what was measured into the verdicts of the performance, fairness, regression and calibration gates."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from tensorflow_model_analysis.proto import config_pb2

from components._shared.artifacts import CANDIDATE
from components._shared.gates import GateResult, Measurement, Verdict
from components._shared.label import LabelSpec
from components._shared.policy import Policy
from components.evaluate_model.calibration_gate import judge_calibration
from components.evaluate_model.fairness import judge_fairness
from components.evaluate_model.group_counts import Counted
from components.evaluate_model.inputs import Scores
from components.evaluate_model.regression import Comparison, judge_comparison
from components.evaluate_model.results import SliceResult
from components.evaluate_model.thresholds import judge_thresholds

_FROM_TFMA = ("performance", "regression")
"""Gates that judge the numbers of the user's configuration, which TFMA may have computed on a sample."""
_NOT_COUNTED = Counted()
_NO_THRESHOLD = "No threshold is configured: nothing would be judged."


@dataclasses.dataclass(frozen=True)
class Measured:
    """All that the gates look at.

    Attributes:
        scores: The predictions.
        results: The slices that TFMA wrote; empty where the candidate's predictions are no probabilities.
        config: The configuration that TFMA ran with.
        policy: The gates' bounds.
        label: What kind of label it is.
        comparison: Candidate and live version on the same rows; None without predictions of both.
        counted: The candidate's decisions by group.
    """

    scores: Scores
    results: Sequence[SliceResult]
    config: config_pb2.EvalConfig
    policy: Policy
    label: LabelSpec
    comparison: Comparison | None = None
    counted: Counted = _NOT_COUNTED

    @property
    def invalid(self) -> str:
        """Returns what is wrong with the candidate's predictions, as a sentence; empty when nothing is."""
        total = len(self.scores.predictions[CANDIDATE])
        found = f"{self.scores.invalid:,} of {total:,} predictions are no probability: not finite, or not in [0, 1]."
        return found if self.scores.invalid else ""


def judge_performance(measured: Measured) -> GateResult:
    """Returns the performance gate: every value threshold, over all rows and by slice."""
    if measured.invalid:
        return _fail("performance", measured.invalid)
    size = measured.policy.performance.min_slice_size
    measurements = judge_thresholds(measured.results, measured.config, min_slice_size=size, changes=False)
    return _judge("performance", measurements) if measurements else _fail("performance", _NO_THRESHOLD)


def judge_groups(measured: Measured) -> GateResult:
    """Returns the fairness gate; see `judge_fairness`."""
    if measured.invalid and measured.policy.fairness.protected:
        return _fail("fairness", measured.invalid)
    return judge_fairness(measured.counted, measured.policy.fairness)


def judge_predictions(measured: Measured, labels: np.ndarray) -> GateResult:
    """Returns the calibration gate; see `judge_calibration`."""
    if measured.invalid:
        return _fail("calibration", measured.invalid)
    return judge_calibration(labels, measured.scores.predictions[CANDIDATE], measured.label, measured.policy.calibration)


def judge_regression(measured: Measured, live_version: str) -> GateResult:
    """Returns the regression gate: the paired comparison, and every change threshold, candidate less live version."""
    if not live_version:
        reason = "No version is live to compare with."
        return GateResult(gate="regression", verdict=Verdict.NOT_APPLICABLE, reason=reason)
    if problem := measured.scores.live_problem or measured.invalid:
        return _fail("regression", problem)
    if measured.comparison is None:
        return _fail("regression", "The candidate was not compared with the live version.")
    size = measured.policy.performance.min_slice_size
    changes = judge_thresholds(measured.results, measured.config, min_slice_size=size, changes=True)
    return _add_changes(judge_comparison(measured.comparison), changes)


def finish(gates: Sequence[GateResult], policy: Policy, *, mismatch: str, note: str) -> tuple[GateResult, ...]:
    """Returns the gates as they are reported.

    Args:
        gates: The verdicts over the numbers.
        policy: The policy, which may have switched gates off by name.
        mismatch: Why the inputs do not belong together; every gate then says no, whatever its numbers.
        note: What a reader has to know about the evaluation; added to the reasons of the gates that rest on it.
    """
    return tuple(_finish(gate, getattr(policy, gate.gate).off, mismatch, note) for gate in gates)


def _judge(gate: str, measurements: Sequence[Measurement]) -> GateResult:
    failed = [item for item in measurements if item.passed is False]
    judged = [item for item in measurements if item.passed is not None]
    skipped = len(measurements) - len(judged)
    if failed:
        verdict, reason = Verdict.FAILED, _describe(failed[0])
        reason += f" And {len(failed) - 1} more." if len(failed) > 1 else ""
    elif not judged:
        verdict, reason = Verdict.FAILED, "Nothing was judged: every slice with a bound is too small."
    else:
        verdict, reason = Verdict.PASSED, "The bound holds." if len(judged) == 1 else f"All {len(judged)} bounds hold."
        reason += f" Not judged, since the slices are too small: {skipped}." if skipped else ""
    return GateResult(gate=gate, verdict=verdict, reason=reason, measurements=tuple(measurements))


def _add_changes(compared: GateResult, changes: Sequence[Measurement]) -> GateResult:
    """Returns the comparison's result, with the change thresholds, which have to hold as well."""
    if not changes:
        return compared
    bounds, both = _judge("regression", changes), (*compared.measurements, *changes)
    judged = any(item.passed is not None for item in changes)  # the comparison has judged something, so this is not needed
    failed = Verdict.FAILED in (compared.verdict, bounds.verdict if judged else Verdict.PASSED)
    about_changes = f" Of the change thresholds: {bounds.reason}" if judged else ""
    verdict = Verdict.FAILED if failed else Verdict.PASSED
    return dataclasses.replace(compared, verdict=verdict, reason=compared.reason + about_changes, measurements=both)


def _fail(gate: str, reason: str) -> GateResult:
    return GateResult(gate=gate, verdict=Verdict.FAILED, reason=reason)


def _describe(item: Measurement) -> str:
    """Returns one sentence about a bound that does not hold."""
    where = item.slice or "all rows"
    if item.value is None:
        return f"The {item.name} of {where}: {item.note}."
    bounds = [f"at least {item.lower_bound:g}"] if item.lower_bound is not None else []
    bounds += [f"at most {item.upper_bound:g}"] if item.upper_bound is not None else []
    return f"The {item.name} of {where} is {item.value:.4g}; {' and '.join(bounds)} is required."


def _finish(gate: GateResult, off: str, mismatch: str, note: str) -> GateResult:
    if off:
        return dataclasses.replace(gate, verdict=Verdict.SWITCHED_OFF, reason=off)
    if mismatch:
        return dataclasses.replace(gate, verdict=Verdict.FAILED, reason=mismatch)
    return dataclasses.replace(gate, reason=f"{gate.reason} {note if gate.gate in _FROM_TFMA else ''}".strip())
