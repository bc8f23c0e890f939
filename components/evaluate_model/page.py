"""The page of an evaluation: verdict, gates, metrics, slices, groups and curves."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components._report.page import render_page
from components._shared.artifacts import BASELINE, CANDIDATE
from components._shared.gates import GateReport, Verdict
from components._shared.label import LabelKind, LabelSpec
from components._shared.policy import Policy
from components.evaluate_model.charts import Chart, draw_charts, name_model
from components.evaluate_model.curves import Curve
from components.evaluate_model.fairness_panels import draw_panels
from components.evaluate_model.group_counts import Counted
from components.evaluate_model.interval_bars import draw_intervals
from components.evaluate_model.regression import Comparison
from components.evaluate_model.results import SliceResult

MAX_SLICES = 200
MAX_CLASSES = 30
"""A confusion matrix of more classes is in evaluation.json only."""
_USUAL_METRICS = {
    LabelKind.BINARY: ("auc", True),
    LabelKind.MULTICLASS: ("sparse_categorical_accuracy", True),
    LabelKind.NUMERIC: ("root_mean_squared_error", False),
}
"""What sorts the slices where no metric has a bound, and whether higher is better."""


@dataclasses.dataclass(frozen=True)
class SliceRow:
    """One row of the table of slices; `share` is the length of its bar in percent."""

    name: str
    rows: int
    value: float | None
    live: float | None
    change: float | None
    share: float
    small: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Content:
    """What the page shows.

    Attributes:
        report: The gates.
        summary: What `evaluation.json` holds.
        results: The slices that TFMA wrote; empty when nothing could be evaluated.
        policy: The gates' bounds.
        primary: The metric that sorts the slices, and whether higher is better; None without one.
        label: What is predicted.
        labels: Labels of shape [rows].
        predictions: Predictions by model, of shape [rows], or [rows, classes] for a multiclass label.
        curves: Curve by model; None where it is not defined; empty unless the label is binary.
        comparison: Candidate and live version on the same rows; None without predictions of both.
        counted: The candidate's decisions by group.
        note: How TFMA ran, where that was not the usual way.
    """

    report: GateReport
    summary: Mapping[str, Any]
    results: Sequence[SliceResult]
    policy: Policy
    primary: tuple[str, bool] | None
    label: LabelSpec
    labels: np.ndarray
    predictions: Mapping[str, np.ndarray]
    curves: Mapping[str, Curve | None]
    comparison: Comparison | None
    counted: Counted
    note: str


def render(content: Content) -> str:
    """Returns the page."""
    metric, higher = content.primary or _USUAL_METRICS[content.label.kind]
    slices = sort_slices(content.results, metric, higher, content.policy.performance.min_slice_size)
    return render_page(
        Path(__file__).parent / "report.html.j2",
        title="Evaluation",
        headline=_headline(content.report),
        passed=not _failed(content.report),
        report=content.report,
        summary=content.summary,
        metrics=_compare(content.summary["metrics"]),
        has_live=BASELINE in content.predictions,
        comparison=content.comparison,
        intervals=draw_intervals(content.comparison),
        metric=metric,
        slices=slices[:MAX_SLICES],
        more_slices=max(0, len(slices) - MAX_SLICES),
        min_slice_size=content.policy.performance.min_slice_size,
        fairness=content.policy.fairness,
        panels=draw_panels(content.counted, content.policy.fairness),
        charts=_charts(content),
        matrices=_matrices(content),
        measurements=[(gate, [item for item in gate.measurements if gate.gate != "fairness"]) for gate in content.report.gates],
        note=content.note,
    )


def sort_slices(results: Sequence[SliceResult], metric: str, higher: bool, min_slice_size: int) -> list[SliceRow]:
    """Returns the slices by one metric of the candidate, worst first; slices without the metric come last."""
    found = [(result, result.metrics(CANDIDATE).get(metric, math.nan)) for result in results if result.key != ()]
    values = [abs(value) for _, value in found if math.isfinite(value)]
    largest = max(values, default=0.0) or 1.0
    ordered = sorted(found, key=lambda item: (not math.isfinite(item[1]), item[1] if higher else -item[1]))
    return [_row(result, metric, value, largest, min_slice_size) for result, value in ordered]


def _row(result: SliceResult, metric: str, value: float, largest: float, min_slice_size: int) -> SliceRow:
    live = result.metrics(BASELINE).get(metric, math.nan)
    return SliceRow(
        name=result.name,
        rows=result.rows,
        value=_finite(value),
        live=_finite(live),
        change=_finite(value - live),
        share=100 * abs(value) / largest if math.isfinite(value) else 0.0,
        small=result.rows < min_slice_size,
    )


def _failed(report: GateReport) -> list[str]:
    return [gate.gate for gate in report.gates if gate.verdict is Verdict.FAILED]


def _headline(report: GateReport) -> str:
    if failed := _failed(report):
        return f"The candidate does not pass: {', '.join(failed)}."
    return "The candidate passes every gate that was judged."


def _compare(metrics: Mapping[str, Mapping[str, float | None]]) -> list[tuple[str, float | None, float | None, float | None]]:
    """Returns (name, candidate, live, change) of every metric over all rows."""
    candidate, live = metrics.get(CANDIDATE, {}), metrics.get(BASELINE, {})
    rows = []
    for name, value in candidate.items():
        other = live.get(name)
        rows.append((name, value, other, value - other if value is not None and other is not None else None))
    return rows


def _charts(content: Content) -> list[Chart]:
    if not content.results:
        return []
    bins = content.policy.calibration.bins
    return draw_charts(content.label, content.labels, content.predictions, content.curves, bins)


def _matrices(content: Content) -> list[tuple[str, list[tuple[str, list[tuple[int, float]]]]]]:
    """Returns (model, rows) of each confusion matrix; a row is a true class with count and share of each predicted one."""
    names = content.label.classes
    if not content.results or not 0 < len(names) <= MAX_CLASSES:
        return []
    return [
        (name_model(model), [(name, [(n, n / max(sum(row), 1)) for n in row]) for name, row in zip(names, rows, strict=True)])
        for model, matrix in content.results[0].class_confusion.items()
        for rows in [matrix.tolist()]
    ]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
