"""The vectorised accumulation gives what stock TFMA gives, and leaves to stock TFMA what it cannot do."""

import copy
import json
import math

import numpy as np
import pyarrow as pa
import pytest
from tensorflow_model_analysis.api import model_eval_lib

from components.evaluate_model import tfma_run
from components.evaluate_model.fast_accumulation import unsupported_reason
from components.evaluate_model.results import read_results
from components.evaluate_model.tfma_config import parse_eval_config, prepare_eval_config

METRICS = [
    "ExampleCount",
    "AUC",
    "AUCPrecisionRecall",
    "BinaryCrossentropy",
    "BinaryCrossEntropy",
    "BinaryAccuracy",
    "Precision",
    "Recall",
    "FallOut",
    "MeanLabel",
    "Calibration",
    "MeanSquaredError",
    "MeanAbsoluteError",
    "CalibrationPlot",
    "ConfusionMatrixPlot",
]
AUC = {"class_name": "AUC"}
FLOAT32 = {"hinge", "binary_crossentropy"}
"""Keras's own metrics: it sums in float32."""
CONFIG = {
    "model_specs": [{"label_key": "late"}],
    "slicing_specs": [
        {},
        {"feature_keys": ["origin"]},
        {"feature_keys": ["carrier"]},
        {"feature_keys": ["hour", "share"]},
        {"feature_keys": ["origin", "carrier"]},
        {"feature_keys": ["carrier"], "feature_values": {"origin": "JFK"}},
    ],
    "cross_slicing_specs": [
        {"baseline_spec": {"feature_values": {"origin": "JFK"}}, "slicing_specs": [{"feature_keys": ["origin"]}]}
    ],
    "metrics_specs": [
        {
            "metrics": [
                *({"class_name": name} for name in METRICS),
                {"class_name": "AUC", "config": json.dumps({"name": "coarse", "num_thresholds": 50})},
                {"class_name": "AUC", "config": json.dumps({"name": "chosen", "thresholds": [0.1, 0.4, 0.41, 0.9]})},
                {"class_name": "ConfusionMatrixAtThresholds", "config": json.dumps({"thresholds": [0.0, 0.2, 0.5, 1.0]})},
                {"class_name": "Hinge", "module": "tf_keras.metrics"},
                {
                    "class_name": "MeanPrediction",
                    "threshold": {
                        "value_threshold": {"lower_bound": 0.9},
                        "change_threshold": {"direction": "HIGHER_IS_BETTER", "absolute": 0.0},
                    },
                    "per_slice_thresholds": [
                        {
                            "slicing_specs": [{"feature_keys": ["origin"]}],
                            "threshold": {"value_threshold": {"lower_bound": 0.3}},
                        }
                    ],
                },
            ]
        }
    ],
}


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(3)
    rows = 48
    late = (random.random(rows) < 0.3).astype(np.int64)
    values = random.choice(["AA", "UA", None], rows).tolist()
    predictions = [np.clip(0.3 * late + random.random(rows) / 2, 0.001, 0.999).astype(np.float32) for _ in range(2)]
    predictions[0][:5] = [0.0001, 0.2, 0.5, 0.4, 0.9999]
    return pa.table(
        {
            "origin": [*["LGA"] * 3, *random.choice(["JFK", "EWR"], rows - 3).tolist()],
            "carrier": values,
            "hour": random.integers(0, 3, rows),
            "share": np.where(random.random(rows) < 0.5, 0.1, 2.5).astype(np.float32),
            "late": np.where(np.arange(rows) < 3, 0, late),
            "__candidate__": predictions[0],
            "__baseline__": predictions[1],
        }
    )


def prepare(document, *, with_baseline=True):
    config = parse_eval_config(document, "late")
    return prepare_eval_config(config, with_baseline=with_baseline, decision_threshold=0.3)


@pytest.fixture(scope="module", params=[True, False], ids=["with baseline", "without"])
def both(request, table, tmp_path_factory):
    """Folders of the vectorised and of the stock evaluation of the same rows."""
    config = prepare(CONFIG, with_baseline=request.param)
    rows = table if request.param else table.drop(["__baseline__"])
    assert not unsupported_reason(config, rows)
    fast, stock = (tmp_path_factory.mktemp(name) for name in ("fast", "stock"))
    tfma_run._run_fast(rows, config, fast)
    tfma_run._run_stock(rows, config, stock)
    return fast, stock


def test_same_slices_keys_and_values(both):
    fast, stock = ({result.key: result for result in read_results(folder)} for folder in both)
    assert fast.keys() == stock.keys()
    for key, result in fast.items():
        assert result.values.keys() == stock[key].values.keys()
        assert result.confusion == stock[key].confusion
        for metric, value in result.values.items():
            tolerance = 1e-6 if metric.name in FLOAT32 else 1e-9
            assert value == pytest.approx(stock[key].values[metric], abs=tolerance, nan_ok=True), (key, metric)


def test_same_validation(both):
    def flatten(folder):
        validation = model_eval_lib.load_validation_result(str(folder))
        failures = {
            (part.slice_key.SerializeToString(), str(item.metric_key), str(item.metric_threshold))
            for part in validation.metric_validations_per_slice
            for item in part.failures
        }
        return validation.validation_ok, failures, str(validation.missing_slices)

    fast, stock = (flatten(folder) for folder in both)
    assert fast == stock
    assert not fast[0]


def test_same_plots(both):
    def flatten(folder):
        plots = model_eval_lib.load_plots(str(folder))
        return {plot.slice_key.SerializeToString(): len(plot.plot_keys_and_values) for plot in plots}

    fast, stock = (flatten(folder) for folder in both)
    assert fast == stock


def changed(**parts):
    return {**copy.deepcopy(CONFIG), **parts}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (changed(options={"compute_confidence_intervals": True}), "confidence intervals"),
        (changed(options={"min_slice_size": 5}), "min_slice_size"),
        (changed(model_specs=[{"label_key": "late", "example_weight_key": "share"}]), "weighted"),
        (changed(slicing_specs=[{"slice_keys_sql": "SELECT STRUCT(origin) FROM example.feature_dict"}]), "SQL"),
        (changed(slicing_specs=[{"feature_values": {"hour": "1"}}]), "hour=1"),
        (changed(metrics_specs=[{"metrics": [AUC], "query_key": "origin"}]), "query key"),
        (
            changed(metrics_specs=[{"metrics": [{"class_name": "AUC"}], "binarize": {"class_ids": {"values": [0]}}}]),
            "binarized",
        ),
        (changed(metrics_specs=[{"metrics": [{"class_name": "SquaredPearsonCorrelation"}]}]), "no vectorised accumulation"),
    ],
)
def test_what_it_cannot_do_is_left_to_stock(document, reason, table):
    assert reason in unsupported_reason(prepare(document), table)


def test_another_version_is_left_to_stock(table, monkeypatch):
    monkeypatch.setattr("components.evaluate_model.fast_accumulation.VERSION", "0.99.0")
    assert "0.99.0" in unsupported_reason(prepare(CONFIG), table)


def test_stock_runs_on_a_stated_sample(table, tmp_path):
    document = changed(options={"min_slice_size": 2}, slicing_specs=[{}], cross_slicing_specs=[])
    run = tfma_run.run_tfma(table, prepare(document), tmp_path, stock_rows=40)
    assert run.rows == 40
    assert "40 evenly spaced of 48 rows" in run.note
    assert [result.rows for result in read_results(tmp_path) if result.key == ()] == [40]


def test_confidence_intervals_are_read(table, tmp_path):
    metrics = [{"metrics": [{"class_name": "BinaryAccuracy"}]}]
    document = changed(
        options={"compute_confidence_intervals": True}, slicing_specs=[{}], cross_slicing_specs=[], metrics_specs=metrics
    )
    tfma_run.run_tfma(table, prepare(document), tmp_path)
    overall = read_results(tmp_path)[0]
    assert overall.rows == 48
    assert math.isfinite(overall.metrics("candidate")["binary_accuracy"])
