import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, false_positive_rate, true_positive_rate

from components._shared.gates import Verdict
from components._shared.policy import FairnessGate
from components.evaluate_model.fairness import find_groups, judge_fairness
from components.evaluate_model.results import Confusion, SliceResult, read_results
from components.evaluate_model.tfma_config import parse_eval_config, prepare_eval_config
from components.evaluate_model.tfma_run import run_tfma


def group(name, tp, fp, tn, fn):
    counts = Confusion(tp, fp, tn, fn)
    rows = counts.positives + counts.negatives
    return SliceResult((("origin", name),), f"origin={name}", rows, {}, {"candidate": counts}, False)


def judge(*groups, **policy):
    gate = FairnessGate(protected=("origin",), min_group_size=10, **policy)
    return judge_fairness(groups, gate, {}, {})


def test_equal_groups_pass():
    assert judge(group("A", 10, 5, 15, 10), group("B", 20, 10, 30, 20)).verdict is Verdict.PASSED


@pytest.mark.parametrize(("other", "kind"), [((18, 5, 15, 2), "true"), ((10, 15, 5, 10), "false")])
def test_each_rate_alone_can_say_no(other, kind):
    result = judge(group("A", 10, 5, 15, 10), group("B", *other))
    assert result.verdict is Verdict.FAILED
    assert f"difference of {kind} positive rate" in result.reason


def test_small_group_is_shown_and_not_judged():
    result = judge(group("A", 10, 5, 15, 10), group("B", 10, 5, 15, 10), group("C", 3, 0, 0, 0))
    notes = {item.slice: item.note for item in result.measurements}
    assert result.verdict is Verdict.PASSED
    assert "fewer than 10 rows" in notes["origin=C"]


def test_group_without_positives_has_no_true_positive_rate():
    result = judge(group("A", 10, 5, 15, 10), group("B", 10, 5, 15, 10), group("C", 0, 5, 15, 0))
    (item,) = (item for item in result.measurements if item.slice == "origin=C" and item.name == "true positive rate")
    assert (item.value, item.passed, item.note) == (None, None, "not defined: no positive row")
    assert result.verdict is Verdict.PASSED


def test_one_large_group_cannot_be_compared():
    result = judge(group("A", 10, 5, 15, 10), group("C", 3, 0, 0, 0))
    assert result.verdict is Verdict.FAILED
    assert "nothing to compare" in result.reason


def test_no_protected_feature_is_not_applicable():
    assert judge_fairness([], FairnessGate(), {}, {}).verdict is Verdict.NOT_APPLICABLE


def test_rates_and_differences_are_fairlearns(rows, tmp_path):
    document = {"model_specs": [{"label_key": "late"}], "metrics_specs": [{"metrics": [{"class_name": "ExampleCount"}]}]}
    parsed = parse_eval_config(document, "late")
    config = prepare_eval_config(parsed, with_baseline=False, decision_threshold=0.45, protected=["origin"])
    predictions = rows["signal"].to_numpy()
    run_tfma(rows.append_column("__candidate__", rows["signal"]), config, tmp_path)
    groups = find_groups("origin", read_results(tmp_path), 10)
    policy = FairnessGate(protected=("origin",), decision_threshold=0.45, min_group_size=10)
    measured = {
        item.name: item.value for item in judge_fairness(read_results(tmp_path), policy, {}, {}).measurements if not item.slice
    }
    for metric, name in ((true_positive_rate, "true_positive_rate"), (false_positive_rate, "false_positive_rate")):
        frame = MetricFrame(
            metrics=metric,
            y_true=rows["late"].to_numpy(),
            y_pred=(predictions > 0.45).astype(np.int64),
            sensitive_features=rows["origin"].to_pylist(),
        )
        ours = {item.name.removeprefix("origin="): getattr(item, name) for item in groups}
        assert ours == pytest.approx(frame.by_group.to_dict(), abs=1e-9)
        difference = measured[f"difference of {name.replace('_', ' ')} over origin"]
        assert difference == pytest.approx(frame.difference(), abs=1e-9)
