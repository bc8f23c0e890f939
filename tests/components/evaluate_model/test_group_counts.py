import numpy as np
import pyarrow as pa
import pytest
from fairlearn import metrics as fairlearn

from components._shared.label import LabelKind, LabelSpec
from components._shared.policy import FairnessGate
from components.evaluate_model.disparities import DISPARITIES, measure
from components.evaluate_model.group_counts import FAIRNESS_DIR, RATES, count_decisions

LABEL = LabelSpec(name="late")
THRESHOLDS = (0.5, 0.3)
ATTRIBUTES = ("origin", "sex", "origin*sex", "sex*band*origin")


def make_table(rows=600):
    """`origin` has four groups, DEN has no favourable label, and some rows lack a value of `sex`."""
    random = np.random.default_rng(11)
    origin = random.choice(["EWR", "JFK", "LGA", "DEN"], rows)
    sex = [None if index % 50 == 0 else name for index, name in enumerate(random.choice(["f", "m"], rows).tolist())]
    labels = ((random.random(rows) < 0.4) & (origin != "DEN")).astype(np.int64)
    predictions = np.clip(0.3 + 0.2 * labels + 0.1 * (origin == "JFK") + 0.2 * random.standard_normal(rows), 0, 1)
    table = pa.table({"origin": origin.tolist(), "sex": sex, "band": random.integers(0, 2, rows)})
    return table, labels, predictions.astype(np.float32)


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    policy = FairnessGate(protected=ATTRIBUTES, decision_threshold=THRESHOLDS)
    return count_decisions(*make_table(), LABEL, policy, folder), folder


def expected(attribute, threshold, *, without=()):
    """Returns labels, decisions and groups as fairlearn wants them, rows of some origins left out."""
    table, labels, predictions = make_table()
    features = attribute.split("*")
    frame = table.to_pandas()
    kept = frame[features].notna().all(axis=1).to_numpy() & ~frame["origin"].isin(without).to_numpy()
    decided = (predictions.astype(np.float64) > threshold).astype(np.int64)
    return {"y_true": labels[kept], "y_pred": decided[kept], "sensitive_features": frame.loc[kept, features]}


def groups_of(counted, attribute, threshold):
    (found,) = (
        item for item in counted.groups if (item.attribute, item.decision) == (attribute, f"predictions above {threshold}")
    )
    return found


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_sizes_and_rates_are_fairlearns(counted, attribute, threshold):
    rates = (fairlearn.selection_rate, fairlearn.true_positive_rate, fairlearn.false_positive_rate)
    metrics = {"rows": fairlearn.count, **dict(zip(RATES, rates, strict=True))}
    frame = fairlearn.MetricFrame(metrics=metrics, **expected(attribute, threshold)).by_group
    frame = frame[frame["rows"] > 0]
    groups, order = groups_of(counted[0], attribute, threshold), sorted(attribute.split("*"))
    named = frame.reset_index().apply(lambda row: ", ".join(f"{name}={row[name]}" for name in order), axis=1)
    theirs = frame.set_index(named).loc[list(groups.names)]
    assert len(theirs) == len(frame)
    assert groups.rows.tolist() == theirs["rows"].tolist()
    for name in RATES:  # where a group has no rate, fairlearn says 0
        assert np.nan_to_num(groups.rate(name).values) == pytest.approx(theirs[name].to_numpy(), abs=1e-9)


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_disparities_are_fairlearns(counted, attribute, threshold):
    """Groups without a favourable label are left out, where fairlearn would count a true positive rate of 0."""
    groups = groups_of(counted[0], attribute, threshold)
    ours = {f"{item.name} {item.form}": measure(item, groups, 1).value for item in DISPARITIES}
    every, defined = expected(attribute, threshold), expected(attribute, threshold, without=["DEN"])
    true_rate = fairlearn.MetricFrame(metrics=fairlearn.true_positive_rate, **defined)
    false_rate = fairlearn.MetricFrame(metrics=fairlearn.false_positive_rate, **every)
    assert ours == pytest.approx(
        {
            "demographic parity difference": fairlearn.demographic_parity_difference(**every),
            "demographic parity ratio": fairlearn.demographic_parity_ratio(**every),
            "equal opportunity difference": true_rate.difference(),
            "equal opportunity ratio": true_rate.ratio(),
            "equalized odds difference": max(true_rate.difference(), false_rate.difference()),
            "equalized odds ratio": min(true_rate.ratio(), false_rate.ratio()),
        },
        abs=1e-9,
    )


def test_equalized_odds_are_fairlearns_where_every_group_has_both_labels(counted):
    groups, theirs = groups_of(counted[0], "sex", 0.5), expected("sex", 0.5)
    ours = [measure(item, groups, 1).value for item in DISPARITIES if item.name == "equalized odds"]
    odds = fairlearn.equalized_odds_difference(**theirs), fairlearn.equalized_odds_ratio(**theirs)
    assert ours == pytest.approx(odds, abs=1e-9)


def test_groups_of_one_attribute_stand_together(counted):
    assert [item.attribute for item in counted[0].groups] == [name for name in ATTRIBUTES for _ in THRESHOLDS]


def test_tfmas_files_are_kept(counted):
    from tensorflow_model_analysis.api import model_eval_lib

    loaded = model_eval_lib.load_eval_result(str(counted[1] / FAIRNESS_DIR))
    assert len(loaded.slicing_metrics) == 4 + 2 + 8 + 16


def test_rows_without_a_value_are_counted_by_attribute(counted):
    assert counted[0].missing == {"origin": 0, "sex": 12, "origin*sex": 12, "sex*band*origin": 12}


def test_numeric_labels_are_counted_at_each_threshold(tmp_path):
    table, labels, predictions = make_table(60)
    label = LabelSpec(name="price", kind=LabelKind.NUMERIC)
    policy = FairnessGate(protected=("origin",), decision_threshold=(20.0, 40.0))
    found = count_decisions(table, labels * 50.0, predictions * 100, label, policy, tmp_path).groups
    assert [item.decision for item in found] == ["predictions above 20", "predictions above 40"]
    assert [int((item.tp + item.fp).sum()) for item in found] == [int(np.sum(predictions > share)) for share in (0.2, 0.4)]


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        ("height", "no such column"),
        ("origin*height", "no such column height"),
        ("late", "it is the label"),
        ("origin*late", "late is the label"),
        ("number", "more than 500 values"),
    ],
)
def test_what_makes_no_groups_is_told(tmp_path, attribute, words):
    table, labels, predictions = make_table()
    table = table.append_column("late", pa.array(labels)).append_column("number", pa.array(np.arange(len(labels))))
    found = count_decisions(table, labels, predictions, LABEL, FairnessGate(protected=(attribute,)), tmp_path)
    assert words in found.unsuited[attribute]
    assert not found.groups


def test_what_cannot_be_decided_is_not_counted(tmp_path):
    label = LabelSpec(name="species", kind=LabelKind.MULTICLASS, classes=("a", "b"))
    table, labels, predictions = make_table()
    found = count_decisions(table, labels, predictions, label, FairnessGate(protected=("origin",)), tmp_path)
    assert "name favourable_classes" in found.problem
