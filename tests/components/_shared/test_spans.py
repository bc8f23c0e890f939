import pytest

from components._shared.errors import UserError
from components._shared.spans import date_of, format_spans, parse_spans


@pytest.mark.parametrize("text", ["all", "ALL", " all ", ""])
def test_all(text: str):
    assert parse_spans(text).is_all
    assert parse_spans(text).among([1, 5]) == [1, 5]


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("3", [3]),
        ("1-3", [1, 2, 3]),
        ("1-3,7", [1, 2, 3, 7]),
        (" 7, 1 - 2 ", [1, 2, 7]),
        ("0", [0]),
        ("2,1-3", [1, 2, 3]),
        ("2017-01-01", [17167]),
        ("1970-01-30..1970-02-02, 3", [3, 29, 30, 31, 32]),
    ],
)
def test_numbers_days_and_ranges(text: str, spans: list[int]):
    assert parse_spans(text).among([]) == spans


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("latest:1", [9]),
        ("latest:3", [5, 7, 9]),
        (" Latest : 2 , skip : 1 ", [5, 7]),
        ("latest:9", [2, 3, 5, 7, 9]),
        ("latest:2,skip:4", [2]),
        ("latest:2,skip:5", []),
        ("latest:2,skip:6", []),
    ],
)
def test_window_counts_the_spans_there_are(text: str, spans: list[int]):
    assert parse_spans(text).among([2, 3, 5, 7, 9]) == spans


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("one", "Received: one"),
        ("1-", "Received: 1-"),
        ("-1", "Received: -1"),
        ("1,,2", "parted by commas"),
        ("1.5", "1.5"),
        ("9-1", "runs upwards"),
        ("1970-02-02..1970-02-01", "runs upwards"),
        ("2013-02-29", "in the calendar"),
        ("latest:0", "at least one span"),
        ("latest", "latest:7"),
        ("latest:2,3", "Received: latest"),
        ("latest:2,skip:-1", "Received: latest"),
        ("1-999999999", "at most"),
        ("²", "²"),
    ],
)
def test_what_is_no_span(text: str, message: str):
    with pytest.raises(UserError, match=message):
        parse_spans(text)


@pytest.mark.parametrize(("spans", "text"), [([], ""), ([7, 1, 2, 3, 3], "1-3, 7"), ([5], "5"), ([1, 3, 5], "1, 3, 5")])
def test_notation_of_numbers(spans: list[int], text: str):
    assert format_spans(spans) == text


def test_days_are_shown_as_days():
    assert format_spans([29, 30, 31, 33], dated=True) == "1970-01-30..1970-02-01, 1970-02-03"
    assert date_of(0) == "1970-01-01"
