"""Judges TFMA's numbers against the thresholds of the evaluation's configuration, slice by slice.

The bounds mean what they mean in TFMA (`metrics_validator`); what is added is the minimum slice size, a note for whatever was
not judged, and that an undefined number never passes. TFMA's own validation result lies beside, without those additions.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from tensorflow_model_analysis.metrics import metric_specs
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.slicer import slicer_lib

from components._shared.artifacts import BASELINE
from components._shared.gates import Measurement
from components.evaluate_model.results import MetricKey, SliceResult, name_metric

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

_Threshold: TypeAlias = Any
"""A GenericValueThreshold or a GenericChangeThreshold."""
_Spec: TypeAlias = Any
"""A SlicingSpec or a CrossSlicingSpec."""


def judge_thresholds(
    results: Sequence[SliceResult], config: config_pb2.EvalConfig, *, min_slice_size: int, changes: bool
) -> tuple[Measurement, ...]:
    """Returns one measurement per bound and slice it applies to.

    Args:
        results: The slices that TFMA wrote.
        config: The configuration that TFMA ran with.
        min_slice_size: Slices with fewer rows are reported and not judged; all rows together always are.
        changes: Whether to judge the change thresholds, candidate less baseline, instead of the value thresholds.

    Returns:
        The measurements over all rows first, since a reader takes the first one that fails for the reason.
    """
    ranking = _needs_both_classes(config)
    measurements: list[Measurement] = []
    for key, spec, threshold in _bounds(config, changes):
        chosen = [result for result in results if _applies(spec, result.key)]
        if not chosen:
            note = "no such slice was evaluated: no row is in it, or slicing_specs does not name it"
            measurements.append(Measurement(name=name_metric(key), value=None, slice=_name_spec(spec), passed=False, note=note))
        for result in chosen:
            undefined = _lacks_class(result, key) if key.name in ranking else ""
            small = bool(result.key) and result.rows < min_slice_size
            measurements += _measure(key, threshold, result, undefined=undefined, min_rows=min_slice_size if small else 0)
    return tuple(sorted(measurements, key=lambda item: bool(item.slice)))


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


def _lacks_class(result: SliceResult, key: MetricKey) -> str:
    """Returns how the rows lack a class that the metric ranks, as half a sentence; empty when they do not."""
    if result.one_class:
        return "all labels of these rows are equal"
    lacks = result.lacks_class(key.sub_key.class_id if key.sub_key else None)
    return "a class has no row among these" if lacks else ""


def _applies(spec: _Spec, key: Any) -> bool:
    if slicer_lib.is_cross_slice_key(key):
        return isinstance(spec, config_pb2.CrossSlicingSpec) and slicer_lib.is_cross_slice_applicable(key, spec)
    return isinstance(spec, config_pb2.SlicingSpec) and slicer_lib.SingleSliceSpec(spec=spec).is_slice_applicable(key)


def _name_spec(spec: _Spec) -> str:
    if isinstance(spec, config_pb2.CrossSlicingSpec):
        return f"{_name_spec(spec.baseline_spec)} against {'; '.join(_name_spec(item) for item in spec.slicing_specs)}"
    return ", ".join([*(f"{name}=…" for name in spec.feature_keys), *(f"{k}={v}" for k, v in spec.feature_values.items())])


def _measure(
    key: MetricKey, threshold: _Threshold, result: SliceResult, *, undefined: str, min_rows: int
) -> Iterator[Measurement]:
    value = math.nan if undefined else result.values.get(key, math.nan)
    name = name_metric(key)
    note = _note(undefined, min_rows)
    if isinstance(threshold, config_pb2.GenericValueThreshold):
        lower = threshold.lower_bound.value if threshold.HasField("lower_bound") else None
        upper = threshold.upper_bound.value if threshold.HasField("upper_bound") else None
        yield _judge(name, value, (lower, upper), result, note)
        return
    higher = threshold.direction == config_pb2.HIGHER_IS_BETTER
    if threshold.HasField("absolute"):
        bound = threshold.absolute.value
        yield _judge(f"change of {name}", value, (bound, None) if higher else (None, bound), result, note)
    if threshold.HasField("relative"):
        bound, live = threshold.relative.value, result.values.get(key.make_baseline_key(BASELINE), math.nan)
        ratio = math.nan if math.isclose(live, 0.0) else value / live
        yield _judge(f"relative change of {name}", ratio, (bound, None) if higher else (None, bound), result, note)


@dataclasses.dataclass(frozen=True)
class _Note:
    text: str
    judged: bool


def _note(undefined: str, min_rows: int) -> _Note:
    notes = [f"not defined, since {undefined}"] if undefined else []
    notes += [f"fewer than {min_rows:,} rows"] if min_rows else []
    return _Note("; ".join(notes), not min_rows)


def _judge(name: str, value: float, bounds: tuple[float | None, float | None], result: SliceResult, note: _Note) -> Measurement:
    (lower, upper), finite = bounds, math.isfinite(value)
    within = finite and (lower is None or value >= lower) and (upper is None or value <= upper)
    return Measurement(
        name=name,
        value=value if finite else None,
        slice=result.name,
        lower_bound=lower,
        upper_bound=upper,
        rows=result.rows,
        passed=within if note.judged else None,
        note=note.text or ("" if finite else "not defined, since TFMA has no number for it"),
    )
