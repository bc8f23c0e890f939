import numpy as np
import pyarrow as pa
import pytest

from components._data.examples import write_split
from components._shared.errors import UserError
from components._shared.label import LabelKind, LabelSpec
from components.train_model.arrays import Arrays, evaluation_batches, plan_epoch, read_arrays, training_batches

SPECIES = LabelSpec(name="species", kind=LabelKind.MULTICLASS, classes=("Adelie", "Chinstrap", "Gentoo"))
PRICE = LabelSpec(name="species", kind=LabelKind.NUMERIC)


@pytest.fixture
def arrays():
    return Arrays(features={"row": np.arange(100)}, label=np.arange(100, dtype=np.float32))


def rows_of_epochs(arrays, seed, epochs):
    plan = plan_epoch(arrays.rows, 10)
    batches = list(training_batches(arrays, plan, seed).take(plan.steps * epochs))
    return np.split(np.concatenate([features["row"] for features, _ in batches]), epochs)


def test_an_epoch_holds_every_row_once_in_a_new_order(arrays):
    first, second = rows_of_epochs(arrays, 1, 2)
    assert sorted(first) == sorted(second) == list(range(100))
    assert list(first) != list(second)


def test_the_seed_fixes_the_order(arrays):
    first, again, other = (rows_of_epochs(arrays, seed, 2)[1].tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_labels_stay_with_their_rows(arrays):
    features, label = next(iter(training_batches(arrays, plan_epoch(100, 10), 1)))
    np.testing.assert_array_equal(features["row"], label)


@pytest.mark.parametrize(
    ("rows", "batch", "steps", "per_execution"),
    [(100, 10, 10, 10), (5, 64, 1, 1), (259_112, 1024, 252, 42), (1000, 10, 100, 50), (510, 10, 50, 25)],
)
def test_every_execution_runs_the_same_number_of_steps(rows, batch, steps, per_execution):
    plan = plan_epoch(rows, batch)
    assert (plan.steps, plan.steps_per_execution) == (steps, per_execution)
    assert plan.steps * plan.batch_size <= rows


def test_evaluation_sees_every_row_in_order():
    rows = 20_000
    arrays = Arrays(features={"row": np.arange(rows)}, label=np.zeros(rows, np.float32))
    seen = np.concatenate([features["row"] for features, _ in evaluation_batches(arrays)])
    np.testing.assert_array_equal(seen, np.arange(rows))


@pytest.mark.parametrize(("label", "dtype"), [(SPECIES, np.int64), (PRICE, np.float32)])
def test_labels_have_the_type_of_their_kind(tmp_path, label, dtype):
    write_split(tmp_path, "train", pa.table({"species": [0, 2, 1, 2]}))
    values = read_arrays(str(tmp_path), "train", {}, label).label
    assert values.tolist() == [0, 2, 1, 2]
    assert values.dtype == dtype


@pytest.mark.parametrize(
    ("label", "values", "message"),
    [
        (SPECIES, [0, 1, 3], "number of a class, from 0 to 2.*from 0 to 3"),
        (SPECIES, [-1, 1, 2], "number of a class"),
        (SPECIES, [0.0, 0.5, 1.0], "number of a class"),
        (SPECIES, [2, 2, 2], "at least two values"),
        (PRICE, [7.5, 7.5], "at least two values"),
        (PRICE, [7.5, float("inf")], "finite label"),
    ],
)
def test_labels_that_the_kind_does_not_allow_are_refused(tmp_path, label, values, message):
    write_split(tmp_path, "train", pa.table({"species": values}))
    with pytest.raises(UserError, match=message):
        read_arrays(str(tmp_path), "train", {}, label)
