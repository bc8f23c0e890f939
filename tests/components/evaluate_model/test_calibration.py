import dataclasses
import json

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from components._shared.gates import Verdict
from components._shared.label import LabelKind, LabelSpec
from components._shared.policy import CalibrationGate
from components.evaluate_model.calibration import bin_rows, measure_base_rate, measure_error, measure_mean
from components.evaluate_model.calibration_gate import bin_reliability, judge_calibration

BINARY = LabelSpec(name="late")
SPECIES = LabelSpec(name="species", kind=LabelKind.MULTICLASS, classes=("a", "b", "c"))
PRICE = LabelSpec(name="price", kind=LabelKind.NUMERIC)


def make_binary(rows, seed=1, shift=0.0):
    """Returns labels drawn from the predictions, which are then shifted."""
    random = np.random.default_rng(seed)
    truth = random.beta(2, 3, rows)
    return (random.random(rows) < truth).astype(np.int64), np.clip(truth + shift, 0, 1).astype(np.float32)


def make_multiclass(rows, seed=1):
    random = np.random.default_rng(seed)
    predictions = random.dirichlet([1, 2, 3], rows).astype(np.float32)
    labels = (random.random(rows)[:, None] > predictions.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    return labels, predictions


def judge(labels, predictions, label=BINARY, **policy):
    return judge_calibration(labels, predictions, label, CalibrationGate(resamples=200, **policy))


def test_bins_are_scikit_learns():
    labels, predictions = make_binary(2000)
    predictions[:4] = [0.0, 0.2, 0.6, 1.0]  # on the edges
    found = bin_rows(labels, predictions, 15)
    rate, prediction = calibration_curve(labels, predictions.astype(np.float64), n_bins=15, strategy="uniform")
    assert found.rate == pytest.approx(rate, abs=1e-12)
    assert found.prediction == pytest.approx(prediction, abs=1e-12)
    assert found.rows.sum() == 2000


def test_error_is_the_formula():
    """Two bins of two rows: |0.5 - 0.2| and |1.0 - 0.7|, and one of one row: |0 - 0.9|."""
    found = bin_rows(np.array([1, 0, 1, 1, 0]), np.array([0.2, 0.2, 0.7, 0.7, 0.9]), 5)
    assert found.error == pytest.approx((2 * 0.3 + 2 * 0.3 + 0.9) / 5)


def test_chance_explains_the_error_of_calibrated_models_as_often_as_it_says():
    found = [measure_error(*make_binary(200, seed), CalibrationGate(resamples=200, seed=seed)) for seed in range(1000, 1300)]
    assert np.mean([item.value <= item.explained for item in found]) == pytest.approx(0.95, abs=0.04)
    assert np.mean([item.value for item in found]) == pytest.approx(np.mean([item.expected for item in found]), abs=0.005)


def test_the_same_rows_in_another_order_give_the_same_numbers():
    labels, predictions = make_binary(300)
    policy = CalibrationGate(resamples=100)
    ours, other = measure_error(labels, predictions, policy), measure_error(labels[::-1], predictions[::-1], policy)
    assert (ours.value, ours.explained) == pytest.approx((other.value, other.explained), abs=1e-12)


def test_chance_explains_the_base_rate_of_calibrated_models_as_often_as_it_says():
    random = np.random.default_rng(5)
    predictions = random.beta(1, 30, 300)
    hits = random.random((2000, 300)) < predictions
    found = [measure_base_rate(row, predictions, 0.95) for row in hits]
    assert 0.93 <= np.mean([item.lower <= item.value <= item.upper for item in found]) <= 0.98


def test_a_calibrated_model_passes():
    result = judge(*make_binary(5000), max_calibration_error=0.03)
    assert result.verdict is Verdict.PASSED
    assert len([item for item in result.measurements if item.passed]) == 2


def test_a_calibrated_model_passes_on_few_rows_though_its_error_is_above_the_bound():
    result = judge(*make_binary(150), max_calibration_error=0.001)
    error = result.measurements[0]
    assert result.verdict is Verdict.PASSED
    assert 0.001 < error.value <= error.upper_bound


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"max_base_rate_ratio": 9.0}, "expected calibration error is 0.1"),
        ({"max_calibration_error": 1.0}, "label rate over"),
    ],
)
def test_each_bound_alone_can_say_no(policy, words):
    result = judge(*make_binary(3000, shift=0.2), **policy)
    assert result.verdict is Verdict.FAILED
    assert words in result.reason


def test_a_base_rate_beyond_what_chance_explains_of_few_rows_fails_and_can_be_reported():
    result = judge(
        np.arange(60) % 2, np.full(60, 0.25, np.float32), max_calibration_error=1.0, max_base_rate_ratio=1.0, min_rows=50
    )
    assert result.verdict is Verdict.FAILED
    assert [type(item.passed) for item in result.measurements] == [bool, bool]
    assert json.dumps(dataclasses.asdict(result.measurements[1]))


def test_few_rows_fail():
    assert "too few to judge" in judge(*make_binary(99)).reason


def test_predictions_that_are_all_0_have_no_base_rate_and_fail():
    result = judge(np.arange(200) % 2, np.zeros(200, dtype=np.float32), max_calibration_error=1.0)
    assert result.verdict is Verdict.FAILED
    assert "every prediction is 0" in result.reason


def test_multiclass_is_judged_by_its_most_probable_class_and_by_each_base_rate():
    labels, predictions = make_multiclass(4000)
    result = judge(labels, predictions, SPECIES)
    assert result.verdict is Verdict.PASSED
    assert [item.slice for item in result.measurements] == ["", "species=a", "species=b", "species=c"]
    diagram = bin_reliability(labels, predictions, SPECIES, 15)
    confidence = predictions.max(axis=1)
    rate, mean = calibration_curve(predictions.argmax(axis=1) == labels, confidence.astype(np.float64), n_bins=15)
    assert (diagram.rate, diagram.prediction) == (pytest.approx(rate), pytest.approx(mean))


def test_multiclass_with_a_class_that_is_promised_too_often_fails():
    labels, predictions = make_multiclass(4000)
    result = judge(np.where(labels == 0, 2, labels), predictions, SPECIES, max_calibration_error=1.0)
    assert "label rate over mean prediction of species=a is 0;" in result.reason


@pytest.mark.parametrize(("shift", "verdict"), [(0.0, Verdict.PASSED), (5.0, Verdict.FAILED), (-5.0, Verdict.FAILED)])
def test_numeric_is_judged_by_its_mean(shift, verdict):
    random = np.random.default_rng(2)
    labels = random.normal(100, 20, 1000)
    predictions = (labels + random.normal(shift, 5, 1000)).astype(np.float32)
    result = judge(labels, predictions, PRICE)
    assert result.verdict is verdict
    assert result.measurements[0].value == pytest.approx(shift / 20, abs=0.03)
    assert bin_reliability(labels, predictions, PRICE, 15) is None


def test_numeric_labels_that_are_all_equal_fail():
    result = judge(np.full(200, 3.0), np.full(200, 3, dtype=np.float32), PRICE)
    assert "all labels are equal" in result.reason
    assert np.isnan(measure_mean(np.full(2, 3.0), np.full(2, 3.0), 0.95).value)
