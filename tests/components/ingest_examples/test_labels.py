"""Labels of every kind, made from what the files hold."""

import pytest

from components._data.examples import read_manifest
from components._shared.errors import UserError
from components._shared.label import LabelKind, read_label_spec

SCHEMA = """
feature { name: "day" type: INT presence { min_fraction: 1 } shape {} }
feature { name: "species" type: %s presence { min_fraction: 1 } shape {} not_in_environment: "SERVING" }
"""
CLASSES = ["Adelie", "Chinstrap", "Gentoo"]


def fill(bench, label, values, kind="INT"):
    """Gives the bench one row per value, each on a day of its own."""
    bench.schema = SCHEMA % kind
    bench.paths.clear()
    bench.add("day,species,other\n" + "".join(f"{day},{value},{value}\n" for day, value in enumerate(values)))
    bench.source.update(row_key=["day"], label={"name": "species", **label})
    return bench


def labels(bench):
    bench.ingest()
    return {row["day"]: row["species"] for row in bench.rows()}


def test_classes_become_their_positions(bench):
    found = labels(fill(bench, {"classes": CLASSES}, CLASSES * 10))
    assert found == {day: day % 3 for day in range(30)}
    spec = read_label_spec(read_manifest(bench.examples))
    assert (spec.kind, spec.classes) == (LabelKind.MULTICLASS, tuple(CLASSES))


def test_other_classes_are_other_data(make_bench):
    first, second = (
        fill(make_bench(), {"classes": ["a", "b"]}, "ab" * 10),
        fill(make_bench(), {"classes": ["c", "d"]}, "cd" * 10),
    )
    assert first.ingest().data_version != second.ingest().data_version
    assert first.rows() == second.rows()


def test_unknown_classes_are_counted_and_named(bench):
    values = [*CLASSES * 10, "King", "Emperor", "King"]
    with pytest.raises(UserError, match=r"3 rows with 2 other values, 'King' \(2\), 'Emperor' \(1\); the first in .*line 32"):
        fill(bench, {"classes": CLASSES}, values).ingest()


def test_texts_make_a_binary_label(bench):
    found = labels(fill(bench, {"positive": [">50K", ">50K."]}, [">50K", "<=50K", ">50K.", "<=50K."] * 8))
    assert found == {day: 1 - day % 2 for day in range(32)}


def test_a_text_of_another_column_leaves_rows_without_it_out(bench):
    found = labels(fill(bench, {"column": "species", "positive": ["yes"]}, ["yes", "no", "NA"] * 10))
    assert found == {day: 1 - day % 3 for day in range(30) if day % 3 < 2}


def test_a_missing_class_is_an_error(bench):
    with pytest.raises(UserError, match=r"Every row has a label in the column 'species'.*10 rows"):
        fill(bench, {"classes": ["yes", "no"]}, ["yes", "no", "NA"] * 10).ingest()


def test_a_numeric_label_is_kept_as_it_is(bench):
    found = labels(fill(bench, {"kind": "numeric"}, [day / 4 for day in range(30)], "FLOAT"))
    assert found == {day: day / 4 for day in range(30)}
    assert read_manifest(bench.examples)["label_kind"] == "numeric"


@pytest.mark.parametrize("value", ["NaN", "inf", "-inf", "NA"])
def test_a_number_that_is_none_is_no_label(bench, value):
    with pytest.raises(UserError, match=r"Every row has a label.*10 rows"):
        fill(bench, {"kind": "numeric"}, ["1.5", "2.5", value] * 10, "FLOAT").ingest()


def test_a_numeric_label_of_another_column_leaves_rows_without_it_out(bench):
    fill(bench, {"kind": "numeric", "column": "size", "name": "price"}, ["1.5", "inf", "2.5"] * 10)
    bench.schema = bench.schema.replace('"species" type: INT', '"price" type: FLOAT')
    bench.source["label"]["column"] = "other"
    bench.ingest()
    assert {row["day"]: row["price"] for row in bench.rows()} == {day: 1.5 + day % 3 / 2 for day in range(30) if day % 3 != 1}


def test_a_number_is_no_class_position(bench):
    fill(bench, {"classes": CLASSES}, CLASSES * 10, "FLOAT")
    with pytest.raises(UserError, match="number of a class, INT in the schema"):
        bench.ingest()


def test_a_feature_of_numbers_holds_no_texts(bench):
    fill(bench, {"name": "kind", "column": "species", "classes": ["1", "2"]}, ["1", "2"] * 10)
    bench.schema += 'feature { name: "kind" type: INT not_in_environment: "SERVING" }'
    with pytest.raises(UserError, match=r"'species' that the label is derived from is a text.*int64"):
        bench.ingest()
