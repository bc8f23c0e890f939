import ast
import subprocess
import sys

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from components.draft_project.writing import render, to_comment, to_line, to_plain, to_python, to_yaml

KINDS = {"numbers": ["a", "b"], "categories": ["c"], "texts": ["d"], "optional": ["a"], "timed": ["e"], "flagged": ["e"]}
DATES = {"patterns": {"YEAR_MONTH_DAY": r"^(\d{4})-(\d\d?)-(\d\d?)$"}}
DATES["dates"] = [{"name": "e", "constant": "YEAR_MONTH_DAY", "parts": [1, 2, 3]}]
NOTHING = {"patterns": {}, "dates": [], **{name: [] for name in KINDS}}
LONG = [f"a_rather_long_name_{number}" for number in range(9)]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=12))
def test_every_text_comes_back_from_yaml(text):
    assert yaml.safe_load(f"x: {to_yaml(text)}\ny: {to_yaml([text, {text: text}])}") == {"x": text, "y": [text, {text: text}]}


@pytest.mark.parametrize("text", ["no", "1", "1e5", "null", "~", "2024-01-01", "a: b", "x # y", "{SPAN}", "é\x85\ud7ff", "💡"])
def test_texts_that_yaml_takes_for_something_else_are_quoted(text):
    assert yaml.safe_load(to_yaml([text])) == [text]


@settings(max_examples=100, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12))
def test_numbers_are_numbers_to_yaml(value):
    assert yaml.safe_load(to_plain(value)) == pytest.approx(value, rel=1e-5, abs=1e-300)


def test_a_comment_is_a_comment_whatever_it_says():
    assert to_line("a\nkey: value\x85b") == "a key: value b"
    assert all(line.startswith("# ") for line in to_comment("word " * 60).splitlines())


def test_code_has_the_values_it_was_given():
    assert ast.literal_eval(to_python(LONG)) == LONG
    assert "\n" in to_python(LONG)
    assert to_python(["a"]) == '["a"]'


@pytest.mark.parametrize(
    "given_columns",
    [
        KINDS | DATES,
        NOTHING | {"numbers": LONG},
        NOTHING | {"categories": ["c"]},
        NOTHING | {"texts": ["d"]},
        NOTHING | DATES,
        NOTHING | DATES | {"flagged": ["e"]},
        NOTHING | DATES | {"numbers": ["a"], "optional": LONG},
    ],
)
def test_code_is_formatted_and_holds_nothing_that_is_not_used(tmp_path, given_columns):
    path = tmp_path / "features.py"
    path.write_text(render("features.py.j2", label="y", **given_columns))
    for command in (["check", "--select", "F,E,W,I,B,UP", "--line-length", "100"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "--isolated", path],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + path.read_text()


@pytest.mark.parametrize("kind", ["binary", "multiclass", "numeric"])
def test_the_model_is_formatted(tmp_path, kind):
    path = tmp_path / "model.py"
    path.write_text(render("model.py.j2", kind=kind, classes=3, loss="loss", metric='"accuracy"', gives="a number"))
    command = [sys.executable, "-m", "ruff", "format", "--no-cache", "--check", "--isolated", "--line-length", "110", path]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
