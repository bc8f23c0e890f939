"""Judges TFMA's numbers against the thresholds of the evaluation's configuration, slice by slice.

The bounds mean what they mean in TFMA (`metrics_validator`); what is added is the minimum slice size, a note for whatever was
not judged, and that an undefined number never passes. TFMA's own validation result lies beside, without those additions.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from tensorflow_model_analysis.metrics import metric_specs
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.slicer import slicer_lib

from components._shared.gates import Measurement
from components.evaluate_model.results import MetricKey, SliceResult, name_metric
from components.evaluate_model.tfma_config import BASELINE

_BOTH_CLASSES = {
    "AUC",
    "AUCPrecisionRecall",
    "MaxRecall",
    "PrecisionAtRecall",
    "RecallAtFalsePositiveRate",
    "RecallAtPrecision",
    "SensitivityAtSpecificity",
    "SpecificityAtSensitivity",
    "ThresholdAtRecall",
}
"""Metrics that mean nothing where all labels are equal, though TFMA gives 0 or NaN, by version."""

_Threshold = config_pb2.GenericValueThreshold | config_pb2.GenericChangeThreshold
_Spec = config_pb2.SlicingSpec | config_pb2.CrossSlicingSpec


def judge_thresholds(
    results: Sequence[SliceResult], config: config_pb2.EvalConfig, *, min_slice_size: int, changes: bool
) -> tuple[Measurement, ...]:
    """Returns one measurement per bound and slice it applies to.

    Args:
        results: The slices that TFMA wrote.
        config: The configuration that TFMA ran with.
        min_slice_size: Slices with fewer rows are reported and not judged; all rows together always are.
        changes: Whether to judge the change thresholds, candidate less baseline, instead of the value thresholds.
    """
    ranking = _needs_both_classes(config)
    measurements: list[Measurement] = []
    for key, spec, threshold in _bounds(config, changes):
        chosen = [result for result in results if _applies(spec, result.key)]
        if not chosen:
            note = "no such slice was evaluated: no row is in it, or slicing_specs does not name it"
            measurements.append(Measurement(name=name_metric(key), value=None, slice=_name_spec(spec), passed=False, note=note))
        for result in chosen:
            undefined = result.one_class and key.name in ranking
            small = bool(result.key) and result.rows < min_slice_size
            measurements += _measure(key, threshold, result, undefined=undefined, min_rows=min_slice_size if small else 0)
    return tuple(measurements)


def primary_metric(config: config_pb2.EvalConfig) -> tuple[str, bool] | None:
    """Returns the name of the first metric that is bounded on one side, and whether higher is better; None without one."""
    for changes in (True, False):
        for key, _, threshold in _bounds(config, changes):
            if isinstance(threshold, config_pb2.GenericChangeThreshold):
                return name_metric(key), threshold.direction == config_pb2.HIGHER_IS_BETTER
            if threshold.HasField("lower_bound") != threshold.HasField("upper_bound"):
                return name_metric(key), threshold.HasField("lower_bound")
    return None


def _bounds(config: config_pb2.EvalConfig, changes: bool) -> Iterator[tuple[MetricKey, _Spec, _Threshold]]:
    found = metric_specs.metric_thresholds_from_metrics_specs(config.metrics_specs, eval_config=config)
    for key, items in found.items():
        if key.model_name != BASELINE and key.is_diff == changes:
            for spec, threshold in items:
                yield key, spec if spec is not None else config_pb2.SlicingSpec(), threshold


def _needs_both_classes(config: config_pb2.EvalConfig) -> set[str]:
    found = metric_specs.keys_and_metrics_from_specs(config, config.metrics_specs)
    return {key.name for key, metric, _ in found if metric.class_name in _BOTH_CLASSES}


def _applies(spec: _Spec, key: Any) -> bool:
    if slicer_lib.is_cross_slice_key(key):
        return isinstance(spec, config_pb2.CrossSlicingSpec) and slicer_lib.is_cross_slice_applicable(key, spec)
    return isinstance(spec, config_pb2.SlicingSpec) and slicer_lib.SingleSliceSpec(spec=spec).is_slice_applicable(key)


def _name_spec(spec: _Spec) -> str:
    if isinstance(spec, config_pb2.CrossSlicingSpec):
        return f"{_name_spec(spec.baseline_spec)} against {'; '.join(_name_spec(item) for item in spec.slicing_specs)}"
    return ", ".join([*(f"{name}=…" for name in spec.feature_keys), *(f"{k}={v}" for k, v in spec.feature_values.items())])


def _measure(
    key: MetricKey, threshold: _Threshold, result: SliceResult, *, undefined: bool, min_rows: int
) -> Iterator[Measurement]:
    value = math.nan if undefined else result.values.get(key, math.nan)
    name = name_metric(key)
    if isinstance(threshold, config_pb2.GenericValueThreshold):
        lower = threshold.lower_bound.value if threshold.HasField("lower_bound") else None
        upper = threshold.upper_bound.value if threshold.HasField("upper_bound") else None
        yield _judge(name, value, lower, upper, result, undefined, min_rows)
        return
    higher = threshold.direction == config_pb2.HIGHER_IS_BETTER
    if threshold.HasField("absolute"):
        bound = threshold.absolute.value
        bounds = (bound, None) if higher else (None, bound)
        yield _judge(f"change of {name}", value, *bounds, result, undefined, min_rows)
    if threshold.HasField("relative"):
        bound, live = threshold.relative.value, result.values.get(key.make_baseline_key(BASELINE), math.nan)
        ratio = math.nan if math.isclose(live, 0.0) else value / live
        bounds = (bound, None) if higher else (None, bound)
        yield _judge(f"relative change of {name}", ratio, *bounds, result, undefined, min_rows)


def _judge(
    name: str,
    value: float,
    lower: float | None,
    upper: float | None,
    result: SliceResult,
    undefined: bool,
    min_rows: int,
) -> Measurement:
    finite = math.isfinite(value)
    within = finite and (lower is None or value >= lower) and (upper is None or value <= upper)
    why = "all labels of these rows are equal" if undefined else "TFMA has no number for it"
    notes = [f"not defined: {why}"] if not finite else []
    notes += [f"fewer than {min_rows:,} rows"] if min_rows else []
    return Measurement(
        name=name,
        value=value if finite else None,
        slice=result.name,
        lower_bound=lower,
        upper_bound=upper,
        rows=result.rows,
        passed=None if min_rows else within,
        note="; ".join(notes),
    )
