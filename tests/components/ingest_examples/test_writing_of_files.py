"""Files that are written in other ways: encodings, decimal points, names that no feature can have, rows without a key."""

import pytest

from components._data.examples import read_manifest
from components._shared.errors import UserError

SCHEMA = """
feature { name: "count" type: INT presence { min_fraction: 1 } shape {} }
feature { name: "weight_kg" type: FLOAT value_count { min: 1 max: 1 } }
feature { name: "ort" type: BYTES value_count { min: 1 max: 1 } }
feature { name: "late" type: INT presence { min_fraction: 1 } shape {} not_in_environment: "SERVING" }
"""
COLUMNS = {"weight (kg)": "weight_kg", "Größe": "ort", "late?": "late", "Nr.": "number"}
TEXT = "Nr.;count;weight (kg);Größe;late?\n" + "".join(
    f"{number};{number};{number // 2},{number % 2 * 5};{'Köln' if number % 2 else 'Łódź'};{number % 2}\n"
    for number in range(60)
)


@pytest.fixture
def odd(make_bench):
    """A bench whose files are German: names with brackets and umlauts, semicolons and decimal commas."""
    bench = make_bench()
    bench.schema = SCHEMA
    bench.source = {
        "columns": COLUMNS,
        "delimiter": ";",
        "decimal_point": ",",
        "row_key": ["number"],
        "label": {"name": "late"},
    }
    bench.splits = {"key": [], "salt": "s", "train": 0.5, "eval": 0.25, "test": 0.25}
    return bench


def test_columns_are_read_under_their_new_names(odd):
    odd.add(TEXT)
    odd.ingest()
    rows = odd.rows()
    assert {"count": 3, "weight_kg": 1.5, "ort": "Köln", "late": 1} in rows
    manifest = read_manifest(odd.examples)
    assert manifest["columns"] == {"count": "INT", "weight_kg": "FLOAT", "ort": "BYTES", "late": "INT"}
    assert manifest["column_names"] == {"weight_kg": "weight (kg)", "ort": "Größe", "late": "late?"}


@pytest.mark.parametrize("encoding", ["utf-16", "iso8859-2", "utf-8"])
def test_the_same_rows_in_another_encoding_are_the_same_data(odd, encoding):
    odd.add(TEXT)
    expected = odd.ingest().data_version
    odd.source["encoding"] = encoding
    odd.add(TEXT.encode(encoding))
    assert odd.ingest().data_version == expected


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("3;3;1,5", "3;3;1.5", r"Column 'weight \(kg\)' holds FLOAT.*'1.5' in .*line 5"),
        ("weight (kg)", "weight", None),
        ("late?", "late!", r"no column late\? in"),
        ("3;3;1,5", ";3;1,5", r"The column 'number' \('Nr.' in the data\) of a key"),
        ("Łódź;0", "Łódź;", r"a label in the column 'late' \('late\?' in the data\)"),
    ],
)
def test_errors_speak_the_names_of_the_data(odd, old, new, message):
    odd.add(TEXT.replace(old, new))
    if message is None:  # an optional feature may be gone from the data; validate_examples says so
        odd.ingest()
        assert read_manifest(odd.examples)["absent_columns"] == ["weight_kg"]
        return
    with pytest.raises(UserError, match=message):
        odd.ingest()


def test_a_byte_that_the_encoding_lacks_is_told_with_its_line(odd):
    odd.add(TEXT.encode("iso8859-2"))
    with pytest.raises(UserError, match=r"UTF-8 text. Received: the byte 0xf6 in .*line 1.*source.encoding"):
        odd.ingest()


def test_rows_without_a_key_are_numbered_and_none_is_lost(odd):
    odd.source |= {"row_number": "row", "row_key": ["row"]}
    for span, name in ((1, "a.csv"), (2, "b.csv")):
        odd.add(TEXT, span=span, name=name)
    assert sum(odd.ingest().rows.values()) == 120
    assert odd.ingest().data_version == odd.ingest().data_version


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"encoding": "klingon"}, "encoding of the source is known"),
        ({"encoding": "base64"}, "encoding of the source is known"),
        ({"decimal_point": ";"}, "not the delimiter"),
        ({"columns": {"a": "x", "b": "x"}}, "different names"),
        ({"columns": {"a": ""}}, "gets a name"),
        ({"columns": {"a": 1}}, "gives texts by name"),
        ({"columns": {**COLUMNS, "count": "weight_kg"}}, "different names"),
        ({"row_number": "count"}, "names no column of the data"),
    ],
)
def test_settings_that_do_not_fit_are_refused(odd, setting, message):
    odd.add(TEXT)
    odd.source |= setting
    with pytest.raises(UserError, match=message):
        odd.ingest()


def test_a_name_that_two_columns_get_is_refused_only_where_it_is_read(odd):
    odd.add(TEXT.replace("Nr.;", "Nr.;Nr.;", 1).replace("\n", "\n7;", 60))
    with pytest.raises(UserError, match="number repeated"):
        odd.ingest()
    odd.source |= {"row_number": "row", "row_key": ["row"]}
    assert sum(odd.ingest().rows.values()) == 60
