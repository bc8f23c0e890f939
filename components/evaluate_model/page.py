"""The page of an evaluation: verdict, gates, metrics, slices, groups and curves."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from components._report.page import render_fragment, render_page
from components._shared.artifacts import BASELINE, CANDIDATE
from components._shared.gates import GateReport, Verdict
from components._shared.label import LabelSpec
from components._shared.policy import Policy
from components.evaluate_model.charts import Chart, draw_charts, name_model
from components.evaluate_model.curves import Curve
from components.evaluate_model.fairness_panels import draw_panels
from components.evaluate_model.group_counts import Counted
from components.evaluate_model.interval_bars import draw_intervals
from components.evaluate_model.paired import Interval
from components.evaluate_model.regression import Comparison
from components.evaluate_model.results import SliceResult
from components.evaluate_model.slice_table import Ranking, place_overall, sort_slices

MAX_SLICES = 200
MAX_CLASSES = 30
"""A confusion matrix of more classes is in evaluation.json only."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Content:
    """What the page shows.

    Attributes:
        report: The gates.
        summary: What `evaluation.json` holds.
        results: The slices that TFMA wrote; empty when nothing could be evaluated.
        policy: The gates' bounds.
        ranking: The metric that sorts the slices.
        slice_intervals: Its interval by slice key, where there is one.
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
    ranking: Ranking
    slice_intervals: Mapping[Any, Interval]
    label: LabelSpec
    labels: np.ndarray
    predictions: Mapping[str, np.ndarray]
    curves: Mapping[str, Curve | None]
    comparison: Comparison | None
    counted: Counted
    note: str


def render_details(content: Content) -> Markup:
    """Returns what the evaluation shows beyond verdicts: a part of its own page and of the decision's."""
    slices = sort_slices(content.results, content.ranking, content.slice_intervals, content.policy.performance.min_slice_size)
    return render_fragment(
        Path(__file__).parent / "details.html.j2",
        metrics=_compare(content.summary["metrics"]),
        has_live=BASELINE in content.predictions,
        comparison=content.comparison,
        intervals=draw_intervals(content.comparison),
        metric=content.ranking.metric,
        overall=place_overall(content.results, content.ranking, content.slice_intervals),
        slices=slices[:MAX_SLICES],
        more_slices=max(0, len(slices) - MAX_SLICES),
        min_slice_size=content.policy.performance.min_slice_size,
        confidence=f"{100 * content.policy.regression.confidence:g}",
        fairness=content.policy.fairness,
        panels=draw_panels(content.counted, content.policy.fairness),
        charts=_charts(content),
        matrices=_matrices(content),
    )


def render(content: Content, details: Markup) -> str:
    """Returns the page."""
    return render_page(
        Path(__file__).parent / "report.html.j2",
        title="Evaluation",
        headline=_headline(content.report),
        passed=not _failed(content.report),
        report=content.report,
        summary=content.summary,
        has_live=BASELINE in content.predictions,
        details=details,
        measurements=[(gate, [item for item in gate.measurements if gate.gate != "fairness"]) for gate in content.report.gates],
        note=content.note,
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
