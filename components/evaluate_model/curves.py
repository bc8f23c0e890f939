"""Points of ROC and precision-recall curves, at most 101 each."""

import dataclasses

import numpy as np

POINTS = 101


@dataclasses.dataclass(frozen=True)
class Curve:
    """Rates at ascending thresholds; a prediction above the threshold counts as positive. All float64 of shape [points].

    Attributes:
        thresholds: From 0 to 1, at quantiles of the predictions between.
        recall: True positives over positives.
        false_positive_rate: False positives over negatives.
        precision: True positives over predicted positives; 1 where none is predicted positive.
    """

    thresholds: np.ndarray
    recall: np.ndarray
    false_positive_rate: np.ndarray
    precision: np.ndarray


def trace_curve(labels: np.ndarray, predictions: np.ndarray) -> Curve | None:
    """Returns the curve of one model; None where all labels are equal and the rates mean nothing.

    Args:
        labels: Zeros and ones of shape [rows].
        predictions: Probabilities of shape [rows].
    """
    positives, negatives = (np.sort(predictions[labels == value].astype(np.float64)) for value in (1, 0))
    if not len(positives) or not len(negatives):
        return None
    inner = np.quantile(predictions.astype(np.float64), np.linspace(0, 1, POINTS - 2))
    thresholds = np.unique(np.concatenate([[0.0], inner, [1.0]]))
    tp, fp = (len(part) - np.searchsorted(part, thresholds, side="right") for part in (positives, negatives))
    precision = np.divide(tp, tp + fp, out=np.ones(len(thresholds)), where=tp + fp > 0)
    return Curve(thresholds, tp / len(positives), fp / len(negatives), precision)
