import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from components._shared.label import LabelKind
from components.evaluate_model.paired_auc import area_influences
from components.evaluate_model.slice_intervals import Scored, measure_slices
from components.evaluate_model.slice_rows import Spec


def make_rows(rows=4000, seed=0):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, rows)
    scores = 1 / (1 + np.exp(-labels - random.standard_normal(rows)))
    table = pa.table({"depot": np.where(np.arange(rows) % 40 == 0, "small", "large").tolist()})
    return table, labels, scores


def measure(metric, *, clusters=None, confidence=0.95):
    table, labels, scores = make_rows()
    scored = Scored(labels=labels, predictions=scores, kind=LabelKind.BINARY, clusters=clusters)
    return measure_slices(table, [Spec(()), Spec(("depot",))], metric, scored, confidence)


def test_the_area_is_that_of_sklearn_and_the_influences_sum_to_zero():
    _, labels, scores = make_rows(500)
    area, influences = area_influences(labels, scores.round(1))
    assert area == pytest.approx(roc_auc_score(labels, scores.round(1)), abs=1e-12)
    assert influences.sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("metric", ["auc", "binary_accuracy", "binary_crossentropy"])
def test_a_small_slice_has_a_wide_interval(metric):
    found = measure(metric)
    widths = {key: interval.upper - interval.lower for key, interval in found.items()}
    assert widths[(("depot", "small"),)] == pytest.approx(np.sqrt(39) * widths[(("depot", "large"),)], rel=0.35)
    assert widths[()] < widths[(("depot", "large"),)]


@pytest.mark.parametrize("metric", ["auc", "binary_accuracy"])
def test_the_standard_error_is_that_of_many_samples(metric):
    intervals = [
        measure_slices(
            table, [Spec(())], metric, Scored(labels=labels, predictions=scores, kind=LabelKind.BINARY), confidence=0.95
        )[()]
        for table, labels, scores in (make_rows(400, seed) for seed in range(300))
    ]
    middle = np.array([(item.lower + item.upper) / 2 for item in intervals])
    width = np.mean([item.upper - item.lower for item in intervals])
    assert width / (2 * 1.96) == pytest.approx(middle.std(), rel=0.12)


def test_rows_that_belong_together_widen_the_interval():
    _, labels, scores = make_rows(400)
    copies = Scored(labels=np.repeat(labels, 4), predictions=np.repeat(scores, 4), kind=LabelKind.BINARY)
    by_row = measure_slices(pa.table({"x": [0] * 1600}), [Spec(())], "auc", copies, 0.95)[()]
    clustered = Scored(
        labels=copies.labels, predictions=copies.predictions, kind=copies.kind, clusters=np.repeat(np.arange(400), 4)
    )
    by_cluster = measure_slices(pa.table({"x": [0] * 1600}), [Spec(())], "auc", clustered, 0.95)[()]
    assert by_cluster.upper - by_cluster.lower == pytest.approx(2 * (by_row.upper - by_row.lower), rel=0.01)


def test_a_slice_of_one_class_or_one_row_has_no_interval():
    table = pa.table({"depot": ["a", "a", "b", "c", "c", "c"]})
    labels, scores = np.array([1, 1, 0, 0, 1, 0]), np.array([0.1, 0.3, 0.4, 0.2, 0.6, 0.9])
    scored = Scored(labels=labels, predictions=scores, kind=LabelKind.BINARY)
    assert set(measure_slices(table, [Spec(("depot",))], "auc", scored, 0.95)) == {(("depot", "c"),)}
    assert (("depot", "b"),) not in measure_slices(table, [Spec(("depot",))], "binary_accuracy", scored, 0.95)


def test_a_metric_without_a_formula_has_no_intervals():
    assert measure("calibration") == {}


def test_other_labels_have_intervals_too():
    random = np.random.default_rng(0)
    table, labels = pa.table({"x": [0] * 500}), random.integers(0, 3, 500)
    predictions = random.dirichlet([1, 1, 1], 500)
    scored = Scored(labels=labels, predictions=predictions, kind=LabelKind.MULTICLASS)
    found = measure_slices(table, [Spec(())], "sparse_categorical_accuracy", scored, 0.95)[()]
    assert found.lower < (predictions.argmax(axis=1) == labels).mean() < found.upper
    numbers = Scored(labels=labels.astype(float), predictions=predictions[:, 0], kind=LabelKind.NUMERIC)
    found = measure_slices(table, [Spec(())], "mean_absolute_error", numbers, 0.95)[()]
    assert found.lower < np.abs(predictions[:, 0] - labels).mean() < found.upper
