"""What a prediction is, by kind of label: its shape, whether it is valid, how far two are apart.

Predictions are float arrays of shape [rows]; those of a multiclass label have the shape [rows, classes].
"""

import numpy as np

from components._shared.label import LabelKind, LabelSpec

SUM_TOLERANCE = 1e-3
"""How far the probabilities of a row may be from a sum of 1; float32 rounding stays below 1e-6."""

VALID = {
    LabelKind.BINARY: "a probability in [0, 1]",
    LabelKind.MULTICLASS: "probabilities in [0, 1] that sum to 1",
    LabelKind.NUMERIC: "a finite number",
}
"""What a valid prediction is, for people."""


def expected_shape(label: LabelSpec, rows: int) -> tuple[int, ...]:
    """Returns the shape of the predictions of so many rows."""
    return (rows, len(label.classes)) if label.kind is LabelKind.MULTICLASS else (rows,)


def not_finite(predictions: np.ndarray) -> np.ndarray:
    """Returns the rows that hold a number that is not finite, bool of shape [rows]."""
    return ~np.isfinite(predictions.reshape(len(predictions), -1)).all(axis=1)


def invalid(predictions: np.ndarray, label: LabelSpec) -> np.ndarray:
    """Returns the rows whose prediction is not valid, bool of shape [rows]; what is not finite never is."""
    if label.kind is LabelKind.NUMERIC:
        return not_finite(predictions)
    each = predictions.reshape(len(predictions), -1)
    valid = ((each >= 0) & (each <= 1)).all(axis=1)  # NaN compares false
    if label.kind is LabelKind.MULTICLASS:
        valid &= np.abs(np.where(valid[:, np.newaxis], each, 0).sum(axis=1) - 1) <= SUM_TOLERANCE
    return ~valid


def differences(found: np.ndarray, wanted: np.ndarray, label: LabelSpec) -> np.ndarray:
    """Returns how far predictions are apart: absolute for probabilities, relative for numbers; infinite where not finite.

    Args:
        found: The predictions.
        wanted: What they should be, of the same shape.
        label: The label.

    Returns:
        Float64 array of the same shape.
    """
    if label.kind is LabelKind.NUMERIC:
        return relative_differences(found, wanted)
    with np.errstate(invalid="ignore"):
        return _unknown_as_infinite(np.abs(found.astype(np.float64) - wanted))


def relative_differences(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Returns |found - wanted| / max(|wanted|, s), with s the standard deviation of `wanted` over the rows.

    So a value near 0 is held against the scale of its column. Equal values are 0 apart, whatever the scale; what is not
    finite is infinitely far apart.

    Args:
        found: Numbers of shape [rows] or [rows, n].
        wanted: Numbers of the same shape.
    """
    found, wanted = found.astype(np.float64), wanted.astype(np.float64)
    spread = np.where(np.isfinite(wanted), wanted, 0).std(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.abs(found - wanted)
        return np.where(apart == 0, 0.0, _unknown_as_infinite(apart / np.maximum(np.abs(wanted), spread)))


def changes(before: np.ndarray, after: np.ndarray, label: LabelSpec) -> np.ndarray:
    """Returns how far each prediction moved, of the same shape; infinite in rows where one of the two is not valid.

    Probabilities move by their absolute change; numbers by it in standard deviations of `before`.
    """
    unknown = invalid(before, label) | invalid(after, label)
    with np.errstate(invalid="ignore", divide="ignore"):
        moved = np.abs(after.astype(np.float64) - before)
        if label.kind is LabelKind.NUMERIC:
            moved = np.where(moved == 0, 0.0, moved / np.where(unknown, 0, before).std())
    rows = unknown.reshape(-1, *[1] * (before.ndim - 1))
    return np.where(rows, np.inf, moved)


def per_row(values: np.ndarray) -> np.ndarray:
    """Returns the largest value of each row, of shape [rows]; 0 where a row holds none."""
    return values.reshape(len(values), -1).max(axis=1, initial=0)


def farthest_class(values: np.ndarray, row: int, label: LabelSpec) -> str:
    """Returns the class with the largest value in a row, its first in a tie; empty when the label has no classes."""
    return label.classes[int(np.argmax(values[row]))] if label.classes else ""


def of_class(predictions: np.ndarray, row: int, name: str, label: LabelSpec) -> float | None:
    """Returns the prediction of a row, of one class where the label has classes; None when it is not finite."""
    value = predictions[row, label.classes.index(name)] if name else predictions[row]
    return float(value) if np.isfinite(value) else None


def _unknown_as_infinite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), np.inf, values)
