"""Reads what TFMA wrote into plain values, slice by slice."""

import dataclasses
import math
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from tensorflow_model_analysis.api import model_eval_lib
from tensorflow_model_analysis.metrics import metric_types
from tensorflow_model_analysis.slicer import slicer_lib

from components._shared.artifacts import BASELINE, CANDIDATE
from components.evaluate_model.slice_rows import Key
from components.evaluate_model.tfma_config import CLASSES_METRIC, CONFUSION_METRIC, ROWS_METRIC

MetricKey: TypeAlias = metric_types.MetricKey

_COUNTS = (CONFUSION_METRIC, CLASSES_METRIC, ROWS_METRIC)


@dataclasses.dataclass(frozen=True)
class Confusion:
    """Counts of rows at the decision threshold."""

    tp: int
    fp: int
    tn: int
    fn: int

    @property
    def positives(self) -> int:
        """Rows whose label is 1."""
        return self.tp + self.fn

    @property
    def negatives(self) -> int:
        """Rows whose label is 0."""
        return self.tn + self.fp


@dataclasses.dataclass(frozen=True)
class SliceResult:
    """One slice, or a pair of slices that TFMA compared.

    Attributes:
        key: TFMA's slice key; a pair of keys for metrics across slices; () for all rows.
        name: The key as text, such as "carrier=AA, origin=JFK"; empty for all rows.
        rows: Number of rows; of the smaller slice for a pair.
        values: Each number by its metric key, which names model and whether it is a difference; NaN where undefined.
        confusion: Counts of each model at the decision threshold; empty for a pair, and unless the label is binary.
        one_class: Whether all rows of the slice are of one class; never for a numeric label.
        class_confusion: Rows of each model by true and predicted class, int64 of shape [classes, classes]; empty for a pair,
            and unless the label is multiclass.
    """

    key: Any
    name: str
    rows: int
    values: dict[MetricKey, float]
    confusion: dict[str, Confusion]
    one_class: bool
    class_confusion: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def lacks_class(self, number: int | None) -> bool:
        """Returns whether a multiclass label has no row of a class here, or of any class where none is named."""
        if not self.class_confusion:
            return False
        rows = self.class_confusion[CANDIDATE].sum(axis=1)
        return bool((rows == 0).any() if number is None else rows[number] == 0)

    def metrics(self, model: str) -> dict[str, float]:
        """Returns the metrics of one model by name, differences left out."""
        return {name_metric(key): value for key, value in self.values.items() if _model(key) == model and not key.is_diff}


def read_results(folder: str | Path, classes: int = 0) -> list[SliceResult]:
    """Returns all slices that TFMA wrote, all rows first, the others by name; pairs of slices come last.

    Args:
        folder: What TFMA wrote.
        classes: Number of classes of a multiclass label, else 0.
    """
    slices, pairs = {}, []
    for proto in model_eval_lib.load_metrics(str(folder)):
        if proto.HasField("cross_slice_key"):
            pairs.append(proto)
        elif proto.metric_keys_and_values:  # without them it only says why TFMA left the slice out
            key = slicer_lib.deserialize_slice_key(proto.slice_key)
            slices[key] = _read_slice(key, proto, classes)
    ordered = sorted(slices.values(), key=lambda result: (len(result.key), result.name))
    return ordered + sorted((_read_pair(proto, slices) for proto in pairs), key=lambda result: result.name)


def name_slice(key: Key) -> str:
    """Returns a slice's name, such as "carrier=AA, origin=JFK"; empty for all rows."""
    return ", ".join(f"{feature}={value}" for feature, value in key)


def name_metric(key: MetricKey) -> str:
    """Returns a metric's name without its model, such as "auc"."""
    weighted = "weighted_" if key.example_weighted and key.name != "weighted_example_count" else ""
    output = f"{key.output_name}/" if key.output_name else ""
    part = f"@{key.sub_key}" if key.sub_key else ""
    average = f"_{key.aggregation_type}" if key.aggregation_type else ""
    return f"{weighted}{output}{key.name}{average}{part}"


def _read_slice(key: Key, proto: Any, classes: int) -> SliceResult:
    found = [(MetricKey.from_proto(item.key), item.value) for item in proto.metric_keys_and_values]
    counts = {(metric.name, _model(metric)): value for metric, value in found if not metric.is_diff}
    confusion = {model: _read_confusion(value) for (name, model), value in counts.items() if name == CONFUSION_METRIC}
    matrices = {model: _read_matrix(value, classes) for (name, model), value in counts.items() if name == CLASSES_METRIC}
    if confusion:
        by_class = [confusion[CANDIDATE].positives, confusion[CANDIDATE].negatives]
    elif matrices:
        by_class = matrices[CANDIDATE].sum(axis=1).tolist()
    else:
        rows = round(_number(counts[ROWS_METRIC, CANDIDATE]) or 0)
        return SliceResult(key, name_slice(key), rows, _read_values(proto), {}, False)
    one_class = sum(count > 0 for count in by_class) < 2
    return SliceResult(key, name_slice(key), sum(by_class), _read_values(proto), confusion, one_class, matrices)


def _read_pair(proto: Any, slices: dict[Key, SliceResult]) -> SliceResult:
    key = slicer_lib.deserialize_cross_slice_key(proto.cross_slice_key)
    first, second = (slices[part] for part in key)
    name = f"{first.name or 'all rows'} against {second.name or 'all rows'}"
    one_class = first.one_class or second.one_class
    return SliceResult(key, name, min(first.rows, second.rows), _read_values(proto), {}, one_class)


def _read_values(proto: Any) -> dict[MetricKey, float]:
    found = ((MetricKey.from_proto(item.key), _number(item.value)) for item in proto.metric_keys_and_values)
    return {key: value for key, value in found if value is not None and key.name not in _COUNTS}


def _number(value: Any) -> float | None:
    """Returns a metric's number; None for one that is no single number, such as a matrix."""
    kind = value.WhichOneof("type")
    if kind == "double_value":
        return value.double_value.value
    if kind == "bounded_value":
        return value.bounded_value.value.value
    return math.nan if kind == "unknown_type" else None


def _read_confusion(value: Any) -> Confusion:
    counts = value.confusion_matrix_at_thresholds.matrices[0]
    sizes = (_count(counts, kind) for kind in ("true_positives", "false_positives", "true_negatives", "false_negatives"))
    return Confusion(*sizes)


def _read_matrix(value: Any, classes: int) -> np.ndarray:
    matrix = np.zeros((classes, classes), np.int64)
    for entry in value.multi_class_confusion_matrix_at_thresholds.matrices[0].entries:
        matrix[entry.actual_class_id, entry.predicted_class_id] = round(entry.num_weighted_examples)
    return matrix


def _count(counts: Any, kind: str) -> int:
    # With confidence intervals TFMA writes bounded counts and leaves the plain ones at zero.
    bounded = f"bounded_{kind}"
    field = getattr(counts, bounded).value.value if counts.HasField(bounded) else getattr(counts, kind)
    return round(field)


def _model(key: MetricKey) -> str:
    return BASELINE if key.model_name == BASELINE else CANDIDATE
