"""The evaluation in plain JSON: the summary for later stages, and metadata for the dashboard."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from components._shared.artifacts import BASELINE, CANDIDATE
from components.evaluate_model.curves import Curve
from components.evaluate_model.results import Confusion, SliceResult

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


def describe_classification(curve: Curve | None, confusion: Confusion | None, label: str) -> dict[str, Any]:
    """Returns the metadata of a system.ClassificationMetrics artifact, in the shape that kfp's own class writes.

    Args:
        curve: The candidate's curve; None where it is not defined.
        confusion: The candidate's counts at the decision threshold; None where nothing was evaluated.
        label: Name of the label.
    """
    metadata: dict[str, Any] = {}
    if curve is not None:
        points = zip(curve.thresholds.tolist(), curve.recall.tolist(), curve.false_positive_rate.tolist(), strict=True)
        metadata["confidenceMetrics"] = [
            {"confidenceThreshold": threshold, "recall": recall, "falsePositiveRate": rate}
            for threshold, recall, rate in points
        ]
    if confusion is not None:
        metadata["confusionMatrix"] = {
            "annotationSpecs": [{"displayName": f"{label} = 0"}, {"displayName": f"{label} = 1"}],
            "rows": [{"row": [confusion.tn, confusion.fp]}, {"row": [confusion.fn, confusion.tp]}],
        }
    return metadata


def _metrics_by_model(result: SliceResult, models: Sequence[str]) -> dict[str, dict[str, float | None]]:
    return {model: _finite(result.metrics(model)) for model in models if model in (CANDIDATE, BASELINE)}


def _finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}
