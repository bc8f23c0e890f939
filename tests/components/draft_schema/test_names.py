import keyword
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from components.draft_schema.names import rename_columns, words_of


def test_names_that_features_can_have_stay():
    assert rename_columns(["age", "Income2", "x_y"]) == {}


def test_other_names_become_alike_ones():
    names = ["bill length (mm)", "größe", "naïve-rate", "2nd", "class", "", "价格", " age"]
    assert list(rename_columns(names).values()) == [
        "bill_length_mm",
        "grosse",
        "naive_rate",
        "column_2nd",
        "column_class",
        "column_6",
        "column_7",
        "age",
    ]


def test_names_that_would_be_alike_get_numbers():
    assert rename_columns(["rate", "Rate", "rate%", "rate "]) == {"Rate": "Rate_2", "rate%": "rate_3", "rate ": "rate_4"}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=8), unique=True, max_size=12))
def test_all_columns_get_names_that_differ_and_that_features_can_have(originals):
    renamed = rename_columns(originals)
    names = [renamed.get(original, original) for original in originals]
    assert all(re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) and not keyword.iskeyword(name) for name in names)
    assert len({name.lower() for name in names}) == len(originals)


def test_words_are_the_same_in_all_spellings():
    assert words_of("CustomerID") == words_of("customer-id") == words_of("Customer_Id") == ["customer", "id"]
