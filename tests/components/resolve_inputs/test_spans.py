import pytest

from components._shared.errors import UserError
from components.resolve_inputs.spans import format_spans, parse_spans


@pytest.mark.parametrize("text", ["all", "ALL", " all ", ""])
def test_all(text: str):
    assert parse_spans(text) is None


@pytest.mark.parametrize(
    ("text", "spans"),
    [("3", [3]), ("1-3", [1, 2, 3]), ("1-3,7", [1, 2, 3, 7]), (" 7, 1 - 2 ", [1, 2, 7]), ("0", [0]), ("2,1-3", [1, 2, 3])],
)
def test_numbers_and_ranges(text: str, spans: list[int]):
    assert parse_spans(text) == spans


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("one", "Received: one"),
        ("1-", "Received: 1-"),
        ("-1", "Received: -1"),
        ("1,,2", "parted by commas"),
        ("1.5", "1.5"),
        ("9-1", "Write 1-9"),
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
