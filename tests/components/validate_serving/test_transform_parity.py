import numpy as np
import pyarrow as pa
import pytest

from components._data.examples import read_split
from components._shared.policy import ParityGate
from components.validate_serving.transform_parity import compare_features, judge_transform

BOUNDS = ParityGate()


@pytest.fixture
def trained(project):
    return read_split(project["transformed_examples"], "eval").drop(["late"])


def replaced(table, name, values):
    return table.set_column(table.column_names.index(name), name, values)


def compare(kit, trained, served):
    return compare_features(BOUNDS, trained, served, kit.rows_table().drop(["late"]))


def test_the_same_features_pass(kit, trained):
    found = compare(kit, trained, trained)

    assert (found.passed, found.differing) == (True, [])
    assert found.measurements[0].note == "of 4, over raw rows of the eval split"


def test_training_saw_the_label_and_it_is_no_feature(kit, project, trained):
    folder, raw = project["transformed_examples"], kit.rows_table()

    def judge(rows, count=40):
        first = trained.slice(0, count)
        return judge_transform(ParityGate(rows=count), kit.LATE, first, folder, raw.slice(0, count), rows)

    assert judge(40).passed
    assert judge(40, count=7).passed
    assert not judge(41).passed
    assert judge(41).reason == "Training saw 40 rows of the eval split; the examples have 41."


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("logit", lambda values: values + np.float32(0.01) * (np.arange(40) == 7)),
        ("hour_id", lambda values: values + (np.arange(40) == 7)),
        ("origin", lambda values: np.where(np.arange(40) == 7, b"LGA", values)),
    ],
)
def test_one_value_fails_and_names_feature_and_row(kit, trained, name, change):
    changed = change(trained[name].to_numpy())
    served = replaced(trained, name, pa.array(changed.tolist(), trained[name].type))

    found = compare(kit, trained, served)

    assert not found.passed
    assert found.reason.endswith(f"in 1 of 4 features: {name}.")
    assert [item.value for item in found.measurements] == [1, 1]
    (row,) = found.differing
    assert (row["feature"], row["row"], row["values"]["hour"]) == (name, 7, "7")
    assert row["training"] != row["serving"]


def test_one_entry_of_a_vector_fails(kit, trained):
    flat = trained["pair"].combine_chunks().flatten().to_numpy().copy()
    flat[2 * 7 + 1] += 1
    served = replaced(trained, "pair", pa.FixedSizeListArray.from_arrays(pa.array(flat), 2))

    found = compare(kit, trained, served)

    assert not found.passed
    assert (found.differing[0]["training"], found.differing[0]["serving"]) == ("[7, 7]", "[7, 8]")


def test_rounding_is_no_difference(kit, trained):
    logits = trained["logit"].to_numpy() * np.float32(1 + 1e-6)

    assert compare(kit, trained, replaced(trained, "logit", pa.array(logits))).passed


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_differs(kit, trained, value):
    logits = np.where(np.arange(40) == 3, np.float32(value), trained["logit"].to_numpy())

    assert not compare(kit, trained, replaced(trained, "logit", pa.array(logits, pa.float32()))).passed


def test_features_on_one_side_only_and_other_types_fail(kit, trained):
    hours = pa.array(trained["hour_id"].to_pylist(), pa.float32())
    found = compare(kit, trained.drop(["logit"]), replaced(trained, "hour_id", hours).drop(["pair"]))

    notes = {item.name: item.note for item in found.measurements[1:]}
    assert notes == {
        "transform of hour_id: rows that differ": "int64 in training, float in serving",
        "transform of logit: rows that differ": "training did not see it",
        "transform of pair: rows that differ": "serving does not give it",
    }
    assert not found.passed


@pytest.mark.parametrize("served", [39, 0])
def test_rows_that_are_not_there_fail(kit, trained, served):
    found = compare(kit, trained, trained.slice(0, served))

    assert not found.passed
    assert found.measurements[0].passed is False


def test_no_feature_at_all_fails(kit, trained):
    nothing = trained.select([])

    assert not compare(kit, nothing, nothing).passed
