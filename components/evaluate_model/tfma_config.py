"""Reads the user's tfma.EvalConfig and prepares the one that TFMA runs with.

Two things are added to what the user wrote: the two models as materialized predictions, and counts by the kind of label. The
counts of a binary label are those at the decision threshold (they give each slice's size and the confusion matrix), of a
multiclass label rows by true and predicted class, of a numeric label rows.

One thing is read differently: in TFMA a metric's plain `threshold` applies to every slice, also to a slice without a single
positive row. Here it applies to all rows together; slices have `per_slice_thresholds` and `cross_slice_thresholds`.
"""

import copy
import json
import math
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from tensorflow_model_analysis.metrics import (
    binary_confusion_matrices,
    metric_specs,
    multi_class_confusion_matrix_metrics,
)
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.slicer import slicer_lib
from tensorflow_model_analysis.utils import config_util

from components._shared.artifacts import BASELINE, CANDIDATE
from components._shared.errors import UserError
from components._shared.label import LabelKind

PREDICTION_KEYS = {CANDIDATE: "__candidate__", BASELINE: "__baseline__"}
"""Columns of predictions beside the features; named so that no feature is in their way."""
CONFUSION_METRIC = "confusion_at_decision_threshold"
CLASSES_METRIC = "confusion_of_classes"
ROWS_METRIC = "rows_of_slice"

_OF_CLASSES = ("Categorical", "MultiClass", "SparseCategorical", "SparseTopK", "TopKCategorical")
_UNSUITED = {
    LabelKind.BINARY: _OF_CLASSES,
    LabelKind.MULTICLASS: ("Binary", "Categorical", "TopKCategorical"),
    LabelKind.NUMERIC: ("Binary", *_OF_CLASSES),
}
"""How the names of metrics begin that TFMA would compute for another kind of label all the same, and wrongly."""
_COMBINERS_OF_CLASSES = (
    binary_confusion_matrices._BinaryConfusionMatrixCombiner,
    multi_class_confusion_matrix_metrics._MultiClassConfusionMatrixCombiner,
)


def parse_eval_config(document: dict[str, Any], label: str, kind: LabelKind = LabelKind.BINARY) -> config_pb2.EvalConfig:
    """Returns the user's configuration, checked.

    Args:
        document: A tfma.EvalConfig in JSON form.
        label: Name of the label in the examples.
        kind: Its kind.

    Raises:
        UserError: If a key or value is unknown to TFMA, the label is another, there is not exactly one model, a metric does
            not exist or is one of another kind of label, or a threshold bounds nothing or stands apart from its metric.
    """
    try:
        config = json_format.ParseDict(_unwrap(document), config_pb2.EvalConfig())
    except json_format.ParseError as error:
        remedy = "Mend that key under `evaluation` in project.yaml."
        raise UserError("The evaluation's configuration is a tfma.EvalConfig.", received=error, remedy=remedy) from error
    models = [model for model in config.model_specs if not model.is_baseline]
    if len(models) != 1:
        raise UserError("evaluation.model_specs names one model.", received=len(models), remedy="Write `- label_key: <label>`.")
    if models[0].label_key != label:
        raise UserError("evaluation.model_specs[0].label_key is the label of the examples.", received=models[0].label_key)
    for spec in config.metrics_specs:
        if by_name := sorted({*spec.thresholds, *spec.per_slice_thresholds, *spec.cross_slice_thresholds}):
            rule = "A threshold stands under its metric; TFMA keeps thresholds by name for metrics inside a model."
            remedy = "Move it to evaluation.metrics_specs[…].metrics[…].threshold."
            raise UserError(rule, received=f"thresholds by name for {', '.join(by_name)}", remedy=remedy)
    for where, threshold in _thresholds(config):
        _check_threshold(where, threshold)
    _check_with_tfma(config)
    _check_kind(config, kind)
    return config


def prepare_eval_config(
    config: config_pb2.EvalConfig, *, with_baseline: bool, decision_threshold: float, kind: LabelKind = LabelKind.BINARY
) -> config_pb2.EvalConfig:
    """Returns the configuration that TFMA runs with; see the module's text.

    Args:
        config: What `parse_eval_config` returns.
        with_baseline: Whether there are predictions of a baseline; without them change thresholds are taken out.
        decision_threshold: Predictions above it count as positive.
        kind: Kind of the label.
    """
    prepared = copy.deepcopy(config)
    models = [model for model in prepared.model_specs if not model.is_baseline]
    models[0].name, models[0].prediction_key = "", PREDICTION_KEYS[CANDIDATE]
    del prepared.model_specs[:]
    prepared.model_specs.extend(models)
    for spec in prepared.metrics_specs:
        del spec.model_names[:]
        _bind_plain_thresholds(spec)
    _add_overall(prepared)
    counts = prepared.metrics_specs.add()
    counts.metrics.append(_counts(kind, decision_threshold))
    counts.example_weights.unweighted = True
    prepared = config_util.update_eval_config_with_defaults(prepared, has_baseline=with_baseline, rubber_stamp=True)
    for model in prepared.model_specs:
        model.prediction_key = PREDICTION_KEYS[model.name or CANDIDATE]
    return prepared


def _counts(kind: LabelKind, decision_threshold: float) -> config_pb2.MetricConfig:
    class_name, settings = {
        LabelKind.BINARY: ("ConfusionMatrixAtThresholds", {"name": CONFUSION_METRIC, "thresholds": [decision_threshold]}),
        # No largest probability is as low as 0, so every row counts under the class that it is predicted to be of.
        LabelKind.MULTICLASS: ("MultiClassConfusionMatrixAtThresholds", {"name": CLASSES_METRIC, "thresholds": [0.0]}),
        LabelKind.NUMERIC: ("ExampleCount", {"name": ROWS_METRIC}),
    }[kind]
    return config_pb2.MetricConfig(class_name=class_name, config=json.dumps(settings))


def has_change_threshold(config: config_pb2.EvalConfig) -> bool:
    """Returns whether any metric is bounded against the baseline."""
    return config_util.has_change_threshold(config)


def _check_with_tfma(config: config_pb2.EvalConfig) -> None:
    try:
        config_util.verify_eval_config(config)
        for spec in config.metrics_specs:
            metric_specs.to_computations([spec], eval_config=config)
        for spec in config.slicing_specs:
            slicer_lib.SingleSliceSpec(spec=spec)
    except (ValueError, TypeError, NotImplementedError, AttributeError, ImportError) as error:
        rule = "The evaluation's configuration holds metrics and slices that TFMA knows, with their settings."
        raise UserError(rule, received=error) from error


def _check_kind(config: config_pb2.EvalConfig, kind: LabelKind) -> None:
    """Refuses metrics of another kind of label, of which TFMA would give numbers that mean nothing."""
    for spec in config.metrics_specs:
        is_binary = kind is LabelKind.MULTICLASS and (spec.HasField("binarize") or spec.HasField("aggregate"))
        for metric in spec.metrics:
            wrong = metric.class_name.startswith(_UNSUITED[kind]) and not (is_binary and metric.class_name.startswith("Binary"))
            if wrong or (kind is LabelKind.NUMERIC and _counts_classes(config, spec, metric)):
                remedy = "Name a metric of this kind under evaluation.metrics_specs."
                rule = f"The metrics are those of a {kind.value} label."
                raise UserError(rule, received=metric.class_name, remedy=remedy)


def _counts_classes(config: config_pb2.EvalConfig, spec: config_pb2.MetricsSpec, metric: config_pb2.MetricConfig) -> bool:
    single = copy.deepcopy(spec)
    del single.metrics[:]
    single.metrics.append(metric)
    computations = metric_specs.to_computations([single], eval_config=config)
    combiners = [getattr(computation, "combiner", None) for computation in computations]
    return any(
        isinstance(combiner, _COMBINERS_OF_CLASSES) or getattr(combiner, "_fractional_labels", False) for combiner in combiners
    )


def _unwrap(value: Any) -> Any:
    """Writes wrapped numbers, `{"value": 0.5}` as in TFMA's own examples, as JSON has them: `0.5`."""
    if isinstance(value, list):
        return [_unwrap(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"value"} and isinstance(value["value"], bool | int | float):
        return value["value"]
    return {key: _unwrap(item) for key, item in value.items()}


def _add_overall(config: config_pb2.EvalConfig) -> None:
    if not any(spec.ByteSize() == 0 for spec in config.slicing_specs):
        config.slicing_specs.add()


def _bind_plain_thresholds(spec: config_pb2.MetricsSpec) -> None:
    """Turns each plain threshold into one on the slice of all rows."""
    for metric in spec.metrics:
        if metric.threshold.ByteSize():
            metric.per_slice_thresholds.add(slicing_specs=[config_pb2.SlicingSpec()], threshold=metric.threshold)
        metric.ClearField("threshold")


def _thresholds(config: config_pb2.EvalConfig) -> Iterator[tuple[str, config_pb2.MetricThreshold]]:
    for spec in config.metrics_specs:
        for metric in spec.metrics:
            if metric.HasField("threshold"):
                yield metric.class_name, metric.threshold
            for item in (*metric.per_slice_thresholds, *metric.cross_slice_thresholds):
                yield metric.class_name, item.threshold


def _check_threshold(where: str, threshold: config_pb2.MetricThreshold) -> None:
    """Refuses what TFMA would accept and never say no to."""
    value, change = threshold.value_threshold, threshold.change_threshold
    if not threshold.HasField("value_threshold") and not threshold.HasField("change_threshold"):
        raise UserError(f"A threshold of {where} has a value_threshold or a change_threshold.", received="neither")
    if threshold.HasField("value_threshold") and not (value.HasField("lower_bound") or value.HasField("upper_bound")):
        raise UserError(f"A value_threshold of {where} has a lower_bound or an upper_bound.", received="neither")
    numbers = [end.value for end in (value.lower_bound, value.upper_bound, change.absolute, change.relative)]
    if not all(math.isfinite(number) for number in numbers):
        raise UserError(f"The bounds of {where} are finite numbers: nothing is beyond the others.", received=numbers)
    if not threshold.HasField("change_threshold"):
        return
    if change.direction not in (config_pb2.HIGHER_IS_BETTER, config_pb2.LOWER_IS_BETTER):
        raise UserError(
            f"A change_threshold of {where} has a direction, HIGHER_IS_BETTER or LOWER_IS_BETTER.",
            received=config_pb2.MetricDirection.Name(change.direction),
        )
    if not (change.HasField("absolute") or change.HasField("relative")):
        raise UserError(f"A change_threshold of {where} is absolute or relative.", received="neither")
