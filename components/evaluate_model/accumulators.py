"""Builds the accumulators of TFMA's combiners from whole columns, one function per kind of combiner.

Each function gives what the combiner's `add_input` would have built from the same rows one by one: same formulas, same
dtypes of the inputs, sums in another order.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from tensorflow_model_analysis.contrib.aggregates import binary_confusion_matrices as aggregates
from tensorflow_model_analysis.metrics import (
    binary_confusion_matrices,
    calibration,
    calibration_histogram,
    cross_entropy_metrics,
    example_count,
    mean_regression_error,
    metric_types,
    tf_metric_wrapper,
)

_KERAS_BATCH = 65_536


@dataclasses.dataclass(frozen=True)
class Rows:
    """The rows of one slice.

    Attributes:
        labels: Zeros and ones of shape [rows], int64 or float32.
        predictions: By model name, float32 of shape [rows].
    """

    labels: np.ndarray
    predictions: Mapping[str, np.ndarray]


def is_supported(combiner: Any) -> bool:
    """Returns whether `accumulate` knows this combiner with all its settings."""
    settings = vars(combiner)
    key = settings.get("_key") or settings.get("_metric_key")
    plain = not any(settings.get(name) for name in ("_class_weights", "_example_weighted", "_aggregation_type", "_output_name"))
    single = key is None or not (key.sub_key or key.output_name)
    return type(combiner) in _ACCUMULATE and plain and single and _EXTRA_CONDITIONS.get(type(combiner), _always)(combiner)


def extract(combiner: Any, rows: Rows) -> dict[Any, Any]:
    """Returns the combiner's output for these rows, by metric key; the combiner is one that `is_supported`."""
    if type(combiner) is tf_metric_wrapper._CompilableMetricsCombiner and _is_binary_crossentropy(combiner):
        return _keras_binary_crossentropy(combiner, rows)
    return combiner.extract_output(_ACCUMULATE[type(combiner)](combiner, rows))


def _always(combiner: Any) -> bool:
    del combiner
    return True


def _float64(combiner: Any, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    return rows.labels.astype(np.float64), rows.predictions[combiner._key.model_name].astype(np.float64)


def _count(combiner: Any, rows: Rows) -> float:
    del combiner
    return float(len(rows.labels))


def _histogram(combiner: Any, rows: Rows) -> dict[int, Any]:
    labels, predictions = _float64(combiner, rows)
    last = combiner._num_buckets + 1
    bucketed = predictions if combiner._prediction_based_bucketing else labels
    position = (bucketed - combiner._left) / combiner._range * combiner._num_buckets + 1
    index = np.where(position < 0, 0, np.where(position >= last, last, position)).astype(np.int64)
    counts = np.bincount(index, minlength=last + 1)
    sums = [np.bincount(index, values, last + 1) for values in (labels, predictions)]
    used = np.flatnonzero(counts)
    columns = zip(used.tolist(), *(values[used].tolist() for values in sums), counts[used].astype(float).tolist(), strict=True)
    return {
        bucket: calibration_histogram.Bucket(bucket, label, prediction, rows) for bucket, label, prediction, rows in columns
    }


def _confusion(combiner: Any, rows: Rows) -> dict[float, Any]:
    labels, predictions = _float64(combiner, rows)
    matrices = combiner._binary_confusion_matrices
    positives, negatives = np.sort(predictions[labels == 1]), np.sort(predictions[labels != 1])
    accumulator = {}
    for threshold in matrices._thresholds:
        fn, tn = (float(np.searchsorted(part, threshold, side="right")) for part in (positives, negatives))
        matrix = aggregates.Matrix(tp=len(positives) - fn, tn=tn, fp=len(negatives) - tn, fn=fn)
        accumulator[threshold] = aggregates._ThresholdEntry(matrix, [], [], [], [])
    return accumulator


def _totals(combiner: Any, rows: Rows) -> Any:
    labels, predictions = _float64(combiner, rows)
    accumulator = combiner.create_accumulator()
    accumulator.total_weighted_labels = float(labels.sum())
    accumulator.total_weighted_predictions = float(predictions.sum())
    accumulator.total_weighted_examples = float(len(labels))
    return accumulator


def _cross_entropy(combiner: Any, rows: Rows) -> Any:
    accumulator = combiner.create_accumulator()
    predictions = rows.predictions[combiner._metric_key.model_name]
    # The combiner's own formula takes arrays and returns their mean.
    accumulator.total_cross_entropy = combiner._cross_entropy(rows.labels, predictions) * len(predictions)
    accumulator.total_example_weights = float(len(predictions))
    return accumulator


def _regression_error(combiner: Any, rows: Rows) -> Any:
    accumulator = combiner.create_accumulator()
    error = np.abs(rows.labels - rows.predictions[combiner._metric_key.model_name]).astype(np.float64)
    squared = type(combiner) is mean_regression_error._MeanSquaredErrorCombiner
    accumulator.total_regression_error = float((error**2 if squared else error).sum())
    accumulator.total_example_weights = float(len(error))
    return accumulator


def _keras(combiner: Any, rows: Rows) -> Any:
    """Updates each Keras metric with large batches; Keras sums in float32, so the seventh digit depends on their size."""
    accumulator = combiner.create_accumulator()
    labels, predictions = rows.labels[:, None], rows.predictions[combiner._model_name][:, None]
    weights = np.ones_like(predictions)
    for index, metric in enumerate(combiner._metrics[""]):
        for start in range(0, len(labels), _KERAS_BATCH):
            part = slice(start, start + _KERAS_BATCH)
            metric.reset_state()
            metric.update_state(labels[part], predictions[part], weights[part])
            accumulator.add_weights(0, index, metric.get_weights())
    return accumulator


def _is_binary_crossentropy(combiner: Any) -> bool:
    settings = [(item["class_name"], item["config"]) for item in combiner._metric_configs[0]]
    defaults = {"from_logits": False, "label_smoothing": 0}
    plain = all(name == "BinaryCrossentropy" and config.items() >= defaults.items() for name, config in settings)
    return plain and len(settings) == 1 and not combiner._loss_configs[0]


def _keras_binary_crossentropy(combiner: Any, rows: Rows) -> dict[Any, Any]:
    """Keras's formula in numpy: the one Keras metric of TFMA's usual ones, and eager calls for each slice take seconds.

    Keras clips probabilities to [1e-7, 1 - 1e-7] in float32 and adds 1e-7 inside the logarithms
    (`binary_crossentropy` of keras/src/backend.py in tf_keras 2.16).
    """
    epsilon = np.float32(1e-7)
    labels = rows.labels.astype(np.float32)
    clipped = np.clip(rows.predictions[combiner._model_name], epsilon, 1 - epsilon)
    loss = -(labels * np.log(clipped + epsilon) + (1 - labels) * np.log(1 - clipped + epsilon))
    (metric,) = combiner._metrics[""]
    key = metric_types.MetricKey(name=metric.name, model_name=combiner._model_name, example_weighted=combiner._example_weighted)
    return {key: np.float32(loss.mean(dtype=np.float64))}


_ACCUMULATE: dict[type, Callable[[Any, Rows], Any]] = {
    example_count._ExampleCountCombiner: _count,
    calibration_histogram._CalibrationHistogramCombiner: _histogram,
    binary_confusion_matrices._BinaryConfusionMatrixCombiner: _confusion,
    calibration._WeightedLabelsPredictionsExamplesCombiner: _totals,
    cross_entropy_metrics._BinaryCrossEntropyCombiner: _cross_entropy,
    mean_regression_error._MeanAbsoluteErrorCombiner: _regression_error,
    mean_regression_error._MeanSquaredErrorCombiner: _regression_error,
    tf_metric_wrapper._CompilableMetricsCombiner: _keras,
}

_EXTRA_CONDITIONS: dict[type, Callable[[Any], bool]] = {
    binary_confusion_matrices._BinaryConfusionMatrixCombiner: lambda combiner: (
        combiner._enable_fractional_labels and not combiner._example_id_key
    ),
    tf_metric_wrapper._CompilableMetricsCombiner: lambda combiner: (
        combiner._output_names == [""] and not combiner._sub_key and not combiner._desired_batch_size
    ),
}
