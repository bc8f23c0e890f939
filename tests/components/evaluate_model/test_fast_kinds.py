"""The vectorised accumulation gives what stock TFMA gives for multiclass and numeric labels."""

import json
import math

import numpy as np
import pyarrow as pa
import pytest
from tensorflow_model_analysis.api import model_eval_lib

from components._data.vectors import to_column
from components._shared.label import LabelKind
from components.evaluate_model import tfma_run
from components.evaluate_model.fast_accumulation import unsupported_reason
from components.evaluate_model.results import read_results
from components.evaluate_model.tfma_config import parse_eval_config, prepare_eval_config

ROWS, CLASSES = 24, 3
SLICES = [{}, {"feature_keys": ["origin"]}]


def metric(class_name, **settings):
    return {"class_name": class_name, **({"config": json.dumps(settings)} if settings else {})}


MULTICLASS = {
    "model_specs": [{"label_key": "label"}],
    "slicing_specs": SLICES,
    "metrics_specs": [
        {
            "metrics": [
                metric("ExampleCount"),
                {
                    **metric("SparseCategoricalAccuracy"),
                    "threshold": {
                        "value_threshold": {"lower_bound": 0.99},
                        "change_threshold": {"direction": "HIGHER_IS_BETTER", "absolute": 0.0},
                    },
                },
                metric("SparseCategoricalCrossentropy"),
                metric("MultiClassConfusionMatrixPlot"),
                metric("MultiClassConfusionMatrixAtThresholds", thresholds=[0.2, 0.5, 0.4]),
            ]
        },
        {
            "metrics": [metric("AUC"), metric("Precision"), metric("Recall"), metric("BinaryCrossentropy")],
            "binarize": {"class_ids": {"values": [0, 2]}},
        },
        {
            "metrics": [metric("AUC", name="auc_averaged"), metric("Recall", name="recall_averaged")],
            "aggregate": {"macro_average": True, "class_weights": {"0": 1.0, "1": 1.0, "2": 1.0}},
        },
        {
            "metrics": [metric("AUC", name="auc_weighted")],
            "aggregate": {"weighted_macro_average": True, "class_weights": {"0": 1.0, "1": 1.0, "2": 1.0}},
        },
        {"metrics": [metric("Precision", name="precision_pooled")], "aggregate": {"micro_average": True}},
    ],
}
NUMERIC = {
    "model_specs": [{"label_key": "label"}],
    "slicing_specs": SLICES,
    "metrics_specs": [
        {
            "metrics": [
                metric("ExampleCount"),
                metric("MeanSquaredError"),
                metric("RootMeanSquaredError"),
                {**metric("MeanAbsoluteError"), "threshold": {"value_threshold": {"upper_bound": 0.01}}},
                metric("MeanAbsolutePercentageError"),
                metric("MeanSquaredLogarithmicError"),
                metric("MeanLabel"),
                metric("MeanPrediction"),
                metric("Calibration"),
                metric("SquaredPearsonCorrelation"),
            ]
        }
    ],
}


def make_table(kind, dtype):
    random = np.random.default_rng(5)
    if kind is LabelKind.MULTICLASS:
        labels = random.integers(0, CLASSES, ROWS)
        scores = random.random((2, ROWS, CLASSES)) + 1.2 * np.eye(CLASSES)[labels]
        predictions = (scores / scores.sum(axis=2, keepdims=True)).astype(np.float32)
        predictions[0, 0] = [0.25, 0.5, 0.25]  # on a threshold
    else:
        labels = (40 * random.random(ROWS)).astype(dtype)
        labels[3] = 0
        predictions = (labels + 3 * random.standard_normal((2, ROWS))).clip(0).astype(np.float32)
    origin = [*["LGA"] * 3, *random.choice(["JFK", "EWR"], ROWS - 3).tolist()]
    columns = {"origin": origin, "label": labels}
    return pa.table({**columns, "__candidate__": to_column(predictions[0]), "__baseline__": to_column(predictions[1])})


def prepare(document, kind):
    config = parse_eval_config(document, "label", kind)
    return prepare_eval_config(config, with_baseline=True, decision_threshold=0.5, kind=kind)


@pytest.fixture(
    scope="module",
    params=[
        (MULTICLASS, LabelKind.MULTICLASS, np.int64),
        (NUMERIC, LabelKind.NUMERIC, np.float32),
        (NUMERIC, LabelKind.NUMERIC, np.int64),
    ],
    ids=["multiclass", "numeric", "whole numbers"],
)
def both(request, tmp_path_factory):
    """Folders of the vectorised and of the stock evaluation of the same rows."""
    document, kind, dtype = request.param
    config, table = prepare(document, kind), make_table(kind, dtype)
    assert not unsupported_reason(config, table)
    fast, stock = (tmp_path_factory.mktemp(name) for name in ("fast", "stock"))
    tfma_run._run_fast(table, config, fast)
    tfma_run._run_stock(table, config, stock)
    return fast, stock


def test_same_slices_keys_and_values(both):
    fast, stock = ({result.key: result for result in read_results(folder, CLASSES)} for folder in both)
    assert fast.keys() == stock.keys()
    for key, result in fast.items():
        assert result.values.keys() == stock[key].values.keys()
        assert result.rows == stock[key].rows
        for name, matrix in result.class_confusion.items():
            np.testing.assert_array_equal(matrix, stock[key].class_confusion[name])
        for name, value in result.values.items():
            assert value == pytest.approx(stock[key].values[name], rel=1e-6, abs=1e-6, nan_ok=True), (key, name)


def test_same_validation_and_plots(both):
    def flatten(folder):
        validation = model_eval_lib.load_validation_result(str(folder))
        failures = {
            (part.slice_key.SerializeToString(), str(item.metric_key), str(item.metric_threshold))
            for part in validation.metric_validations_per_slice
            for item in part.failures
        }
        plots = {str(plot) for plot in model_eval_lib.load_plots(str(folder))}
        return validation.validation_ok, failures, plots

    fast, stock = (flatten(folder) for folder in both)
    assert fast == stock
    assert not fast[0]


def test_what_it_cannot_do_is_left_to_stock(tmp_path):
    best_two = {"metrics": [metric("Precision")], "binarize": {"top_k_list": {"values": [2]}}}
    config = prepare({**MULTICLASS, "metrics_specs": [best_two]}, LabelKind.MULTICLASS)
    run = tfma_run.run_tfma(make_table(LabelKind.MULTICLASS, None), config, tmp_path, stock_rows=15)
    assert "15 evenly spaced of 24 rows" in run.note
    (overall, *_) = read_results(tmp_path, CLASSES)
    assert overall.rows == 15
    assert math.isfinite(overall.metrics("candidate")["precision@topK:2"])
