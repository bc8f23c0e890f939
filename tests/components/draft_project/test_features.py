"""The functions of a drafted features.py, as it is written for a table with everything."""

import datetime
import importlib.util

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from components._data.examples import write_split
from components.draft_project.writing import render
from components.draft_schema.dates import find_date_form
from components.transform_features.analysis import analyze

DATES = ["2024-02-29 08:15", "1999-12-31 23:00", "2000-03-01 00:30", "1970-01-01 12:00"]


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    form = find_date_form(pa.array(DATES))
    date = {"name": "day", "constant": "YMD", "parts": form.parts}
    named = {"numbers": ["a"], "categories": ["b"], "texts": ["c"], "optional": ["a"], "timed": ["day"], "flagged": []}
    text = render("features.py.j2", label="y", patterns={"YMD": form.pattern}, dates=[date], **named)
    return load(tmp_path_factory.mktemp("features"), text)


def load(folder, text):
    path = folder / "features.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("drafted_features", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sparse(values, rows, length):
    return tf.SparseTensor([[row, 0] for row in rows], values, [length, 1])


def test_days_are_those_of_the_calendar(features):
    days, *circles = features.date_parts(tf.constant(DATES), features.YMD, features.DATES["day"][1:])
    dates = [datetime.date.fromisoformat(text[:10]) for text in DATES]
    assert days.numpy().tolist() == [(date - datetime.date(1970, 1, 1)).days for date in dates]
    weekday = np.round(np.arctan2(circles[2], circles[3]) / (2 * np.pi) * 7).astype(int) % 7
    assert [(day + 3) % 7 for day in weekday] == [date.weekday() for date in dates]


@pytest.mark.parametrize("text", [b"", b"never", b"2024-13-", b"x" * 10_000, "жовтень".encode(), b"\xff\xfe", b"2024-02-29 8"])
def test_what_is_no_date_has_no_part(features, text):
    parts = features.date_parts(tf.constant([text]), features.YMD, features.DATES["day"][1:])
    assert all(np.isnan(part.numpy()).all() for part in parts)
    assert np.isnan(features.date_group(tf.constant([text]), features.YMD, 4).numpy()).all()


@pytest.mark.parametrize("text", ["0000-00-00", "2024-13-01", "2024-00-10", "2024-02-00", "2024-02-32"])
def test_a_month_or_day_that_no_calendar_has_is_no_date(features, text):
    parts = features.date_parts(tf.constant([text]), features.YMD, features.DATES["day"][1:])
    assert all(np.isnan(part.numpy()).all() for part in parts)


SCHEMA = """
feature { name: "day" type: BYTES presence { min_fraction: 1.0 } shape {} }
feature { name: "sent" type: BYTES value_count { min: 1 max: 1 } }
feature { name: "y" type: INT presence { min_fraction: 1.0 } shape {} not_in_environment: "SERVING" }
default_environment: "TRAINING"
default_environment: "SERVING"
"""


def test_the_graph_flags_dates_that_are_missing_or_none(tmp_path):
    named = {"numbers": [], "categories": [], "texts": [], "optional": [], "timed": ["day"], "flagged": ["day", "sent"]}
    form = find_date_form(pa.array(DATES))
    dates = [{"name": name, "constant": "YMD", "parts": form.parts} for name in ("day", "sent")]
    features = load(tmp_path, render("features.py.j2", label="y", patterns={"YMD": form.pattern}, dates=dates, **named))
    days = [*DATES, "never", "2024-03-01"]
    table = pa.table({"day": days, "sent": [*DATES[:3], None, "0000-00-00", ""], "y": [0, 1, 0, 1, 0, 1]})
    write_split(tmp_path, "train", table)
    (tmp_path / "schema.pbtxt").write_text(SCHEMA)

    graph = tmp_path / "graph"
    analyze(
        examples=str(tmp_path),
        schema=str(tmp_path / "schema.pbtxt"),
        preprocessing_fn=features.preprocessing_fn,
        transform_graph=graph,
    )
    sent = sparse([*DATES[:3], "0000-00-00", ""], [0, 1, 2, 4, 5], 6)
    raw = {"day": tf.constant(days), "sent": sent, "y": tf.constant(table["y"].to_pylist(), tf.int64)}
    made = tft.TFTransformOutput(str(graph)).transform_raw_features(raw)

    of_day, of_sent = made["missing"].numpy().T
    assert of_day.tolist() == [0, 0, 0, 0, 1, 0]
    assert of_sent.tolist() == [0, 0, 0, 1, 1, 1]
    assert np.isfinite(made["numbers"].numpy()).all()


def test_words_are_counted_whatever_their_case_and_marks(features):
    counts = features.count_words(tf.constant(["Good, good: GOOD!", "good", "", b"\xff\xfe \x00", "x " * 5_000])).numpy()
    assert counts.shape == (5, features.WORDS)
    assert counts[0].max() == pytest.approx(np.log(4))
    assert counts[0].argmax() == counts[1].argmax()
    assert counts[2].sum() == 0
    assert np.isfinite(counts).all()


def test_missing_numbers_are_marked_and_given_a_place(features):
    feature = sparse([5, 7], [0, 2], 3)
    np.testing.assert_array_equal(features.as_number(feature), [5, np.nan, 7])
    assert features.is_missing(feature).numpy().tolist() == [0, 1, 0]
    assert features.as_dense(sparse(["a"], [1], 2), "(missing)").numpy().tolist() == [b"(missing)", b"a"]
