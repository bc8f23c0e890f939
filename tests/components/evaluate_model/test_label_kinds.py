"""Evaluations of multiclass and numeric labels: what is measured, and where the stage says no."""

import json
import re

import numpy as np
import pyarrow as pa
import pytest
from tensorflow_model_analysis.metrics.metric_types import SubKey

from components._shared.errors import UserError
from components._shared.gates import Verdict
from components._shared.label import LabelKind
from components.evaluate_model.inputs import count_invalid
from components.evaluate_model.results import MetricKey, SliceResult
from components.evaluate_model.tfma_config import parse_eval_config, prepare_eval_config
from components.evaluate_model.thresholds import judge_thresholds

CLASSES = {"label_kind": "multiclass", "label_classes": ["on time", "late"]}
NUMERIC = {"label_kind": "numeric", "label_classes": []}


def at_least(class_name, bound):
    return {"class_name": class_name, "threshold": {"value_threshold": {"lower_bound": {"value": bound}}}}


@pytest.fixture
def multiclass(world, rows):
    world.write_examples(rows, **CLASSES)
    world.write_model("classes", **CLASSES)
    world.policy["fairness"] = {}
    world.eval_config["metrics_specs"] = [{"metrics": [at_least("SparseCategoricalAccuracy", 0.7)]}]
    return world


@pytest.fixture
def numeric(world, rows):
    world.write_examples(rows.set_column(4, "late", pa.array(rows["signal"].to_numpy() * 100)), **NUMERIC)
    world.write_model("number", **NUMERIC)
    world.policy["fairness"] = {}
    world.eval_config["metrics_specs"] = [{"metrics": [at_least("SquaredPearsonCorrelation", 0.7)]}]
    return world


def test_classes_are_counted_by_slice(multiclass, rows):
    result = multiclass.run()
    labels, predicted = rows["late"].to_numpy(), (rows["signal"].to_numpy() > 0.5).astype(int)
    matrix = [[int(np.sum((labels == a) & (predicted == b))) for b in (0, 1)] for a in (0, 1)]
    assert result.report.gates[0].verdict is Verdict.PASSED
    assert [row["row"] for row in result.classification["confusionMatrix"]["rows"]] == matrix
    summary = json.loads((multiclass.root / "evaluation" / "evaluation.json").read_text())
    assert summary["class_rows"] == np.bincount(labels).tolist()
    assert [item["rows"] for item in summary["slices"] if item["slice"] == "origin=LGA"] == [20]


def test_numbers_are_measured(numeric):
    result = numeric.run()
    assert result.report.gates[0].verdict is Verdict.PASSED
    assert result.classification == {}
    assert result.metrics["squared_pearson_correlation"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("fixture", "model", "reason"),
    [
        ("multiclass", "unscaled", "400 of 400 predictions are no probabilities: .*sum of 1 in the row"),
        ("numeric", "infinite", r"\d+ of 400 predictions are no finite number"),
    ],
)
def test_predictions_that_the_kind_does_not_allow_fail(request, fixture, model, reason):
    world = request.getfixturevalue(fixture)
    world.write_model(model, **(CLASSES if fixture == "multiclass" else NUMERIC))
    gate = world.gate("performance")
    assert gate.verdict is Verdict.FAILED
    assert re.search(reason, gate.reason)


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ({}, r"late (binary) instead of late (multiclass of on time, late)"),
        (
            CLASSES | {"label_classes": ["late", "on time"]},
            "late (multiclass of late, on time) instead of late (multiclass",
        ),
        ({"label_kind": "ordinal"}, "does not say what label it predicts"),
    ],
)
def test_a_live_version_of_another_kind_or_other_classes_is_not_compared(multiclass, manifest, reason):
    multiclass.write_baseline("classes", **manifest)
    gate = multiclass.gate("regression")
    assert gate.verdict is Verdict.FAILED
    assert reason in gate.reason


@pytest.mark.parametrize("training", [{}, CLASSES | {"label_classes": ["a", "b"]}, {"label_kind": "ordinal"}])
def test_a_candidate_of_another_kind_or_other_classes_fails_every_gate(multiclass, training):
    multiclass.write_model("classes", **training)
    assert {gate.verdict for gate in multiclass.run().report.gates} == {Verdict.FAILED}


@pytest.mark.parametrize(
    ("fixture", "model", "metric", "shown"),
    [
        ("multiclass", "classes", "sparse_categorical_accuracy", "Classes: live version"),
        ("numeric", "number", "squared_pearson_correlation", "Errors"),
    ],
)
def test_the_live_version_is_measured_on_the_same_rows(request, fixture, model, metric, shown):
    world = request.getfixturevalue(fixture)
    world.write_baseline(model, **(CLASSES if fixture == "multiclass" else NUMERIC))
    result = world.run()
    assert result.metrics[f"baseline_{metric}"] == result.metrics[metric]
    assert shown in (world.root / "report").read_text()


def test_a_model_with_the_output_of_another_kind_is_refused(multiclass):
    multiclass.write_model("signal", **CLASSES)
    with pytest.raises(UserError, match=r"multiclass label gives predictions of shape \[400, 2\]"):
        multiclass.run()


def test_a_label_that_is_no_class_is_refused(multiclass, rows):
    multiclass.write_examples(rows.set_column(4, "late", pa.array([0, 1, 2, 1] * 100)), **CLASSES)
    with pytest.raises(UserError, match="from 0 to 1, the number of a class"):
        multiclass.run()


@pytest.mark.parametrize(
    ("kind", "predictions", "invalid"),
    [
        (LabelKind.BINARY, [0, 1, 0.5, -0.1, 1.1, np.nan], 3),
        (LabelKind.NUMERIC, [-5, 0, 1e30, np.inf, -np.inf, np.nan], 3),
        (LabelKind.MULTICLASS, [[0.5, 0.5], [1, 0.0005], [0.6, 0.5], [1.2, -0.2], [np.nan, 1]], 3),
    ],
)
def test_invalid_predictions_are_counted(kind, predictions, invalid):
    assert count_invalid(np.array(predictions, np.float32), kind) == invalid


@pytest.mark.parametrize(("rows_of_class", "passed"), [(5, [True, True]), (0, [True, False])])
def test_a_metric_of_a_class_without_a_row_is_not_defined(rows_of_class, passed):
    spec = {"metrics": [at_least("AUC", 0.5)], "binarize": {"class_ids": {"values": [0, 2]}}}
    document = {"model_specs": [{"label_key": "late"}], "metrics_specs": [spec]}
    parsed = parse_eval_config(document, "late", LabelKind.MULTICLASS)
    config = prepare_eval_config(parsed, with_baseline=False, decision_threshold=0.5, kind=LabelKind.MULTICLASS)
    keys = [MetricKey("auc", sub_key=SubKey(class_id=number), example_weighted=False) for number in (0, 2)]
    matrix = np.diag([10, 10, rows_of_class])
    overall = SliceResult((), "", 20 + rows_of_class, dict.fromkeys(keys, 0.9), {}, False, {"candidate": matrix})
    judged = judge_thresholds([overall], config, min_slice_size=1, changes=False)
    assert [item.passed for item in sorted(judged, key=lambda item: item.name)] == passed
