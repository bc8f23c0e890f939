import copy

import pytest
from tensorflow_model_analysis.metrics import metric_specs

from components._shared.errors import UserError
from components.evaluate_model.tfma_config import has_change_threshold, parse_eval_config, prepare_eval_config

CONFIG = {
    "model_specs": [{"label_key": "late"}],
    "metrics_specs": [{"metrics": [{"class_name": "AUC", "threshold": {"value_threshold": {"lower_bound": {"value": 0.7}}}}]}],
}
PREPARED = {"decision_threshold": 0.3}


def spoiled(*path_and_value):
    document = copy.deepcopy(CONFIG)
    *path, last, value = path_and_value
    place = document
    for key in path:
        place = place[key]
    place[last] = value
    return document


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (spoiled("metric_specs", []), "metric_specs"),
        (spoiled("metrics_specs", 0, "metrics", 0, "clas_name", "AUC"), "clas_name"),
        (spoiled("metrics_specs", 0, "metrics", 0, "class_name", "AUCC"), "AUCC"),
        (spoiled("model_specs", 0, "label_key", "early"), "early"),
        (spoiled("model_specs", []), "names one model"),
        (spoiled("slicing_specs", [{"feature_keys": ["a"], "feature_values": {"a": "x"}}]), "should not overlap"),
        (spoiled("metrics_specs", 0, "metrics", 0, "threshold", {}), "value_threshold or a change_threshold"),
        (spoiled("metrics_specs", 0, "metrics", 0, "threshold", {"value_threshold": {}}), "lower_bound or an upper_bound"),
        (spoiled("metrics_specs", 0, "metrics", 0, "threshold", {"change_threshold": {"absolute": 0.1}}), "has a direction"),
        (
            spoiled("metrics_specs", 0, "metrics", 0, "threshold", {"change_threshold": {"direction": "LOWER_IS_BETTER"}}),
            "absolute or relative",
        ),
        (
            spoiled("metrics_specs", 0, "thresholds", {"auc": {"value_threshold": {"lower_bound": 0.9}}}),
            "stands under its metric",
        ),
        (spoiled("metrics_specs", 0, "per_slice_thresholds", {"auc": {}}), "stands under its metric"),
    ],
)
def test_what_tfma_would_misread_is_refused(document, message):
    with pytest.raises(UserError, match=message):
        parse_eval_config(document, "late")


@pytest.mark.parametrize("bound", [0.7, {"value": 0.7}])
def test_wrapped_and_bare_numbers_mean_the_same(bound):
    document = spoiled("metrics_specs", 0, "metrics", 0, "threshold", {"value_threshold": {"lower_bound": bound}})
    config = parse_eval_config(document, "late")
    assert config.metrics_specs[0].metrics[0].threshold.value_threshold.lower_bound.value == 0.7


def test_plain_threshold_binds_all_rows_only():
    config = prepare_eval_config(parse_eval_config(CONFIG, "late"), with_baseline=False, **PREPARED)
    (items,) = metric_specs.metric_thresholds_from_metrics_specs(config.metrics_specs, eval_config=config).values()
    assert [list(spec.feature_keys) for spec, _ in items] == [[]]


def test_the_slice_of_all_rows_is_added_once():
    document = spoiled("slicing_specs", [{"feature_keys": ["origin"]}])
    config = prepare_eval_config(parse_eval_config(document, "late"), with_baseline=False, **PREPARED)
    assert [list(spec.feature_keys) for spec in config.slicing_specs] == [["origin"], []]


def test_change_thresholds_need_a_baseline():
    change = {"change_threshold": {"direction": "HIGHER_IS_BETTER", "absolute": 0.0}}
    parsed = parse_eval_config(spoiled("metrics_specs", 0, "metrics", 0, "threshold", change), "late")
    configs = [prepare_eval_config(parsed, with_baseline=live, **PREPARED) for live in (False, True)]
    assert [has_change_threshold(config) for config in configs] == [False, True]
    assert [[model.name for model in config.model_specs] for config in configs] == [[""], ["candidate", "baseline"]]
