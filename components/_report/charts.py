"""Static plots: altair charts as SVG text inside the page."""

import json
import math
import re
from typing import Any

import altair as alt
import markupsafe
import vl_convert

_GREY = "#8a8f98"
COLOURS = ("#2f7fd1", "#d9822b")
"""Candidate and baseline; readable on light and dark pages."""

_NAMESPACES = re.compile(r' xmlns(?::xlink)?="[^"]*"')
"""SVG inside HTML needs no namespaces, and without them no address stands in the page."""


def to_svg(chart: alt.TopLevelMixin) -> markupsafe.Markup:
    """Returns a chart as inline SVG with no external reference, on a transparent background that suits light and dark.

    Text values are escaped by the renderer, since Vega writes them as SVG text nodes. Numbers that are not finite have no
    place on an axis and are left out of the plot.

    Args:
        chart: A chart whose data is in it, as `alt.InlineData(values=[...])`.
    """
    styled = chart.configure(background="transparent", font="system-ui, sans-serif").configure_view(stroke=None)
    styled = styled.configure_axis(
        labelColor=_GREY, titleColor=_GREY, gridColor=_GREY, gridOpacity=0.2, domainColor=_GREY, tickColor=_GREY
    )
    styled = styled.configure_legend(labelColor=_GREY, titleColor=_GREY).configure_title(color=_GREY)
    svg = vl_convert.vegalite_to_svg(json.dumps(_finite(styled.to_dict())))
    return markupsafe.Markup(_NAMESPACES.sub("", svg, count=2))  # noqa: S704


def _finite(value: Any) -> Any:
    """Returns the same JSON value with null for what JSON cannot hold; numbers of NumPy become plain ones."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
