import numpy as np
import pyarrow as pa
import pytest

from components._data.ranks import area
from components._shared.label import LabelKind
from components.draft_project.baseline import Feature, area_error, best_threshold, fit_quick_models

FEATURES = [Feature(name="x", is_number=True), Feature(name="group", is_number=False)]


def make_table(rows, seed, kind):
    """Returns rows whose label depends on `x`, with gaps, and on `group`."""
    random = np.random.default_rng(seed)
    x, group = random.normal(size=rows), random.integers(0, 3, rows)
    score = 2 * x + group
    labels = {"numeric": score + random.normal(size=rows) * 0.1, "multiclass": np.digitize(score, [-0.5, 2])}
    labels["binary"] = (score > 1.5) * 1
    gaps = [None if number % 11 == 0 else value for number, value in enumerate(x)]
    return pa.table({"x": gaps, "group": [f"g{value}" for value in group], "y": labels[kind]})


def fit(kind):
    return fit_quick_models(make_table(600, 1, kind), make_table(300, 2, kind), FEATURES, "y", LabelKind(kind))


@pytest.mark.parametrize(("kind", "guess", "linear"), [("binary", 0.5, 0.93), ("multiclass", 0.5, 0.75)])
def test_a_linear_model_finds_what_there_is(kind, guess, linear):
    quick = fit(kind)
    assert quick.guess <= guess
    assert quick.linear > linear
    assert 0 < quick.error < 0.05


def test_numbers_are_measured_by_their_error():
    quick = fit("numeric")
    assert quick.linear < quick.guess / 3
    assert quick.deviation == pytest.approx(np.std(make_table(600, 1, "numeric")["y"].to_numpy()))


def test_a_constant_column_and_an_unseen_category_do_no_harm():
    train = pa.table({"x": [1.0] * 50, "group": ["a"] * 50, "y": [0, 1] * 25})
    evaluation = pa.table({"x": [2.0, None], "group": ["new", None], "y": [0, 1]})
    quick = fit_quick_models(train, evaluation, FEATURES, "y", LabelKind.BINARY)
    assert np.isfinite(quick.predicted).all()


def test_the_area_counts_pairs_and_ties_by_half():
    actual = np.array([0, 0, 1, 1.0])
    assert area(np.array([0.1, 0.4, 0.4, 0.9]), actual) == (3 + 0.5) / 4
    assert area(np.ones(4), actual) == 0.5
    assert area(np.ones(4), np.ones(4)) == 0.5


def test_the_error_of_an_area_is_that_of_many_samples():
    random = np.random.default_rng(0)
    actual = np.repeat([0.0, 1.0], 60)
    areas = [area(random.normal(size=120) + actual, actual) for _ in range(400)]
    assert area_error(float(np.mean(areas)), actual) == pytest.approx(np.std(areas), rel=0.2)


def test_the_best_threshold_lies_between_the_classes():
    predicted = np.array([0.01, 0.05, 0.1, 0.25, 0.3])
    assert 0.1 <= best_threshold(predicted, np.array([0, 0, 0, 1, 1.0])) < 0.25


def test_a_rare_class_and_long_tails_do_not_make_the_fit_run_away():
    random = np.random.default_rng(29)
    rare = (random.random(1000) < 0.02) * 1
    tails = np.exp(random.normal(0, 2.5, (1000, 6)))
    tails[:, 0] = random.normal(0, 1, 1000) + 8 * rare
    tails[rare == 1, 1] *= 32
    table = pa.table({f"x{number}": tails[:, number] for number in range(6)} | {"y": rare})
    features = [Feature(name=f"x{number}", is_number=True) for number in range(6)]
    quick = fit_quick_models(table.slice(0, 700), table.slice(700), features, "y", LabelKind.MULTICLASS)
    assert quick.linear > quick.guess
