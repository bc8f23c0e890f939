import dataclasses

import numpy as np
import pytest

from components._shared.errors import UserError
from components._shared.gates import Verdict
from components._shared.label import REGRESSION_METRICS as METRICS_BY_KIND
from components._shared.label import LabelKind
from components._shared.policy import RegressionGate
from components.evaluate_model.interval_bars import draw_intervals
from components.evaluate_model.paired import Interval
from components.evaluate_model.regression import MIN_CLUSTERS, MODES, Comparison, compare_models, judge_comparison

METRICS = METRICS_BY_KIND[LabelKind.BINARY]


def make_scores(rows, *noises, seed=3):
    """Labels, and one model's probabilities per noise, on top of what all of them know."""
    random = np.random.default_rng(seed)
    labels = (np.arange(rows) % 5 < 2).astype(np.int64)
    truth = 0.7 * random.standard_normal(rows) + labels
    models = [1 / (1 + np.exp(0.5 - truth - noise * random.standard_normal(rows))) for noise in noises]
    return labels, *(model.astype(np.float32) for model in models)


def judge(labels, candidate, live, **settings):
    return judge_comparison(compare_models(labels, {"candidate": candidate, "baseline": live}, RegressionGate(**settings)))


def values(result):
    return {item.name: item.value for item in result.measurements}


@pytest.mark.parametrize("metric", METRICS)
def test_a_clearly_worse_candidate_fails_with_both_numbers_and_the_interval(metric):
    result = judge(*make_scores(2000, 2.5, 0.1), metric=metric)
    found = values(result)
    assert result.verdict is Verdict.FAILED
    assert result.reason.startswith("The candidate is worse by more than allowed.")
    ends = found[f"lower end of the gain in {metric}"], found[f"upper end of the gain in {metric}"]
    texts = (f"{found[f'{metric} of the candidate']:.4g}", f"{found[f'{metric} of the live version']:.4g}")
    assert all(text in result.reason for text in (*texts, *(f"{end:+.4f}" for end in ends)))
    assert ends[0] < found[f"gain in {metric}"] < ends[1] < -0.01


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("mode", MODES)
def test_a_clearly_better_candidate_passes(metric, mode):
    result = judge(*make_scores(2000, 0.1, 2.5), metric=metric, mode=mode)
    assert result.verdict is Verdict.PASSED
    assert result.measurements[0].passed is True


@pytest.mark.parametrize("metric", METRICS)
def test_equal_models_pass_with_no_gain(metric):
    labels, scores = make_scores(200, 1.0)
    result = judge(labels, scores, scores, metric=metric, margin=0.0)
    assert result.verdict is Verdict.PASSED
    assert values(result)[f"gain in {metric}"] == 0
    assert values(result)[f"lower end of the gain in {metric}"] == 0


@pytest.mark.parametrize("metric", METRICS)
def test_equal_models_are_not_better(metric):
    labels, scores = make_scores(2000, 1.0)
    result = judge(labels, scores, scores, metric=metric, mode="better")
    assert result.verdict is Verdict.FAILED
    assert "not better beyond chance" in result.reason
    assert result.measurements[0].passed is False


def test_noise_is_not_better():
    result = judge(*make_scores(500, 1.0, 1.0), mode="better")
    assert result.verdict is Verdict.FAILED
    assert "On 500 rows the candidate is not better beyond chance" in result.reason


def test_worse_is_not_better():
    assert "is worse than the live version" in judge(*make_scores(2000, 2.5, 0.1), mode="better").reason


def test_twenty_rows_are_too_few_to_tell():
    result = judge(*make_scores(20, 0.5, 0.5))
    assert result.verdict is Verdict.FAILED
    assert result.reason.startswith("The test split of 20 rows is too small to tell.")
    assert values(result)["upper end of the gain in auc"] > -0.01


def test_twenty_rows_that_both_models_rank_perfectly_prove_nothing():
    """The bootstrap of no variation is an interval of no width, which looks like certainty."""
    labels = np.arange(20) % 2
    candidate, live = labels + np.random.default_rng(0).random((2, 20)) / 2
    result = judge(labels, candidate, live)
    assert values(result)["lower end of the gain in auc"] == 0
    assert result.verdict is Verdict.FAILED
    assert "too small to tell" in result.reason


def test_many_rows_that_both_models_rank_perfectly_are_enough():
    labels = np.arange(2000) % 2
    candidate, live = labels + np.random.default_rng(0).random((2, 2000)) / 2
    assert judge(labels, candidate, live).verdict is Verdict.PASSED


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("label", [0, 1])
def test_one_class_fails(metric, label):
    result = judge(np.full(50, label), np.linspace(0, 1, 50), np.linspace(0, 1, 50), metric=metric)
    assert result.verdict is Verdict.FAILED
    assert "have the same label" in result.reason
    assert result.measurements[0].passed is False


def test_resamples_without_a_positive_row_fail():
    scores = np.linspace(0, 1, 40)
    result = judge((np.arange(40) < 2).astype(np.int64), scores, scores)
    assert result.verdict is Verdict.FAILED
    assert "hold one class only" in result.reason


def test_a_seed_gives_the_same_interval_twice():
    columns = make_scores(300, 1.0, 1.2)
    first, again, other = (values(judge(*columns, seed=seed))["lower end of the gain in auc"] for seed in (1, 1, 2))
    assert first == again != other


def test_the_margin_decides():
    columns = make_scores(2000, 1.0, 0.8)
    lower = values(judge(*columns))["lower end of the gain in auc"]
    assert lower < 0
    assert judge(*columns, margin=-lower + 1e-6).verdict is Verdict.PASSED
    assert judge(*columns, margin=-lower - 1e-6).verdict is Verdict.FAILED


def test_more_confidence_is_a_wider_interval():
    narrow, wide = (compare(confidence).interval for confidence in (0.8, 0.99))
    assert wide.lower < narrow.lower < narrow.upper < wide.upper


def compare(confidence=0.95):
    labels, candidate, live = make_scores(500, 1.0, 1.0)
    return compare_models(labels, {"candidate": candidate, "baseline": live}, RegressionGate(confidence=confidence))


def test_delong_stands_beside_and_is_not_judged():
    result = judge(*make_scores(2000, 0.1, 2.5))
    beside = [item for item in result.measurements if item.name.startswith("DeLong")]
    assert [item.passed for item in beside] == [None, None]
    assert beside[0].value < values(result)["gain in auc"] < beside[1].value


def test_intervals_that_disagree_are_noted():
    comparison = dataclasses.replace(compare(), analytic=Interval(0.5, 0.6))
    notes = [item.note for item in judge_comparison(comparison).measurements if item.name.startswith("DeLong")]
    assert all("do not overlap" in note for note in notes)


@pytest.mark.parametrize(
    "settings",
    [
        {"metric": "accuracy"},
        {"mode": "any"},
        {"resample": "day"},
        {"confidence": 1.0},
        {"confidence": 0.0},
        {"resamples": 0},
        {"margin": -1.0},
    ],
)
def test_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(UserError, match=r"gates\.regression"):
        judge(*make_scores(20, 1.0, 1.0), **settings)


def test_without_a_live_version_nothing_is_compared():
    assert compare_models(np.array([0, 1]), {"candidate": np.array([0.1, 0.2])}, RegressionGate()) is None
    assert draw_intervals(None) == []
    assert draw_intervals(Comparison(policy=RegressionGate(), metric="auc", rows=1, problem="All rows …")) == []


def test_missing_numbers_never_pass():
    assert not Comparison(policy=RegressionGate(), metric="auc", rows=1).passed


def test_bars_lie_within_the_scale_and_in_order():
    for bar in draw_intervals(compare()):
        assert 0 <= min(bar.bound, bar.left) <= bar.left + bar.width <= 100
        assert bar.bound < bar.zero
        assert bar.left < bar.left + bar.width


def judge_clusters(codes, **settings):
    """A candidate that is worse on a few days and better on the others, by the same amount."""
    random = np.random.default_rng(5)
    labels = random.integers(0, 2, len(codes))
    live = np.where(labels == 1, 0.7, 0.3) + 0.1 * random.standard_normal(len(codes))
    shift = np.where(codes % 2 == 0, 0.08, -0.08) * np.where(labels == 1, 1, -1)
    models = {"candidate": np.clip(live + shift, 0.01, 0.99), "baseline": np.clip(live, 0.01, 0.99)}
    policy = RegressionGate(metric="brier", margin=0.01, **settings)
    return compare_models(labels, models, policy, clusters=codes)


def test_rows_of_a_day_count_as_one_where_the_days_differ():
    codes = np.arange(3000) % 15
    by_day, by_row = judge_clusters(codes), judge_clusters(codes, resample="row")
    assert by_day.interval.upper - by_day.interval.lower > 4 * (by_row.interval.upper - by_row.interval.lower)
    assert by_row.passed
    assert not by_day.passed
    assert "15 clusters" in judge_comparison(by_day).measurements[0].note


def test_too_few_clusters_are_too_few_to_tell():
    codes = np.arange(3000) % (MIN_CLUSTERS - 1)
    comparison = judge_clusters(codes)
    assert not comparison.passed
    assert "holds 9 values of splits.key; at least 10" in comparison.problem
    assert judge_clusters(codes, resample="row").passed


def make_models(kind, quality):
    """Labels of 600 rows, and predictions that are the better the larger the quality."""
    random = np.random.default_rng(2)
    if kind is LabelKind.NUMERIC:
        labels = 50 + 10 * random.standard_normal(600)
        return labels, (labels + random.standard_normal(600) / quality).astype(np.float32)
    labels = random.integers(0, 3, 600)
    scores = np.exp(quality * np.eye(3)[labels] + random.standard_normal((600, 3)))
    return labels, (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    ("kind", "metric"), [(kind, metric) for kind in ("multiclass", "numeric") for metric in METRICS_BY_KIND[LabelKind(kind)]]
)
def test_other_labels_have_their_own_metrics(kind, metric):
    (labels, good), (_, bad) = (make_models(LabelKind(kind), quality) for quality in (2.0, 0.5))
    policy = RegressionGate(metric=metric)
    better, worse = (
        compare_models(labels, {"candidate": one, "baseline": other}, policy, kind=LabelKind(kind))
        for one, other in ((good, bad), (bad, good))
    )
    assert better.passed
    assert not worse.passed
    assert better.gain == pytest.approx(-worse.gain)
    assert better.gain > 0


@pytest.mark.parametrize(
    ("kind", "metric"), [("binary", "auc"), ("multiclass", "accuracy"), ("numeric", "mean_absolute_error")]
)
def test_auto_takes_the_metric_of_the_kind(kind, metric):
    labels, scores = make_scores(50, 1.0) if kind == "binary" else make_models(LabelKind(kind), 1.0)
    comparison = compare_models(labels, {"candidate": scores, "baseline": scores}, RegressionGate(), kind=LabelKind(kind))
    assert comparison.metric == metric


def test_a_metric_of_another_kind_is_refused():
    with pytest.raises(UserError, match="suits a numeric label"):
        compare_models(np.arange(3.0), {}, RegressionGate(metric="auc"), kind=LabelKind.NUMERIC)
