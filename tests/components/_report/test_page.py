import re

import jinja2
import numpy as np
import pytest

from components._report.page import format_number, render_page
from components._shared.gates import Evidence, GateResult, Measurement, Verdict

HEAD = '{% extends "base.html.j2" %}{% import "macros.html.j2" as m %}{% block content %}'
HOSTILE = "<script>alert('1')</script>\" onload=\"x"


@pytest.fixture
def render(tmp_path):
    """Returns a function that renders the inside of a page."""

    def run(content, **context):
        (tmp_path / "report.html.j2").write_text(f"{HEAD}{content}{{% endblock %}}")
        return render_page(tmp_path / "report.html.j2", **{"title": "A page", **context})

    return run


def test_every_value_is_escaped(render):
    page = render(
        "{{ value }}{{ m.verdict('failed', value, value) }}{{ m.facts([(value, value)]) }}", title=HOSTILE, value=HOSTILE
    )

    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 7


def test_gates_and_measurements_are_escaped(render):
    item = Measurement(name=HOSTILE, value=1.0, slice=HOSTILE, note=HOSTILE)
    gate = GateResult(gate=HOSTILE, verdict=Verdict.FAILED, reason=HOSTILE)

    page = render("{{ m.gates([gate]) }}{{ m.measurements([item]) }}", gate=gate, item=item)

    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 5


def test_a_page_needs_nothing_but_itself(render):
    evidence = Evidence(model_digest="", data_version="sha256:d", policy_hash="sha256:p", baseline_version="")

    page = render("{{ m.evidence(evidence) }}{{ m.details([('a', 'b')]) }}", evidence=evidence)

    assert not re.search(r"https?:|<script|<link|@import|url\(|\bsrc=|<iframe", page)


def test_columns_that_no_measurement_uses_are_left_out(render):
    bounded = Measurement(name="auc", value=0.7, lower_bound=0.6, passed=True)

    page = render("{{ m.measurements([item]) }}", item=bounded)

    assert "At least" in page
    assert "At most" not in page
    assert "Slice" not in page


@pytest.mark.parametrize(("passed", "word"), [(True, "passed"), (False, "failed"), (None, "not judged")])
def test_a_measurement_says_how_it_was_judged(render, passed, word):
    page = render("{{ m.measurements([item]) }}", item=Measurement(name="auc", value=0.7, passed=passed))

    assert f">{word}</span>" in page


def test_a_variable_that_is_not_there_is_an_error(render):
    with pytest.raises(jinja2.UndefinedError):
        render("{{ forgotten }}")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0"),
        (1234567, "1,234,567"),
        (0.123456, "0.1235"),
        (-0.5, "-0.5"),
        (999.99999, "1,000"),
        (32735.0, "32,735"),
        (12345.678, "12,346"),
        (1e-7, "1e-07"),
        (float("nan"), "NaN"),
        (float("inf"), "∞"),
        (float("-inf"), "−∞"),
        (np.float32(0.1), "0.1"),
        (np.int64(4000), "4,000"),
    ],
)
def test_numbers_read_well(value, text):
    assert format_number(value) == text
