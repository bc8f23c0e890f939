import pytest

from components._shared.errors import UserError
from components._shared.patterns import Place, match_path, parse_pattern


def place_of(pattern: str, path: str) -> tuple[int, int | None] | None:
    place = match_path(parse_pattern(pattern), path)
    return place and (place.span, place.version)


@pytest.mark.parametrize(
    ("pattern", "path", "place"),
    [
        ("span-{SPAN}/*.csv", "span-12/a.csv", (12, None)),
        ("span-{SPAN:3}/*.csv", "span-012/a.csv", (12, None)),
        ("{SPAN:4}{VERSION:2}.csv", "001203.csv", (12, 3)),
        ("{SPAN}{VERSION:2}.csv", "1203.csv", (12, 3)),
        ("span-{SPAN}/v{VERSION}/x", "span-1/v10/x", (1, 10)),
        ("{YYYY}{MM}{DD}/x", "20170101/x", (17167, None)),
        ("{YYYY}-{MM}-{DD}-v{VERSION}.csv", "1970-01-02-v3.csv", (1, 3)),
        ("{DD}.{MM}.{YYYY}.csv", "02.01.1970.csv", (1, None)),
        ("y2013{SPAN:2}.csv", "y201307.csv", (7, None)),
        ("*{SPAN}.csv", "data12.csv", (12, None)),
        ("{SPAN}/part-{SPAN}.csv", "3/part-3.csv", (3, None)),
        ("{SPAN}/part-{SPAN}.csv", "3/part-4.csv", None),
        ("span-{SPAN}/*.csv", "span-1/.hidden.csv", None),
        ("span-{SPAN}/*.csv", "span-x/a.csv", None),
        ("span-{SPAN}/*.csv", "span-1/deep/a.csv", None),
        ("a/*.csv", "a/b.csv", (0, None)),
        ("a/**/b.csv", "a/b.csv", (0, None)),
        ("a/**/b.csv", "a/x/y/b.csv", (0, None)),
        ("a/**/b.csv", "a/.x/b.csv", None),
        ("a/**", "a/x/y", (0, None)),
        ("a/**", "b/x", None),
        ("gs://bucket/a/{SPAN}.csv", "a/7.csv", (7, None)),
    ],
)
def test_path_has_its_place(pattern: str, path: str, place: tuple[int, int | None] | None):
    assert place_of(pattern, path) == place


@pytest.mark.parametrize(
    ("pattern", "path", "message"),
    [
        ("span-{SPAN}/x", "span-012/x", r"number of a span.*without leading zeros.*\{SPAN:2\}"),
        ("{SPAN}/v{VERSION}", "1/v01", r"number of a version.*leading zeros.*\{VERSION:2\}"),
        ("span-{SPAN:2}/x", "span-100/x", "as wide as the pattern says.*span-100"),
        ("span-{SPAN:2}/x", "span-7/x", "as wide as the pattern says.*span-7"),
        ("{YYYY}-{MM}-{DD}", "2013-1-5", "as wide as the pattern says"),
        ("{YYYY}{MM}{DD}", "20130229", "in the calendar.*20130229"),
    ],
)
def test_number_that_would_go_unnoticed_is_refused(pattern: str, path: str, message: str):
    with pytest.raises(UserError, match=message):
        place_of(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (" ", "has a pattern"),
        ("{VERSION}/x", r"\{VERSION\} goes with"),
        ("{SPAN}/{YYYY}{MM}{DD}", "not both"),
        ("{YYYY}-{MM}", "each once"),
        ("{YYYY}{MM}{DD}/{DD}", "each once"),
        ("{YYYY:2}{MM}{DD}", "widths 4, 2 and 2"),
        ("{SPAN}/{VERSION}/{VERSION}", r"\{VERSION\} once"),
        ("{SPAN:2}/{SPAN:3}", "same width"),
        ("{SPAN}{VERSION}", "touch"),
        ("{SPAN:0}", "whole number from 1"),
        ("{SPAN:two}", "whole number from 1"),
        ("{SPAN:}", "whole number from 1"),
        ("{span}", r"placeholders of a pattern are.*\{span\}"),
        ("{HOUR}", r"placeholders of a pattern are"),
        ("{SPAN", "other half"),
        ("a}/{SPAN}", "other half"),
        ("**/{SPAN}", "not both"),
        ("s3://bucket/x", "or in Cloud Storage"),
        ("gs://bucket", "or in Cloud Storage"),
        ("gs://Bucket/x", "or in Cloud Storage"),
        ("gs://bucket/folder/", "or in Cloud Storage"),
    ],
)
def test_pattern_that_cannot_work(pattern: str, message: str):
    with pytest.raises(UserError, match=message):
        parse_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "glob"),
    [("{SPAN:4}{VERSION:2}/x", "*/x"), ("a*{SPAN}*b/x", "a*b/x"), ("{YYYY}-{MM}-{DD}", "*-*-*"), ("a/**/b", "a/**/b")],
)
def test_glob_finds_every_number_and_is_not_recursive(pattern: str, glob: str):
    assert parse_pattern(pattern).glob == glob


def test_folder_reaches_to_the_last_placeholder():
    assert parse_pattern("data/{SPAN}/v{VERSION}-*/part-*/x.csv").folder.path == "data/{SPAN}/v{VERSION}-*"
    assert match_path(parse_pattern("d/{SPAN}/v{VERSION}/x").folder, "d/1/v2") == Place(span=1, version=2)
