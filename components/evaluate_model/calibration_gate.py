"""Judges whether predictions are as large as what happens, for every kind of label.

| kind | calibration error | base rate |
|---|---|---|
| binary | of the probability of label 1 | label rate over mean prediction |
| multiclass | of the probability of the most probable class, a hit when it is the label | the same, of each class |
| numeric | not defined | mean prediction less mean label |
"""

import math
from collections.abc import Iterator

import numpy as np

from components._shared.gates import GateResult, Measurement, Verdict
from components._shared.label import LabelKind, LabelSpec
from components._shared.policy import CalibrationGate
from components.evaluate_model.calibration import Bins, bin_rows, measure_base_rate, measure_error, measure_mean

_CHANCE = "a perfectly calibrated model would have up to {:.3g} by chance"


def judge_calibration(labels: np.ndarray, predictions: np.ndarray, label: LabelSpec, policy: CalibrationGate) -> GateResult:
    """Returns the calibration gate.

    Each bound is widened to what chance explains on these rows, so that a small test split gives no false alarm; with fewer
    than `min_rows` rows it would explain nearly anything, and the gate says no.

    Args:
        labels: Of shape [rows]: 0 or 1, the position of the class, or a number.
        predictions: float32 of shape [rows], or [rows, classes] for a multiclass label; valid for its kind.
        label: What kind of label it is.
        policy: The gate's bounds.
    """
    if len(labels) < max(2, policy.min_rows):
        return _fail(
            f"{len(labels):,} rows of the test split are too few to judge calibration by; {policy.min_rows:,} are needed."
        )
    measurements = tuple(_measure(labels, predictions, label, policy))
    failed = [item for item in measurements if item.passed is False]
    if failed:
        more = f" And {len(failed) - 1} more." if len(failed) > 1 else ""
        return GateResult(
            gate="calibration", verdict=Verdict.FAILED, reason=_describe(failed[0]) + more, measurements=measurements
        )
    reason = "Predictions are as large as what happens, within the bounds."
    return GateResult(gate="calibration", verdict=Verdict.PASSED, reason=reason, measurements=measurements)


def bin_reliability(labels: np.ndarray, predictions: np.ndarray, label: LabelSpec, bins: int) -> Bins | None:
    """Returns the reliability diagram behind the calibration error; None for a numeric label, which has none."""
    if label.kind is LabelKind.NUMERIC:
        return None
    return bin_rows(*_hits(labels, predictions, label), bins)


def _measure(labels: np.ndarray, predictions: np.ndarray, label: LabelSpec, policy: CalibrationGate) -> Iterator[Measurement]:
    if label.kind is LabelKind.NUMERIC:
        yield _judge_mean(labels, predictions, policy)
        return
    yield _judge_error(*_hits(labels, predictions, label), policy)
    if label.kind is LabelKind.BINARY:
        yield _judge_base_rate(labels, predictions, policy, "", 1)
        return
    for number, name in enumerate(label.classes):
        slice_name = f"{label.name}={name}"
        yield _judge_base_rate(labels == number, predictions[:, number], policy, slice_name, len(label.classes))


def _hits(labels: np.ndarray, predictions: np.ndarray, label: LabelSpec) -> tuple[np.ndarray, np.ndarray]:
    if label.kind is LabelKind.BINARY:
        return labels, predictions
    # A softmax in float32 may exceed 1 in its last digit.
    return predictions.argmax(axis=1) == labels, np.clip(predictions.max(axis=1), 0, 1)


def _judge_error(hits: np.ndarray, predictions: np.ndarray, policy: CalibrationGate) -> Measurement:
    found = measure_error(hits, predictions, policy)
    upper = max(policy.max_calibration_error, found.explained)
    return Measurement(
        name="expected calibration error",
        value=found.value,
        upper_bound=upper,
        rows=len(hits),
        passed=found.value <= upper,
        note=f"{policy.bins} bins of equal width; {_CHANCE.format(found.explained)}, {found.expected:.3g} on average",
    )


def _judge_base_rate(
    hits: np.ndarray, predictions: np.ndarray, policy: CalibrationGate, where: str, comparisons: int
) -> Measurement:
    found = measure_base_rate(hits, predictions, policy.confidence, comparisons=comparisons)
    bound, defined = policy.max_base_rate_ratio, math.isfinite(found.value)
    lower, upper = (min(1 / bound, found.lower), max(bound, found.upper)) if defined else (1 / bound, bound)
    chance = f"chance explains {found.lower:.3g} to {found.upper:.3g}"
    return Measurement(
        name="label rate over mean prediction",
        value=found.value if defined else None,
        slice=where,
        lower_bound=lower,
        upper_bound=upper,
        rows=len(hits),
        passed=defined and lower <= found.value <= upper,
        note=chance if defined else "not defined, since every prediction is 0",
    )


def _judge_mean(labels: np.ndarray, predictions: np.ndarray, policy: CalibrationGate) -> Measurement:
    found, bound = measure_mean(labels, predictions, policy.confidence), policy.max_mean_difference
    defined = math.isfinite(found.value)
    reach = max(bound, found.explained) if defined else bound
    return Measurement(
        name="mean prediction less mean label",
        value=found.value if defined else None,
        lower_bound=-reach,
        upper_bound=reach,
        rows=len(labels),
        passed=defined and abs(found.value) <= reach,
        note="in standard deviations of the label; " + _CHANCE.format(found.explained)
        if defined
        else "not defined, since all labels are equal",
    )


def _fail(reason: str) -> GateResult:
    return GateResult(gate="calibration", verdict=Verdict.FAILED, reason=reason)


def _describe(item: Measurement) -> str:
    where = f" of {item.slice}" if item.slice else ""
    if item.value is None:
        return f"The {item.name}{where}: {item.note}."
    bounds = [f"at least {item.lower_bound:.3g}"] if item.lower_bound is not None else []
    bounds += [f"at most {item.upper_bound:.3g}"] if item.upper_bound is not None else []
    return f"The {item.name}{where} is {item.value:.3g}; {' and '.join(bounds)} is required ({item.note})."
