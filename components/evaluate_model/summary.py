"""The evaluation in plain JSON: the summary for later stages, and metadata for the dashboard."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components._shared.artifacts import BASELINE, CANDIDATE
from components._shared.label import LabelKind, LabelSpec
from components.evaluate_model.curves import Curve
from components.evaluate_model.results import SliceResult

FORMAT = "sluice/evaluation/1"


def summarise(results: Sequence[SliceResult], models: Sequence[str]) -> dict[str, Any]:
    """Returns the numbers of `evaluation.json`: metrics over all rows and by slice, null where not defined.

    Args:
        results: The slices that TFMA wrote, all rows first; empty when nothing could be evaluated.
        models: The models that were evaluated.
    """
    if not results:
        return {"metrics": {}, "slices": []}
    slices = [
        {"slice": result.name, "rows": result.rows, "metrics": _metrics_by_model(result, models)} for result in results[1:]
    ]
    return {"metrics": _metrics_by_model(results[0], models), "slices": slices}


def flatten(metrics: Mapping[str, Mapping[str, float | None]]) -> dict[str, float]:
    """Returns the candidate's metrics under their names and the baseline's under `baseline_…`, for the dashboard."""
    prefixed = ((f"{model}_" if model == BASELINE else "", items) for model, items in metrics.items())
    named = {f"{prefix}{name}": value for prefix, items in prefixed for name, value in items.items()}
    return {name: value for name, value in named.items() if value is not None}


def describe_label(labels: np.ndarray, label: LabelSpec) -> dict[str, Any]:
    """Returns what `evaluation.json` says of the label: its kind, and how its values are spread over the rows.

    Args:
        labels: Of shape [rows], at least one.
        label: The label.
    """
    known = {"label": label.name, "label_kind": label.kind.value, "label_classes": list(label.classes)}
    if label.kind is LabelKind.BINARY:
        return known | {"positives": int(labels.sum())}
    if label.kind is LabelKind.MULTICLASS:
        return known | {"class_rows": np.bincount(labels, minlength=len(label.classes)).tolist()}
    values = labels.astype(np.float64)
    return known | {"label_range": [float(values.min()), float(values.max())], "label_mean": float(values.mean())}


def describe_classification(curve: Curve | None, overall: SliceResult | None, label: LabelSpec) -> dict[str, Any]:
    """Returns the metadata of a system.ClassificationMetrics artifact, in the shape that kfp's own class writes.

    Args:
        curve: The candidate's curve; None where it is not defined.
        overall: All rows together; None where nothing was evaluated.
        label: The label. A numeric one has no such metadata.
    """
    metadata: dict[str, Any] = {}
    if curve is not None:
        points = zip(curve.thresholds.tolist(), curve.recall.tolist(), curve.false_positive_rate.tolist(), strict=True)
        metadata["confidenceMetrics"] = [
            {"confidenceThreshold": threshold, "recall": recall, "falsePositiveRate": rate}
            for threshold, recall, rate in points
        ]
    matrix = _count_classes(overall) if overall is not None else []
    if matrix:
        names = label.classes or (f"{label.name} = 0", f"{label.name} = 1")
        metadata["confusionMatrix"] = {
            "annotationSpecs": [{"displayName": name} for name in names],
            "rows": [{"row": row} for row in matrix],
        }
    return metadata


def _count_classes(overall: SliceResult) -> list[list[int]]:
    """Returns the candidate's rows by true and predicted class; empty for a numeric label."""
    if CANDIDATE in overall.confusion:
        counts = overall.confusion[CANDIDATE]
        return [[counts.tn, counts.fp], [counts.fn, counts.tp]]
    return overall.class_confusion[CANDIDATE].tolist() if overall.class_confusion else []


def _metrics_by_model(result: SliceResult, models: Sequence[str]) -> dict[str, dict[str, float | None]]:
    return {model: _finite(result.metrics(model)) for model in models if model in (CANDIDATE, BASELINE)}


def _finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}
