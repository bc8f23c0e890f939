import numpy as np
import pyarrow as pa
import pytest

from components.draft_schema.columns import Column
from components.draft_schema.keys import choose_keys, choose_shares
from components.draft_schema.roles import Role, decide, may_be_protected

ROWS = 400
RANDOM = np.random.default_rng(0)


def column(original, values):
    array = pa.chunked_array([values if isinstance(values, pa.Array) else pa.array(values)])
    kind = "BYTES" if pa.types.is_string(array.type) else "INT" if pa.types.is_integer(array.type) else "FLOAT"
    return Column(original=original, kind=kind, values=array)


def repeated(count, rows=ROWS):
    return [number % count for number in range(rows)]


@pytest.mark.parametrize(
    ("original", "values", "role", "why"),
    [
        ("price", RANDOM.normal(size=ROWS), Role.NUMBER, "numbers"),
        ("rooms", repeated(5), Role.NUMBER, "whole numbers"),
        ("colour", [f"c{number}" for number in repeated(12)], Role.CATEGORY, "12 different texts"),
        ("name", [f"n{number}" for number in repeated(150)], Role.LEFT_OUT, "too many to learn from"),
        ("code", [f"x{number}" for number in range(ROWS)], Role.LEFT_OUT, "names them"),
        ("customerID", RANDOM.permutation(ROWS) * 7, Role.LEFT_OUT, "names each row"),
        ("n", range(ROWS), Role.LEFT_OUT, "names each row"),
        ("n", [number * 2 for number in range(ROWS)], Role.NUMBER, "whole numbers"),
        ("rownames", [number * 2 for number in range(ROWS)], Role.LEFT_OUT, "names each row"),
        ("Employee No", RANDOM.permutation(ROWS) * 3, Role.LEFT_OUT, "names each row"),
        ("number of visits", repeated(9), Role.NUMBER, "whole numbers"),
        ("", range(ROWS), Role.LEFT_OUT, "names each row"),
        ("patient_id", repeated(150), Role.LEFT_OUT, "names what rows are about"),
        ("zone id", repeated(6), Role.CATEGORY, "6 names of something"),
        ("sold_on", [f"2024-01-{1 + number:02d}" for number in repeated(28)], Role.DATE, "dates"),
        ("note", [f"the quick brown fox number {number} ran" for number in range(ROWS)], Role.TEXT, "several words"),
        ("cost", [f"$1,{number}.50" for number in range(ROWS)], Role.LEFT_OUT, "signs or units"),
        ("flat", [3] * ROWS, Role.LEFT_OUT, "one value only"),
        ("void", [None] * (ROWS - 1) + [1.5], Role.LEFT_OUT, "one value only"),
        ("nothing", pa.nulls(ROWS, pa.string()), Role.LEFT_OUT, "no values"),
        ("rare", [None] * (ROWS - 4) + [1, 2, 3, 4], Role.LEFT_OUT, "99% of its values are missing"),
    ],
)
def test_what_a_column_is_for_follows_from_its_values_and_name(original, values, role, why):
    decision = decide(column(original, values), "name")
    assert decision.role is role
    assert why in decision.why


def keys_of(**columns):
    made = [column(name, values) for name, values in columns.items()]
    return choose_keys(made, [decide(item, item.original) for item in made], ROWS)


def test_a_column_that_names_each_row_is_the_key():
    keys = keys_of(id=range(ROWS), x=repeated(7))
    assert (keys.row_key, keys.split_key, keys.row_number) == (("id",), ("id",), "")


def test_rows_about_one_thing_go_to_one_split():
    keys = keys_of(patient_id=repeated(150), x=repeated(7))
    assert (keys.row_key, keys.split_key, keys.row_number) == (("row_number",), ("patient_id",), "row_number")


def test_rows_with_a_name_of_their_own_are_split_by_what_they_are_about_all_the_same():
    keys = keys_of(order_id=range(ROWS), customer_id=repeated(150))
    assert (keys.row_key, keys.split_key, keys.row_number) == (("order_id",), ("customer_id",), "")


def test_a_few_columns_tell_rows_apart_and_no_row_is_lost():
    keys = keys_of(a=repeated(50), b=[number // 50 for number in range(ROWS)], c=repeated(2))
    assert (keys.row_key, keys.split_key) == (("row_number",), ("a", "b"))


def test_rows_that_nothing_tells_apart_are_numbered_under_a_name_that_is_free():
    keys = keys_of(row_number=[1.5 * number for number in repeated(3)], b=repeated(2))
    assert (keys.row_key, keys.split_key, keys.row_number) == (("row_number_",), ("row_number_",), "row_number_")


def test_a_series_in_time_is_told_that_its_splits_are_neighbours():
    days = np.datetime64("2020-01-01") + np.arange(ROWS)
    columns = [column("day", [str(day) for day in days]), column("level", RANDOM.normal(size=ROWS))]
    keys = choose_keys(columns, [decide(item, item.original) for item in columns], ROWS)
    assert "Each row has a day of its own" in keys.why


def test_a_key_has_no_gaps():
    assert keys_of(a=[None, *range(1, ROWS)], b=repeated(2)).split_key == ("row_number",)


@pytest.mark.parametrize("name", ["Sex", "racepctblack", "native-country", "Age", "marital.status", "applicantGender", "black"])
def test_names_of_attributes_that_may_be_protected_are_known(name):
    assert may_be_protected(decide(column(name, repeated(3)), "name"))


@pytest.mark.parametrize("name", ["page", "sextant", "wage", "trace", "percentage"])
def test_names_that_only_hold_such_a_word_are_not(name):
    assert not may_be_protected(decide(column(name, repeated(3)), "name"))


@pytest.mark.parametrize("rows", [100, 1_999, 5_000, 100_000])
def test_shares_are_those_of_a_whole(rows):
    assert sum(choose_shares(rows).values()) == pytest.approx(1)
