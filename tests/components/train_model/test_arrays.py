import numpy as np
import pytest

from components.train_model.arrays import Arrays, evaluation_batches, plan_epoch, training_batches


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
