"""Builds the accumulators of TFMA's combiners from whole columns, one function per kind of combiner.

Each function gives what the combiner's `add_input` would have built from the same rows one by one: same formulas, same
dtypes of the inputs, sums in another order. What Keras would compute of whole batches is in `keras_formulas`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from tensorflow_model_analysis.contrib.aggregates import binary_confusion_matrices as aggregates
from tensorflow_model_analysis.metrics import (
    aggregation,
    binary_confusion_matrices,
    calibration,
    calibration_histogram,
    cross_entropy_metrics,
    example_count,
    mean_regression_error,
    metric_types,
    multi_class_confusion_matrix_metrics,
    squared_pearson_correlation,
    tf_metric_wrapper,
)

from components.evaluate_model.keras_formulas import formula_of

_KERAS_BATCH = 65_536


@dataclasses.dataclass(frozen=True)
class Rows:
    """The rows of one slice.

    Attributes:
        labels: Zeros and ones, numbers of classes (int64), or values (int64 or float32); of shape [rows].
        predictions: By model name, float32 of shape [rows], or [rows, classes] for a multiclass label.
    """

    labels: np.ndarray
    predictions: Mapping[str, np.ndarray]


def is_supported(combiner: Any, classes: int) -> bool:
    """Returns whether `extract` knows this combiner with all its settings.

    Args:
        combiner: A combiner of TFMA's.
        classes: Number of classes of a multiclass label, else 0.
    """
    settings = vars(combiner)
    if type(combiner) not in _ACCUMULATE or any(settings.get(name) for name in ("_class_weights", "_example_weighted")):
        return False
    key, part = settings.get("_key") or settings.get("_metric_key"), _sub_key(combiner)
    one_output = not settings.get("_output_name") and (key is None or not key.output_name)
    whole_or_class = part is None or (part.k is None and part.top_k is None and 0 <= part.class_id < classes)
    pooled = not settings.get("_aggregation_type") or (classes > 0 and _is_micro(combiner))
    return one_output and whole_or_class and pooled and _EXTRA_CONDITIONS.get(type(combiner), _always)(combiner)


def extract(combiner: Any, rows: Rows) -> dict[Any, Any]:
    """Returns the combiner's output for these rows, by metric key; the combiner is one that `is_supported`."""
    if type(combiner) is tf_metric_wrapper._CompilableMetricsCombiner and _has_formulas(combiner):
        return _keras_by_formula(combiner, rows)
    return combiner.extract_output(_ACCUMULATE[type(combiner)](combiner, rows))


def _is_micro(combiner: Any) -> bool:
    average = vars(combiner).get("_aggregation_type")
    return bool(average and average.micro_average)


def _always(combiner: Any) -> bool:
    del combiner
    return True


def _sub_key(combiner: Any) -> Any:
    settings = vars(combiner)
    key = settings.get("_key") or settings.get("_metric_key")
    return key.sub_key if key is not None else settings.get("_sub_key")


def _pairs(combiner: Any, model: str, rows: Rows, *, flat: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Returns the labels and predictions that a combiner sees, as TFMA's `to_label_prediction_example_weight` makes them.

    Of several classes that is the one that the metric is binarized to, or, where the combiner takes one number at a time, each
    class of each row as if it were a row.
    """
    labels, predictions, part = rows.labels, rows.predictions[model], _sub_key(combiner)
    if predictions.ndim == 1:
        return labels, predictions
    if part is not None:
        return (labels == part.class_id).astype(np.int64), predictions[:, part.class_id]
    if not flat:
        return labels, predictions
    return (labels[:, None] == np.arange(predictions.shape[1])).astype(np.float64).ravel(), predictions.ravel()


def _float64(combiner: Any, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    labels, predictions = _pairs(combiner, combiner._key.model_name, rows)
    return labels.astype(np.float64), predictions.astype(np.float64)


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
    labels, predictions = _pairs(combiner, combiner._metric_key.model_name, rows)
    # The combiner's own formula takes arrays and returns their mean.
    accumulator.total_cross_entropy = combiner._cross_entropy(labels, predictions) * len(predictions)
    accumulator.total_example_weights = float(len(predictions))
    return accumulator


def _regression_error(combiner: Any, rows: Rows) -> Any:
    accumulator = combiner.create_accumulator()
    labels, predictions = _pairs(combiner, combiner._metric_key.model_name, rows)
    errors = _ERRORS[type(combiner)](labels, predictions)
    known = errors[~np.isnan(errors)]  # the combiners leave rows without a number out
    accumulator.total_regression_error = float(known.sum())
    accumulator.total_example_weights = float(len(known))
    return accumulator


def _absolute(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    return np.abs(labels - predictions).astype(np.float64)


def _percentage(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    errors = np.full(len(labels), np.nan)
    some = labels != 0
    errors[some] = 100 * np.abs((labels[some] - predictions[some]) / labels[some]).astype(np.float64)
    return errors


def _squared_logarithmic(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.abs(np.log(labels + 1) - np.log(predictions + 1)).astype(np.float64) ** 2


def _correlation(combiner: Any, rows: Rows) -> Any:
    labels, predictions = _float64(combiner, rows)
    accumulator = combiner.create_accumulator()
    accumulator.total_weighted_labels = float(labels.sum())
    accumulator.total_weighted_predictions = float(predictions.sum())
    accumulator.total_weighted_squared_labels = float((labels**2).sum())
    accumulator.total_weighted_squared_predictions = float((predictions**2).sum())
    accumulator.total_weighted_labels_times_predictions = float((labels * predictions).sum())
    accumulator.total_weighted_examples = float(len(labels))
    return accumulator


def _class_matrices(combiner: Any, rows: Rows) -> Any:
    """Counts rows by true and predicted class; as in TFMA, what one threshold took away stays away at the next ones."""
    predictions = rows.predictions[combiner._key.model_name]
    largest = predictions.max(axis=1)
    largest = largest.astype(np.result_type(np.float32(0), 0.5))  # numpy's rule for the comparison with one number
    predicted, classes = predictions.argmax(axis=1), predictions.shape[1] + 1
    accumulator = combiner.create_accumulator()
    for threshold in combiner._thresholds:
        predicted = np.where(largest <= threshold, multi_class_confusion_matrix_metrics.NO_PREDICTED_CLASS_ID, predicted)
        counts = np.bincount(rows.labels * classes + predicted + 1)
        accumulator[threshold] = {
            multi_class_confusion_matrix_metrics.MatrixEntryKey(cell // classes, cell % classes - 1): float(counts[cell])
            for cell in np.flatnonzero(counts).tolist()
        }
    return accumulator


def _class_weights(combiner: Any, rows: Rows) -> dict[int, float]:
    return {number: float(np.count_nonzero(rows.labels == number)) for number in combiner._class_ids}


def _keras(combiner: Any, rows: Rows) -> Any:
    """Updates each Keras metric with large batches; Keras sums in float32, so the seventh digit depends on their size."""
    accumulator = combiner.create_accumulator()
    labels, predictions = _keras_pairs(combiner, rows)
    weights = np.ones((len(labels), 1), np.float32)
    for index, metric in enumerate(combiner._metrics[""]):
        for start in range(0, len(labels), _KERAS_BATCH):
            part = slice(start, start + _KERAS_BATCH)
            metric.reset_state()
            metric.update_state(labels[part], predictions[part], weights[part])
            accumulator.add_weights(0, index, metric.get_weights())
    return accumulator


def _keras_pairs(combiner: Any, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels of shape [rows, 1] and predictions of shape [rows, 1] or [rows, classes]."""
    labels, predictions = _pairs(combiner, combiner._model_name, rows, flat=_is_micro(combiner))
    return labels[:, None], predictions if predictions.ndim == 2 else predictions[:, None]


def _has_formulas(combiner: Any) -> bool:
    configs = combiner._metric_configs[0]
    return not combiner._loss_configs[0] and all(formula_of(item["class_name"], item["config"]) for item in configs)


def _keras_by_formula(combiner: Any, rows: Rows) -> dict[Any, Any]:
    labels, predictions = _keras_pairs(combiner, rows)
    outputs = {}
    for metric, item in zip(combiner._metrics[""], combiner._metric_configs[0], strict=True):
        key = metric_types.MetricKey(
            name=metric.name,
            model_name=combiner._model_name,
            output_name="",
            sub_key=combiner._sub_key,
            example_weighted=combiner._example_weighted,
        )
        formula = formula_of(item["class_name"], item["config"])
        assert formula is not None  # `_has_formulas` said so
        outputs[key] = np.float32(formula(labels, predictions))
    return outputs


_ERRORS: dict[type, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    mean_regression_error._MeanAbsoluteErrorCombiner: _absolute,
    mean_regression_error._MeanSquaredErrorCombiner: lambda labels, predictions: _absolute(labels, predictions) ** 2,
    mean_regression_error._MeanAbsolutePercentageErrorCombiner: _percentage,
    mean_regression_error._MeanSquaredLogarithmicErrorCombiner: _squared_logarithmic,
}

_ACCUMULATE: dict[type, Callable[[Any, Rows], Any]] = {
    example_count._ExampleCountCombiner: _count,
    calibration_histogram._CalibrationHistogramCombiner: _histogram,
    binary_confusion_matrices._BinaryConfusionMatrixCombiner: _confusion,
    calibration._WeightedLabelsPredictionsExamplesCombiner: _totals,
    cross_entropy_metrics._BinaryCrossEntropyCombiner: _cross_entropy,
    **dict.fromkeys(_ERRORS, _regression_error),
    squared_pearson_correlation._SquaredPearsonCorrelationCombiner: _correlation,
    multi_class_confusion_matrix_metrics._MultiClassConfusionMatrixCombiner: _class_matrices,
    aggregation._ClassWeightsFromLabelsCombiner: _class_weights,
    tf_metric_wrapper._CompilableMetricsCombiner: _keras,
}

_EXTRA_CONDITIONS: dict[type, Callable[[Any], bool]] = {
    binary_confusion_matrices._BinaryConfusionMatrixCombiner: lambda combiner: (
        combiner._enable_fractional_labels and not combiner._example_id_key
    ),
    tf_metric_wrapper._CompilableMetricsCombiner: lambda combiner: (
        combiner._output_names == [""] and not combiner._desired_batch_size
    ),
}
