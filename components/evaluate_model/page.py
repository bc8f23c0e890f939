"""The page of an evaluation: verdict, gates, metrics, slices, groups and curves."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np

from components._report.charts import COLOURS, to_svg
from components._report.page import format_number, render_page
from components._shared.artifacts import BASELINE, CANDIDATE
from components._shared.gates import GateReport, Verdict
from components._shared.label import LabelSpec
from components._shared.policy import Policy
from components.evaluate_model.calibration_gate import bin_reliability
from components.evaluate_model.curves import Curve
from components.evaluate_model.fairness_panels import draw_panels
from components.evaluate_model.group_counts import Counted
from components.evaluate_model.interval_bars import draw_intervals
from components.evaluate_model.regression import Comparison
from components.evaluate_model.results import SliceResult

MAX_SLICES = 200
_SIZE = 300


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
        labels: Labels of shape [rows].
        predictions: Probabilities of shape [rows] by model.
        curves: Curve by model; None where it is not defined.
        comparison: Candidate and live version on the same rows; None without predictions of both.
        counted: The candidate's decisions by group.
        label: What kind of label it is.
        note: How TFMA ran, where that was not the usual way.
    """

    report: GateReport
    summary: Mapping[str, Any]
    results: Sequence[SliceResult]
    policy: Policy
    primary: tuple[str, bool] | None
    labels: np.ndarray
    predictions: Mapping[str, np.ndarray]
    curves: Mapping[str, Curve | None]
    comparison: Comparison | None
    counted: Counted
    label: LabelSpec
    note: str


def render(content: Content) -> str:
    """Returns the page."""
    metric, higher = content.primary or ("auc", True)
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


def _charts(content: Content) -> list[tuple[str, str, Any]]:
    """Returns (title, how to read it, SVG) of every plot; none where the rates are not defined."""
    curves = {_display(model): curve for model, curve in content.curves.items() if curve is not None}
    if not curves:
        return []
    roc = {name: (curve.false_positive_rate.tolist(), curve.recall.tolist()) for name, curve in curves.items()}
    pr = {name: (curve.recall.tolist(), curve.precision.tolist()) for name, curve in curves.items()}
    count = content.policy.calibration.bins
    bins = {
        model: bin_reliability(content.labels, values, content.label, count) for model, values in content.predictions.items()
    }
    calibration = {
        _display(model): (found.prediction.tolist(), found.rate.tolist()) for model, found in bins.items() if found is not None
    }
    errors = [f"{_display(model)} {format_number(found.error)}" for model, found in bins.items() if found is not None]
    return [
        (
            "ROC",
            "Above the diagonal is better than chance.",
            _plot(roc, "false positive rate", "true positive rate", diagonal=True),
        ),
        ("Precision and recall", "Further up and to the right is better.", _plot(pr, "recall", "precision")),
        (
            "Calibration",
            f"On the diagonal, predictions are as large as what happens. Expected calibration error: {', '.join(errors)}.",
            _plot(calibration, "mean prediction", "share of positive labels", diagonal=True, points=True),
        ),
    ]


def _plot(
    lines: Mapping[str, tuple[list[float], list[float]]], x: str, y: str, *, diagonal: bool = False, points: bool = False
) -> Any:
    values = [
        {"x": a, "y": b, "model": name, "order": index}
        for name, (xs, ys) in lines.items()
        for index, (a, b) in enumerate(zip(xs, ys, strict=True))
    ]
    names = list(lines)
    colour = alt.Color("model:N", title=None, scale=alt.Scale(domain=names, range=list(COLOURS[: len(names)])))
    scale = alt.Scale(domain=[0, 1], nice=False)
    chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_line(point=points, clip=True)
        .encode(
            x=alt.X("x:Q", title=x, scale=scale),
            y=alt.Y("y:Q", title=y, scale=scale),
            color=colour.legend(orient="bottom"),
            order="order:Q",
        )
    )
    if diagonal:
        ends = alt.InlineData(values=[{"x": 0, "y": 0}, {"x": 1, "y": 1}])
        chart = alt.Chart(ends).mark_line(strokeDash=[4, 4], color="#8a8f98").encode(x="x:Q", y="y:Q") + chart
    return to_svg(chart.properties(width=_SIZE, height=_SIZE))


def _display(model: str) -> str:
    return "live version" if model == BASELINE else "candidate"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
