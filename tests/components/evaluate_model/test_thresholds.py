import math

import pytest

from components._shared.gates import Verdict
from components._shared.label import LabelSpec
from components._shared.policy import Policy
from components.evaluate_model.inputs import Scores
from components.evaluate_model.results import MetricKey, SliceResult
from components.evaluate_model.tfma_config import parse_eval_config, prepare_eval_config
from components.evaluate_model.thresholds import judge_thresholds, primary_metric
from components.evaluate_model.verdicts import Measured, judge_performance

JFK = (("origin", "JFK"),)

LATE = LabelSpec(name="late")


def config(class_name="AUC", threshold=None, slices=(), cross=()):
    metric = {"class_name": class_name, **({"threshold": threshold} if threshold else {})}
    metric["per_slice_thresholds"] = [{"slicing_specs": [spec], "threshold": bound} for spec, bound in slices]
    metric["cross_slice_thresholds"] = [{"cross_slicing_specs": [spec], "threshold": bound} for spec, bound in cross]
    document = {"model_specs": [{"label_key": "late"}], "metrics_specs": [{"metrics": [metric]}]}
    parsed = parse_eval_config(document, "late")
    return prepare_eval_config(parsed, with_baseline=True, decision_threshold=0.5)


def result(value, key=(), rows=1000, live=0.8, name="auc", one_class=False):
    keys = [MetricKey(name, model, example_weighted=False) for model in ("candidate", "baseline")]
    values = {keys[0]: value, keys[1]: live, keys[0].make_diff_key(): value - live}
    return SliceResult(key, str(key), rows, values, {}, one_class)


def judge(results, settings, *, changes=False):
    return [item.passed for item in judge_thresholds(results, settings, min_slice_size=100, changes=changes)]


def at_least(bound):
    return {"value_threshold": {"lower_bound": bound}}


def change(direction, **bounds):
    return {"change_threshold": {"direction": direction, **bounds}}


@pytest.mark.parametrize(
    ("threshold", "passed"),
    [
        (change("HIGHER_IS_BETTER", absolute=-0.2), True),
        (change("HIGHER_IS_BETTER", absolute=0.0), False),
        (change("LOWER_IS_BETTER", absolute=0.0), True),
        (change("LOWER_IS_BETTER", absolute=-0.2), False),
        (change("HIGHER_IS_BETTER", relative=-0.2), True),
        (change("HIGHER_IS_BETTER", relative=-0.1), False),
    ],
)
def test_change_thresholds_mean_what_they_mean_in_tfma(threshold, passed):
    from tensorflow_model_analysis.evaluators import metrics_validator

    settings, overall = config(threshold=threshold), result(0.7, live=0.8)
    assert judge([overall], settings, changes=True) == [passed]
    assert metrics_validator.validate_metrics(((), overall.values), settings).validation_ok is passed


def test_relative_change_from_zero_is_not_defined():
    threshold = change("HIGHER_IS_BETTER", relative=-0.1)
    assert judge([result(0.7, live=0.0)], config(threshold=threshold), changes=True) == [False]


def test_plain_threshold_leaves_slices_alone():
    assert judge([result(0.9), result(0.1, JFK)], config(threshold=at_least(0.7))) == [True]


def test_slice_threshold_spares_small_slices_and_absent_ones_fail():
    settings = config(slices=[({"feature_keys": ["origin"]}, at_least(0.7))])
    assert judge([result(0.9), result(0.1, JFK)], settings) == [False]
    assert judge([result(0.9), result(0.1, JFK, rows=99)], settings) == [None]
    assert judge([result(0.9)], settings) == [False]


def test_all_rows_are_judged_whatever_their_number():
    assert judge([result(0.1, rows=5)], config(threshold=at_least(0.7))) == [False]


def test_undefined_number_fails_unless_the_slice_is_small():
    settings = config(slices=[({"feature_keys": ["origin"]}, at_least(0.0))])
    assert judge([result(math.nan, JFK)], settings) == [False]
    assert judge([result(0.0, JFK, one_class=True)], settings) == [False]
    assert judge([result(0.0, JFK, rows=99, one_class=True)], settings) == [None]


def test_metric_that_one_class_leaves_defined_is_judged():
    settings = config("BinaryAccuracy", threshold=at_least(0.5))
    assert judge([result(0.9, name="binary_accuracy", one_class=True)], settings) == [True]


def test_pair_of_slices_is_judged_by_its_cross_slice_threshold():
    spec = {"baseline_spec": {}, "slicing_specs": [{"feature_keys": ["origin"]}]}
    settings = config(cross=[(spec, {"value_threshold": {"upper_bound": 0.1}})])
    assert judge([result(0.9), result(0.2, ((), JFK))], settings) == [False]
    assert judge([result(0.9), result(0.05, ((), JFK))], settings) == [True]


def test_nothing_but_small_slices_is_a_no():
    settings = config(slices=[({"feature_keys": ["origin"]}, at_least(0.7))])
    measured = Measured(Scores({"candidate": []}, 0), [result(0.9), result(0.9, JFK, rows=50)], settings, Policy(), LATE)
    gate = judge_performance(measured)
    assert gate.verdict is Verdict.FAILED
    assert "Nothing was judged" in gate.reason


def test_primary_metric_knows_its_direction():
    assert primary_metric(config("BinaryCrossEntropy", threshold={"value_threshold": {"upper_bound": 0.5}})) == (
        "binary_crossentropy",
        False,
    )
    assert primary_metric(config()) is None
