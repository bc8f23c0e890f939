"""The metrics that two models can be compared by, for each kind of label."""

import numpy as np

from components._shared.label import LabelKind
from components.evaluate_model.paired import MeanPair, Pair
from components.evaluate_model.paired_auc import AucPair

EPSILON = 1e-7
"""Probabilities are kept this far from 0 and 1 inside logarithms, as Keras keeps them."""


def make_pair(
    metric: str,
    labels: np.ndarray,
    candidate: np.ndarray,
    live: np.ndarray,
    *,
    kind: LabelKind = LabelKind.BINARY,
    clusters: np.ndarray | None = None,
) -> Pair:
    """Returns a metric of both models.

    Args:
        metric: One of the REGRESSION_METRICS of this kind. Cross-entropies are in nats. The Brier score is the mean squared
            error of the probability, summed over the classes where there are more than two (Brier 1950, "Verification of
            Forecasts Expressed in Terms of Probability"). Accuracy takes the most probable class, the first of equal ones.
        labels: Zeros and ones, numbers of classes, or values; of shape [rows].
        candidate: The candidate's probabilities or values, of shape [rows]; [rows, classes] of a multiclass label.
        live: The live version's.
        kind: Kind of the label.
        clusters: Number of each row's cluster, int64 of shape [rows]; None where every row stands for itself.
    """
    if metric == "auc":
        return AucPair(labels, candidate, live, clusters)
    first, second = (score_rows(metric, labels, predictions, kind) for predictions in (candidate, live))
    return MeanPair(first, second, clusters, higher_is_better=metric == "accuracy")


def score_rows(metric: str, labels: np.ndarray, predictions: np.ndarray, kind: LabelKind) -> np.ndarray:
    """Returns what each row adds to the mean that is the metric, float64 of shape [rows]; for the arguments see `make_pair`."""
    score = {
        "accuracy": _is_hit,
        "binary_crossentropy": _crossentropy,
        "categorical_crossentropy": _crossentropy,
        "brier": _brier,
        "mean_absolute_error": _absolute_error,
        "mean_squared_error": _squared_error,
    }[metric]
    values = predictions.astype(np.float64)
    if kind is LabelKind.BINARY:  # two classes like any other number of them
        values = np.stack([1 - values, values], axis=1)
    return score(labels, values)


def _is_hit(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    return (probabilities.argmax(axis=1) == labels).astype(np.float64)


def _crossentropy(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    return -np.log(np.clip(_of_label(labels, probabilities), EPSILON, 1 - EPSILON))


def _brier(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    if probabilities.shape[1] == 2:  # Brier's own sum counts the one error twice; the field counts it once
        return (1 - _of_label(labels, probabilities)) ** 2
    squares = (probabilities**2).sum(axis=1)
    return squares - 2 * _of_label(labels, probabilities) + 1


def _absolute_error(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    return np.abs(predictions - labels)


def _squared_error(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    return (predictions - labels) ** 2


def _of_label(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    return probabilities[np.arange(len(labels)), labels.astype(np.int64)]
