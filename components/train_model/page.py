"""The page of train_model: learning curves and a table of the epochs."""

import math
from pathlib import Path
from typing import Any

import altair as alt
import markupsafe

from components._report.charts import COLOURS, to_svg
from components._report.page import format_number, render_page
from components.train_model.fit import Fit

_TEMPLATE = Path(__file__).parent / "report.html.j2"
_CHART_WIDTH, _CHART_HEIGHT = 340, 200
_MOST_TICKS = 10


def render(fitted: Fit, training: dict[str, Any], rows: dict[str, int]) -> str:
    """Returns the page.

    Args:
        fitted: The fitted model with its history.
        training: What `training.json` holds.
        rows: Number of rows by split.
    """
    names = [name for name in fitted.history if f"eval_{name}" in fitted.history]
    later_epochs = fitted.rows_per_second[1:] or fitted.rows_per_second
    facts = [
        ("best epoch", f"{fitted.best_epoch} of {fitted.epochs}"),
        *((f"eval {name}", format_number(fitted.best()[f"eval_{name}"])) for name in names),
        *((f"{split} rows", format_number(count)) for split, count in rows.items()),
        *([("went on after a kill at epoch", format_number(fitted.resumed_at))] if fitted.resumed_at else []),
        ("rows per second", format_number(round(max(later_epochs)))),
    ]
    return render_page(
        _TEMPLATE,
        title="Training",
        facts=facts,
        curves=[_curve(name, fitted) for name in names],
        names=names,
        epochs=[
            {name: fitted.history[name][index] for name in fitted.history} | {"epoch": index + 1}
            for index in range(fitted.epochs)
        ],
        best_epoch=fitted.best_epoch,
        training=training,
    )


def _curve(name: str, fitted: Fit) -> markupsafe.Markup:
    """Returns one loss or metric over the epochs, train and eval, with the best epoch marked."""
    points = [
        {"epoch": epoch, "split": split, "value": value}
        for split, key in (("train", name), ("eval", f"eval_{name}"))
        for epoch, value in enumerate(fitted.history[key], start=1)
    ]
    # Left to itself, Vega puts ticks at half epochs and rounds their labels.
    ticks = list(range(1, fitted.epochs + 1, math.ceil(fitted.epochs / _MOST_TICKS)))
    epochs = alt.X(
        "epoch:Q",
        axis=alt.Axis(title="epoch", values=ticks, format="d"),
        scale=alt.Scale(domain=[1, max(fitted.epochs, 2)], nice=False, zero=False),
    )
    base = alt.Chart(alt.InlineData(values=points)).encode(
        x=epochs,
        y=alt.Y("value:Q", title=name, scale=alt.Scale(zero=False)),
        color=alt.Color(
            "split:N",
            scale=alt.Scale(domain=["train", "eval"], range=list(COLOURS)),
            legend=alt.Legend(title=None, orient="top"),
        ),
    )
    best = alt.Chart(alt.InlineData(values=[{"epoch": fitted.best_epoch}])).mark_rule(strokeDash=[4, 4], color="#8a8f98")
    layers = alt.layer(best.encode(x=epochs), base.mark_line(), base.mark_point(filled=True, size=40, opacity=1))
    return to_svg(layers.properties(width=_CHART_WIDTH, height=_CHART_HEIGHT))
