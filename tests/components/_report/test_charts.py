import re
import xml.etree.ElementTree as ET

import altair as alt
import numpy as np
import pytest

from components._report.charts import to_svg


def line(values, **properties):
    data = alt.InlineData(values=[{"x": index, "y": value} for index, value in enumerate(values)])
    return alt.Chart(data).mark_line(point=True).encode(x="x:Q", y="y:Q").properties(width=200, height=100, **properties)


def points(svg):
    return len(re.findall(r'aria-roledescription="point"', svg))


def test_a_plot_needs_nothing_but_itself():
    svg = to_svg(line([1.0, 2.0]))

    assert not re.search(r"https?:|<script|href|<image|url\(", svg)
    assert ET.fromstring(svg).tag == "svg"


def test_text_is_escaped():
    svg = to_svg(line([1.0, 2.0], title="<script>alert(1)</script> & more"))

    assert "<script" not in svg
    assert "&lt;script&gt;" in svg


@pytest.mark.parametrize("missing", [float("nan"), float("inf"), None])
def test_what_is_no_number_is_left_out(missing):
    assert points(to_svg(line([1.0, missing, 3.0]))) == 2


def test_numbers_of_numpy_are_plotted():
    assert points(to_svg(line(list(np.array([1, 2, 3], np.float32))))) == 3


def test_a_plot_goes_into_a_page_as_it_is():
    assert to_svg(line([1.0])).__html__().startswith("<svg")
