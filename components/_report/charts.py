"""Static plots: altair charts as SVG text inside the page."""

import altair as alt
import markupsafe
import vl_convert

_GREY = "#8a8f98"
COLOURS = ("#2f7fd1", "#d9822b")
"""Candidate and baseline; readable on light and dark pages."""


def to_svg(chart: alt.TopLevelMixin) -> markupsafe.Markup:
    """Returns a chart as inline SVG with no external reference, on a transparent background that suits light and dark.

    Text values are escaped by the renderer, since Vega writes them as SVG text nodes.
    """
    styled = chart.configure(background="transparent", font="system-ui, sans-serif").configure_view(stroke=None)
    styled = styled.configure_axis(
        labelColor=_GREY, titleColor=_GREY, gridColor=_GREY, gridOpacity=0.2, domainColor=_GREY, tickColor=_GREY
    )
    styled = styled.configure_legend(labelColor=_GREY, titleColor=_GREY).configure_title(color=_GREY)
    return markupsafe.Markup(vl_convert.vegalite_to_svg(styled.to_json()))  # noqa: S704
