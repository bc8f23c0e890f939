import numpy as np
import pyarrow as pa
import pytest

from components._shared.errors import UserError
from components._shared.source import Label
from components.draft_schema.columns import Column
from components.draft_schema.labels import draft_label, find_label


def column(values, original="y"):
    array = pa.chunked_array([pa.array(values)])
    kind = "BYTES" if pa.types.is_string(array.type) else "INT" if pa.types.is_integer(array.type) else "FLOAT"
    return Column(original=original, kind=kind, values=array)


@pytest.mark.parametrize(
    ("values", "settings", "target"),
    [
        ([0, 1, 1], {"name": "y"}, [0, 1, 1]),
        ([0, None, 1], {"name": "y", "column": "y", "above": 0.5}, [0, None, 1]),
        ([1, 2, 2], {"name": "y", "column": "y", "above": 1.5}, [0, 1, 1]),
        ([0.0, 1.0, 1.0], {"name": "y", "column": "y", "above": 0.5}, [0, 1, 1]),
        (["no", "yes", "yes"], {"name": "y", "column": "y", "positive": ["yes"]}, [0, 1, 1]),
        (["false", "true", None], {"name": "y", "column": "y", "positive": ["true"]}, [0, 1, None]),
        (["good", "good", "poor"], {"name": "y", "column": "y", "positive": ["poor"]}, [0, 0, 1]),
        (["b", "a", "c"], {"name": "y", "classes": ["a", "b", "c"]}, [1, 0, 2]),
        (["b", "a", "c", None], {"name": "y", "column": "y", "classes": ["a", "b", "c"]}, [1, 0, 2, None]),
        ([1, 2, 3, 2], {"name": "y", "classes": ["1", "2", "3"]}, [0, 1, 2, 1]),
        ([3, 8, 5], {"name": "y", "kind": "numeric"}, [3, 8, 5]),
        ([0.5, float("inf"), 2.5, 1.0], {"name": "y", "column": "y", "kind": "numeric"}, [0.5, None, 2.5, 1.0]),
    ],
)
def test_the_values_say_what_kind_of_label_it_is(values, settings, target):
    label = draft_label(column(values), "y", "")
    assert label.settings == settings
    np.testing.assert_array_equal(label.target, [np.nan if value is None else value for value in target])
    assert (
        Label(**{key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}).spec.kind
        == label.kind
    )


def test_the_user_may_ask_for_another_kind():
    assert draft_label(column([1, 2, 3]), "y", "numeric").settings == {"name": "y", "kind": "numeric"}
    assert draft_label(column([3, 5, 9]), "y", "multiclass").settings["classes"] == ["3", "5", "9"]


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ([1, 1, None], "", "numbers or texts that differ"),
        ([f"name {number}" for number in range(60)], "", "at most 50 classes"),
        (["a", "b"], "numeric", "a column of numbers"),
        ([1, 2, 3], "binary", "two different values"),
        ([0.5, 1.5, 2.5], "multiclass", "texts or whole numbers"),
    ],
)
def test_what_is_no_label_of_its_kind_is_refused(values, kind, message):
    with pytest.raises(UserError, match=message):
        draft_label(column(values), "y", kind)


def test_an_unknown_label_is_answered_with_all_columns_and_the_likely_ones():
    columns = [column([1, 2, 3], "age"), column(["a", "b", "a"], "left"), column([1, 5, 9], "Target value")]
    for wanted in ("nope", ""):
        with pytest.raises(UserError, match=r"'age', 'left', 'Target value'\. Likely labels: 'left', 'Target value'"):
            find_label(columns, wanted)


def test_blanks_around_a_name_do_not_matter():
    assert find_label([column([1, 2], " income")], "income").original == " income"
