"""The plots of an evaluation, by kind of label."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np

from components._report.charts import COLOURS, to_svg
from components._shared.artifacts import BASELINE
from components._shared.label import LabelKind, LabelSpec
from components.evaluate_model.curves import Curve, bin_calibration

_SIZE = 300
_BINS = 20

Lines = Mapping[str, tuple[list[float], list[float]]]
Chart = tuple[str, str, Any]
"""Title, how to read it, and the SVG."""


def draw_charts(
    label: LabelSpec, labels: np.ndarray, predictions: Mapping[str, np.ndarray], curves: Mapping[str, Curve | None]
) -> list[Chart]:
    """Returns every plot; none where what it would show is not defined.

    Args:
        label: What is predicted.
        labels: Labels of shape [rows].
        predictions: Valid predictions by model, of shape [rows], or [rows, classes] for a multiclass label.
        curves: Curves by model, of a binary label.
    """
    if label.kind is LabelKind.NUMERIC:
        return _numeric_charts(labels, predictions)
    if label.kind is LabelKind.MULTICLASS:
        return [_confidence_chart(labels, predictions)]
    return _binary_charts(labels, predictions, curves)


def name_model(model: str) -> str:
    """Returns what readers call a model."""
    return "live version" if model == BASELINE else "candidate"


def _binary_charts(
    labels: np.ndarray, predictions: Mapping[str, np.ndarray], curves: Mapping[str, Curve | None]
) -> list[Chart]:
    known = {name_model(model): curve for model, curve in curves.items() if curve is not None}
    if not known:
        return []
    roc = {name: (curve.false_positive_rate.tolist(), curve.recall.tolist()) for name, curve in known.items()}
    pr = {name: (curve.recall.tolist(), curve.precision.tolist()) for name, curve in known.items()}
    calibration = {name_model(model): _bins(labels, values) for model, values in predictions.items()}
    return [
        (
            "ROC",
            "Above the diagonal is better than chance.",
            _plot(roc, "false positive rate", "true positive rate", diagonal=True),
        ),
        ("Precision and recall", "Further up and to the right is better.", _plot(pr, "recall", "precision")),
        (
            "Calibration",
            "On the diagonal, predictions are as large as what happens.",
            _plot(calibration, "mean prediction", "share of positive labels", diagonal=True, points=True),
        ),
    ]


def _confidence_chart(labels: np.ndarray, predictions: Mapping[str, np.ndarray]) -> Chart:
    lines = {}
    for model, values in predictions.items():
        lines[name_model(model)] = _bins((values.argmax(axis=1) == labels).astype(np.int64), values.max(axis=1))
    chart = _plot(lines, "mean probability of the predicted class", "share of rows of that class", diagonal=True, points=True)
    return "Calibration", "On the diagonal, the predicted class is right as often as its probability says.", chart


def _numeric_charts(labels: np.ndarray, predictions: Mapping[str, np.ndarray]) -> list[Chart]:
    lines = {name_model(model): _bins(labels, values) for model, values in predictions.items()}
    ends = [value for xs, ys in lines.values() for value in (*xs, *ys)]
    errors = {model: values.astype(np.float64) - labels for model, values in predictions.items()}
    edges = np.histogram_bin_edges(np.concatenate([*errors.values()]), bins=_BINS)
    middles = ((edges[:-1] + edges[1:]) / 2).tolist()
    shares = {name_model(model): np.histogram(values, edges)[0] / len(values) for model, values in errors.items()}
    counts = {name: (middles, values.tolist()) for name, values in shares.items()}
    widest = max(max(ys) for _, ys in counts.values())
    return [
        (
            "Calibration",
            "On the diagonal, predictions are as large as what happens.",
            _plot(lines, "mean prediction", "mean label", diagonal=True, points=True, x_ends=_ends(ends), y_ends=_ends(ends)),
        ),
        (
            "Errors",
            "Left of zero the prediction is too low, right of it too high.",
            _plot(counts, "prediction less label", "share of rows", x_ends=_ends(edges.tolist()), y_ends=(0.0, widest)),
        ),
    ]


def _bins(labels: np.ndarray, predictions: np.ndarray) -> tuple[list[float], list[float]]:
    items = bin_calibration(labels, predictions)
    return [item[0] for item in items], [item[1] for item in items]


def _ends(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if low < high else (low - 1, high + 1)


def _plot(
    lines: Lines,
    x: str,
    y: str,
    *,
    diagonal: bool = False,
    points: bool = False,
    x_ends: tuple[float, float] = (0.0, 1.0),
    y_ends: tuple[float, float] = (0.0, 1.0),
) -> Any:
    values = [
        {"x": a, "y": b, "model": name, "order": index}
        for name, (xs, ys) in lines.items()
        for index, (a, b) in enumerate(zip(xs, ys, strict=True))
    ]
    names = list(lines)
    colour = alt.Color("model:N", title=None, scale=alt.Scale(domain=names, range=list(COLOURS[: len(names)])))
    chart = (
        alt.Chart(alt.InlineData(values=values))
        .mark_line(point=points, clip=True)
        .encode(
            x=alt.X("x:Q", title=x, scale=alt.Scale(domain=list(x_ends), nice=False, zero=False)),
            y=alt.Y("y:Q", title=y, scale=alt.Scale(domain=list(y_ends), nice=False, zero=False)),
            color=colour.legend(orient="bottom"),
            order="order:Q",
        )
    )
    if diagonal:
        ends = alt.InlineData(values=[{"x": end, "y": end} for end in x_ends])
        chart = alt.Chart(ends).mark_line(strokeDash=[4, 4], color="#8a8f98").encode(x="x:Q", y="y:Q") + chart
    return to_svg(chart.properties(width=_SIZE, height=_SIZE))
