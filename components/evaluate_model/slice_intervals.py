"""Confidence intervals of a metric, slice by slice, so that a reader sees which slices are worse and which only small."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from components._shared.label import LabelKind
from components.evaluate_model.paired import Interval, clustered_standard_error, normal_quantile
from components.evaluate_model.paired_auc import area_influences
from components.evaluate_model.paired_metrics import score_rows
from components.evaluate_model.slice_rows import Key, Spec, group_rows

_OWN_NAMES = {
    "auc": "auc",
    "binary_accuracy": "accuracy",
    "binary_crossentropy": "binary_crossentropy",
    "sparse_categorical_accuracy": "accuracy",
    "sparse_categorical_crossentropy": "categorical_crossentropy",
    "mean_absolute_error": "mean_absolute_error",
    "mean_squared_error": "mean_squared_error",
}
"""Our name of those of TFMA's metrics that have an interval here."""

_LARGEST = {"auc": 1.0, "accuracy": 1.0}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scored:
    """What intervals are computed from.

    Attributes:
        labels: Zeros and ones, numbers of classes, or values; of shape [rows].
        predictions: Probabilities or values, of shape [rows]; [rows, classes] of a multiclass label.
        kind: Kind of the label.
        clusters: Number of each row's cluster, int64 of shape [rows]; None where every row stands for itself.
    """

    labels: np.ndarray
    predictions: np.ndarray
    kind: LabelKind
    clusters: np.ndarray | None = None


def measure_slices(
    table: pa.Table, specs: Sequence[Spec], metric: str, scored: Scored, confidence: float
) -> dict[Any, Interval]:
    """Returns the interval of a metric by slice key; nothing for a metric without one, nor for a slice that is too small.

    The intervals are normal ones, from each row's influence on the metric: for areas those of DeLong, DeLong, Clarke-Pearson
    1988. Rows of a cluster count as one. They are of one slice each: among twenty slices at 95 % one lies outside by chance.

    Args:
        table: The rows, with the slicing features.
        specs: The slicing specs.
        metric: TFMA's name of the metric.
        scored: Labels and predictions of these rows.
        confidence: Of the two-sided interval.
    """
    own = _OWN_NAMES.get(metric)
    if own is None:
        return {}
    found: dict[Key, Interval | None] = {}
    for key, index in group_rows(table, list(specs)):
        clusters = index if scored.clusters is None else scored.clusters[index]
        part = Scored(labels=scored.labels[index], predictions=scored.predictions[index], kind=scored.kind, clusters=clusters)
        found[key] = _measure(own, part, confidence)
    return {key: interval for key, interval in found.items() if interval is not None}


def _measure(metric: str, scored: Scored, confidence: float) -> Interval | None:
    if metric == "auc":
        if scored.labels.min() == scored.labels.max():
            return None
        value, influences = area_influences(scored.labels, scored.predictions)
    else:
        scores = score_rows(metric, scored.labels, scored.predictions, scored.kind)
        value, influences = float(scores.mean()), (scores - scores.mean()) / len(scores)
    # Numbered anew, so that a slice of few rows does not pay for the numbers of all clusters.
    clusters = np.unique(scored.clusters, return_inverse=True)[1] if scored.clusters is not None else np.arange(len(influences))
    width = normal_quantile(confidence) * clustered_standard_error(influences, clusters)
    if not math.isfinite(width):
        return None
    return Interval(max(0.0, value - width), min(_LARGEST.get(metric, math.inf), value + width))
