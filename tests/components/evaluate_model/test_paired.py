import numpy as np
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from components._shared.label import LabelKind
from components.evaluate_model.paired import Interval, percentile_interval
from components.evaluate_model.paired_metrics import make_pair


def make_scores(rows, *, decimals=None, seed=3):
    """Labels, and two models' probabilities; the first has less noise."""
    random = np.random.default_rng(seed)
    labels = (random.random(rows) < 0.3).astype(np.int64)
    truth = random.standard_normal(rows) + labels
    first, second = (1 / (1 + np.exp(-truth - noise * random.standard_normal(rows))) for noise in (0.3, 0.6))
    if decimals is not None:
        first, second = first.round(decimals), second.round(decimals)
    return labels, first.astype(np.float32), second.astype(np.float32)


def psi(positives, negatives):
    return (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)


@pytest.mark.parametrize("decimals", [None, 2, 1, 0])
def test_auc_is_that_of_sklearn_with_and_without_ties(decimals):
    labels, first, second = make_scores(3000, decimals=decimals)
    pair = make_pair("auc", labels, first, second)
    assert pair.candidate == pytest.approx(roc_auc_score(labels, first), abs=1e-12)
    assert pair.live == pytest.approx(roc_auc_score(labels, second), abs=1e-12)


@pytest.mark.parametrize("decimals", [None, 1])
def test_a_resample_is_the_metric_of_the_repeated_rows(decimals):
    """By counts or by copies of rows, the area is the same; which rows they are shows in the sum over many resamples."""
    labels, first, second = make_scores(300, decimals=decimals)
    order = np.lexsort((second, first, labels))
    counts = np.random.default_rng(0).multinomial(300, np.full(300, 1 / 300))
    drawn = np.repeat(order, counts)
    expected = roc_auc_score(labels[drawn], first[drawn]) - roc_auc_score(labels[drawn], second[drawn])
    assert make_pair("auc", labels, first, second).gain(counts.astype(float)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("metric", "reference"), [("binary_crossentropy", log_loss), ("brier", brier_score_loss)])
def test_losses_are_those_of_sklearn(metric, reference):
    labels, first, second = make_scores(3000)
    pair = make_pair(metric, labels, first, second)
    assert pair.candidate == pytest.approx(reference(labels, first.astype(np.float64)), abs=1e-9)
    assert pair.gain(np.ones(3000)) == pytest.approx(pair.live - pair.candidate, abs=1e-12)


def test_a_certain_and_wrong_prediction_has_a_finite_loss():
    labels, sure, unsure = np.array([0, 1]), np.array([1.0, 0.0], dtype=np.float32), np.array([0.5, 0.5], dtype=np.float32)
    assert make_pair("binary_crossentropy", labels, sure, unsure).candidate == pytest.approx(-np.log(1e-7))


@pytest.mark.parametrize("decimals", [None, 1])
def test_delong_is_that_of_the_definition(decimals):
    labels, first, second = make_scores(400, decimals=decimals)
    matrices = [psi(scores[labels == 1], scores[labels == 0]) for scores in (first, second)]
    by_positive = np.cov([matrix.mean(axis=1) for matrix in matrices])
    by_negative = np.cov([matrix.mean(axis=0) for matrix in matrices])
    covariance = by_positive / np.sum(labels == 1) + by_negative / np.sum(labels == 0)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert make_pair("auc", labels, first, second).standard_error() == pytest.approx(np.sqrt(variance), rel=1e-10)


@pytest.mark.parametrize("metric", ["auc", "binary_crossentropy", "brier"])
def test_bootstrap_and_formula_agree_on_5000_rows(metric):
    pair = make_pair(metric, *make_scores(5000))
    bootstrap, formula = percentile_interval(pair.bootstrap(1000, 0), 0.95), pair.analytic_interval(0.95)
    width = formula.upper - formula.lower
    assert bootstrap.lower == pytest.approx(formula.lower, abs=0.1 * width)
    assert bootstrap.upper == pytest.approx(formula.upper, abs=0.1 * width)
    assert bootstrap.lower > 0  # the first model has less noise


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """Both models are equally good, so the true gain is 0; of 200 intervals at 90 % some 180 hold it (3 sd: 167)."""
    random, covered = np.random.default_rng(0), 0
    for _ in range(200):
        labels = (random.random(300) < 0.4).astype(np.int64)
        first, second = labels + random.standard_normal((2, 300))
        pair = make_pair("auc", labels, first, second)
        interval = percentile_interval(pair.bootstrap(200, int(random.integers(2**31))), 0.9)
        covered += interval.lower <= 0 <= interval.upper
    assert 167 <= covered <= 193


@pytest.mark.parametrize("metric", ["auc", "brier"])
def test_a_seed_gives_the_same_resamples_whatever_the_order_of_the_rows(metric):
    columns = make_scores(500, decimals=2)
    shuffled = np.random.default_rng(1).permutation(500)
    first, again = make_pair(metric, *columns), make_pair(metric, *(column[shuffled] for column in columns))
    assert np.array_equal(first.bootstrap(100, 5), again.bootstrap(100, 5))
    assert not np.array_equal(first.bootstrap(100, 5), first.bootstrap(100, 6))


def test_a_model_that_ranks_alike_is_alike():
    labels, scores, other = make_scores(200)
    pair = make_pair("auc", labels, scores / 2, scores)
    assert pair.alike
    assert not pair.bootstrap(100, 0).any()
    assert not make_pair("auc", labels, scores, other).alike
    assert not make_pair("brier", labels, scores / 2, scores).alike


def test_one_row_of_a_class_has_no_interval_by_formula():
    pair = make_pair("auc", np.array([0, 0, 1]), np.array([0.1, 0.2, 0.3]), np.array([0.3, 0.2, 0.1]))
    assert pair.analytic_interval(0.95) is None
    assert pair.gain(np.array([2.0, 1.0, 0.0])) != pair.gain(np.array([2.0, 1.0, 0.0]))  # NaN: no positive was drawn


def test_intervals_overlap_where_they_share_a_value():
    assert Interval(0, 1).overlaps(Interval(1, 2))
    assert not Interval(0, 1).overlaps(Interval(1.1, 2))


def make_classes(rows, *, seed=4):
    """Labels of four classes, and two models' probabilities; the first knows more."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, rows)
    scores = [np.exp(weight * np.eye(4)[labels] + random.standard_normal((rows, 4))) for weight in (2.0, 1.0)]
    return labels, *(score / score.sum(axis=1, keepdims=True) for score in scores)


def test_metrics_of_many_classes_are_those_of_sklearn():
    labels, first, second = make_classes(2000)
    pairs = {
        name: make_pair(name, labels, first, second, kind=LabelKind.MULTICLASS)
        for name in ("accuracy", "categorical_crossentropy", "brier")
    }
    assert pairs["accuracy"].candidate == pytest.approx(accuracy_score(labels, first.argmax(axis=1)), abs=1e-12)
    assert pairs["categorical_crossentropy"].live == pytest.approx(log_loss(labels, second), abs=1e-9)
    assert pairs["brier"].live == pytest.approx(np.mean(np.sum((second - np.eye(4)[labels]) ** 2, axis=1)), abs=1e-12)
    assert all(pair.gain(np.ones(2000)) > 0 for pair in pairs.values())


@pytest.mark.parametrize("metric", ["auc", "brier"])
def test_clusters_of_one_row_are_rows(metric):
    columns = make_scores(800)
    rows = make_pair(metric, *columns)
    single = make_pair(metric, *columns, clusters=np.arange(800))
    assert single.standard_error() == pytest.approx(rows.standard_error(), rel=0.01)
    assert single.bootstrap(300, 0).std() == pytest.approx(rows.bootstrap(300, 0).std(), rel=0.15)


@pytest.mark.parametrize("metric", ["auc", "brier"])
def test_a_row_that_comes_five_times_counts_once(metric):
    """Copies tell nothing new: the interval of the copies by cluster is that of the rows, and by row it is too narrow."""
    columns = make_scores(600)
    rows = make_pair(metric, *columns).standard_error()
    copies = [np.repeat(column, 5) for column in columns]
    clustered = make_pair(metric, *copies, clusters=np.repeat(np.arange(600), 5))
    assert clustered.standard_error() == pytest.approx(rows, rel=0.01)
    assert clustered.bootstrap(500, 0).std() == pytest.approx(rows, rel=0.12)
    assert make_pair(metric, *copies).standard_error() == pytest.approx(rows / np.sqrt(5), rel=0.01)
    assert clustered.method.endswith("by clusters")


@pytest.mark.parametrize("metric", ["auc", "brier"])
def test_clusters_do_not_depend_on_the_order_of_the_rows(metric):
    columns, codes, shuffled = make_scores(500, decimals=1), np.arange(500) % 20, np.random.default_rng(1).permutation(500)
    first = make_pair(metric, *columns, clusters=codes)
    again = make_pair(metric, *(column[shuffled] for column in columns), clusters=codes[shuffled])
    assert np.allclose(first.bootstrap(50, 5), again.bootstrap(50, 5), rtol=0, atol=1e-12)
