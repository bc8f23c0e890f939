import pytest

from components._shared.errors import UserError
from components.ingest_examples.config import read_source, read_splits

SOURCE = {"format": "csv", "label": {"name": "late"}, "row_key": ["day"]}
SPLITS = {"train": 0.8, "eval": 0.1, "test": 0.1}


def test_defaults():
    source = read_source({"format": "csv", "label": {"name": "late", "column": "", "above": None}})
    assert (source.null_values, source.delimiter, source.row_key) == (("",), ",", ())


def test_split_key_defaults_to_the_row_key():
    assert read_splits(SPLITS, ("day",)).key == ("day",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "json"}, "csv, parquet or tfrecord.*json"),
        ({"bad_rows": "drop"}, "fail or quarantine.*drop"),
        ({"max_bad_rows": 1}, r"share of the rows, in \[0, 1\)"),
        ({"max_bad_rows": "0.1"}, "share of the rows"),
        ({"delimiter": ";;"}, "one character"),
        ({"delimiter": "\n"}, "one character"),
        ({"delimiter": "é"}, "one character of ASCII"),
        ({"row_key": "day"}, "`source.row_key` is a list of texts"),
        ({"row_key": [1]}, "`source.row_key` is a list of texts"),
        ({"null_value": ["NA"]}, r"known settings.*null_value.*null_values"),
        ({"label": None}, "nothing for label"),
        ({"label": "late"}, "where the label comes from"),
        ({"label": {}}, "nothing for name"),
        ({"label": {"name": ""}}, "label has a name"),
        ({"label": {"name": 5}}, "`source.label.name` is a text"),
        ({"label": {"name": "late", "column": "delay"}}, "both `column` and `above`"),
        ({"label": {"name": "late", "above": 0}}, "both `column` and `above`"),
        ({"label": {"name": "late", "kind": "ordinal"}}, "Known: binary, multiclass, numeric"),
        ({"label": {"name": "late", "kind": "multiclass"}}, "names its `classes`"),
        ({"label": {"name": "late", "kind": "numeric", "positive": ["yes"]}}, "`positive` is binary.*numeric"),
        ({"label": {"name": "late", "kind": "binary", "classes": ["a", "b"]}}, "`classes` is multiclass.*binary"),
        ({"label": {"name": "late", "positive": ["yes"], "classes": ["a", "b"]}}, "made in one way"),
        ({"label": {"name": "late", "classes": ["a"]}}, "at least two classes"),
        ({"label": {"name": "late", "classes": ["a", "a"]}}, "texts in `classes` of the label differ"),
        ({"label": {"name": "late", "positive": [""]}}, "none is empty"),
        ({"label": {"name": "late", "classes": "ab"}}, "`source.label.classes` is a list of texts"),
        ({"label": {"name": "late", "column": "delay", "above": "15"}}, "finite number"),
        ({"label": {"name": "late", "column": "delay", "above": True}}, "finite number"),
        ({"label": {"name": "late", "column": "delay", "above": float("nan")}}, "finite number"),
    ],
)
def test_wrong_source(change: dict, message: str):
    with pytest.raises(UserError, match=message):
        read_source(SOURCE | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": 0.9}, "sum to 1"),
        ({"train": 0.7}, "sum to 1"),
        ({"train": 1.0, "eval": 0.0, "test": 0.0}, "above 0"),
        ({"train": 1.1, "eval": -0.1, "test": 0.0}, "above 0"),
        ({"train": "0.8"}, "above 0"),
        ({"eval": None, "train": 0.9}, "sum to 1"),
        ({"key": "day"}, "list of texts"),
        ({"seed": 1}, "known settings"),
    ],
)
def test_wrong_splits(change: dict, message: str):
    with pytest.raises(UserError, match=message):
        read_splits(SPLITS | change, ())
