"""The plots of an evaluation, by kind of label."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np

from components._report.charts import COLOURS, to_svg
from components._report.page import format_number
from components._shared.artifacts import BASELINE
from components._shared.label import LabelKind, LabelSpec
from components.evaluate_model.calibration_gate import bin_reliability
from components.evaluate_model.curves import Curve

_SIZE = 300
_BINS, _PARTS = 20, 10

Lines = Mapping[str, tuple[list[float], list[float]]]
Chart = tuple[str, str, Any]
"""Title, how to read it, and the SVG."""


def draw_charts(
    label: LabelSpec,
    labels: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    curves: Mapping[str, Curve | None],
    bins: int,
) -> list[Chart]:
    """Returns every plot; none where what it would show is not defined.

    Args:
        label: What is predicted.
        labels: Labels of shape [rows].
        predictions: Valid predictions by model, of shape [rows], or [rows, classes] for a multiclass label.
        curves: Curves by model, of a binary label.
        bins: Number of bins of the calibration error, which the reliability diagram shows.
    """
    if label.kind is LabelKind.NUMERIC:
        return _numeric_charts(labels, predictions)
    calibration = _calibration_chart(label, labels, predictions, bins)
    return [*_rate_charts(curves), calibration] if label.kind is LabelKind.BINARY else [calibration]


def name_model(model: str) -> str:
    """Returns what readers call a model."""
    return "live version" if model == BASELINE else "candidate"


def _rate_charts(curves: Mapping[str, Curve | None]) -> list[Chart]:
    known = {name_model(model): curve for model, curve in curves.items() if curve is not None}
    if not known:
        return []
    roc = {name: (curve.false_positive_rate.tolist(), curve.recall.tolist()) for name, curve in known.items()}
    pr = {name: (curve.recall.tolist(), curve.precision.tolist()) for name, curve in known.items()}
    return [
        (
            "ROC",
            "Above the diagonal is better than chance.",
            _plot(roc, "false positive rate", "true positive rate", diagonal=True),
        ),
        ("Precision and recall", "Further up and to the right is better.", _plot(pr, "recall", "precision")),
    ]


def _calibration_chart(label: LabelSpec, labels: np.ndarray, predictions: Mapping[str, np.ndarray], bins: int) -> Chart:
    found = {model: bin_reliability(labels, values, label, bins) for model, values in predictions.items()}
    known = {name_model(model): item for model, item in found.items() if item is not None}
    lines = {name: (item.prediction.tolist(), item.rate.tolist()) for name, item in known.items()}
    errors = ", ".join(f"{name} {format_number(item.error)}" for name, item in known.items())
    axes, reading = (
        ("mean prediction", "share of positive labels"),
        "On the diagonal, predictions are as large as what happens.",
    )
    if label.kind is LabelKind.MULTICLASS:
        axes = ("mean probability of the predicted class", "share of rows of that class")
        reading = "On the diagonal, the predicted class is right as often as its probability says."
    reading = f"{reading} Expected calibration error: {errors}."
    return "Calibration", reading, _plot(lines, *axes, diagonal=True, points=True)


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
    """Returns mean prediction and mean label of ten parts with about equally many rows."""
    order = np.argsort(predictions, kind="stable")
    parts = [part for part in np.array_split(order, _PARTS) if len(part)]
    return [float(predictions[part].mean(dtype=np.float64)) for part in parts], [float(labels[part].mean()) for part in parts]


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
