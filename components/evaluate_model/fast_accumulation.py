"""Runs TFMA with the accumulation of a slice's rows done by numpy in one go.

Stock TFMA makes one Python call per row, slice and metric, which is nearly all of its time. Here the accumulators that its
combiners would have built row by row are built from whole columns; what follows (extracted outputs, derived metrics, metrics
across slices, differences to the baseline, validation and files) is TFMA's own code, so the artifact is TFMA's own too.

This module, and `accumulators`, `keras_formulas` and `matrices`, which only it uses, touch private names of TFMA. They were
read in the versions of `VERIFIED_VERSIONS`, and a test holds the numbers equal to stock TFMA's. `unsupported_reason` decides
before any row is processed; what it names is left to stock TFMA. Labels and predictions are what their kind asks for: the
caller has checked both.
"""

from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.evaluators import evaluator, metrics_validator
from tensorflow_model_analysis.evaluators import metrics_plots_and_validations_evaluator as stock
from tensorflow_model_analysis.extractors import extractor
from tensorflow_model_analysis.metrics import metric_specs, metric_types
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_model_analysis.utils import model_util
from tensorflow_model_analysis.version import VERSION

from components._data.vectors import to_array
from components.evaluate_model import accumulators
from components.evaluate_model.matrices import vectorise
from components.evaluate_model.slice_rows import Spec, group_rows, slice_specs, unsupported_slicing

VERIFIED_VERSIONS = ("0.47.", "0.52.")


def unsupported_reason(config: config_pb2.EvalConfig, table: pa.Table) -> str:
    """Returns why this evaluation has to be left to stock TFMA, as half a sentence; empty when it need not.

    Args:
        config: The configuration with its defaults applied.
        table: Label, predictions and whatever the slices need.
    """
    if not VERSION.startswith(VERIFIED_VERSIONS):
        return f"TFMA {VERSION} is not among the versions that were read ({', '.join(VERIFIED_VERSIONS)}…)"
    kind = table[config.model_specs[0].prediction_key].type
    classes = kind.list_size if pa.types.is_fixed_size_list(kind) else 0
    return (
        _unsupported_option(config, classes)
        or unsupported_slicing(config, table)
        or _unsupported_computation(_computations(config), classes)
    )


def extractors() -> list[extractor.Extractor]:
    """Returns the extractors to go with `evaluators`: none is needed, but TFMA wants one."""
    return [extractor.Extractor(stage_name="Identity", ptransform=beam.Map(_identity))]


def evaluators(config: config_pb2.EvalConfig) -> list[evaluator.Evaluator]:
    """Returns the evaluator that takes paths of Parquet files as input, each a whole data set."""
    transform = _Evaluate(config)  # pylint: disable=no-value-for-parameter
    return [evaluator.Evaluator(stage_name="EvaluateMetricsAndPlots", run_after="Identity", ptransform=transform)]


def _identity(value: Any) -> Any:
    return value


def _computations(config: config_pb2.EvalConfig) -> Any:
    computations = metric_specs.to_computations(list(config.metrics_specs), eval_config=config)
    return stock._filter_and_separate_computations(computations)


def _unsupported_option(config: config_pb2.EvalConfig, classes: int) -> str:
    options, metrics, models = config.options, config.metrics_specs, config.model_specs
    used = {
        "confidence intervals are asked for": options.compute_confidence_intervals.value,
        "options.min_slice_size is set": options.min_slice_size.value > 1,
        "a metric is grouped by a query key": any(spec.query_key for spec in metrics),
        "a metric is binarized or aggregated": not classes
        and any(spec.HasField("binarize") or spec.HasField("aggregate") for spec in metrics),
        "a metric names outputs": any(spec.output_names for spec in metrics),
        "examples are weighted": any(spec.example_weight_key or spec.example_weight_keys for spec in models),
    }
    return next((reason for reason, is_used in used.items() if is_used), "")


def _unsupported_computation(computations: Any, classes: int) -> str:
    if computations.ci_derived_computations:
        return "a metric is derived from confidence intervals"
    for computation in computations.non_derived_computations:
        standard = all(type(item) is metric_types.StandardMetricInputsPreprocessor for item in computation.preprocessors or ())
        if not standard or not accumulators.is_supported(computation.combiner, classes):
            return f"the metric {computation.keys[0].name.lstrip('_')!r} has no vectorised accumulation"
    return ""


class _AccumulateSlices(beam.DoFn):
    """Turns the path of a Parquet file into (slice key, extracted output of every combiner)."""

    def __init__(self, config: config_pb2.EvalConfig, specs: list[Spec], computations: list[Any]) -> None:
        self._label = config.model_specs[0].label_key
        self._models = {model.name: model.prediction_key for model in config.model_specs}
        self._specs = specs
        self._combiners = [computation.combiner for computation in computations]

    def setup(self) -> None:
        for combiner in self._combiners:
            combiner.setup()

    def process(self, extracts: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
        table = pq.read_table(extracts[constants.INPUT_KEY])
        labels = table[self._label].to_numpy()
        predictions = {name: to_array(table[key]) for name, key in self._models.items()}
        for slice_key, index in group_rows(table, self._specs):
            rows = accumulators.Rows(labels[index], {name: values[index] for name, values in predictions.items()})
            outputs = (accumulators.extract(combiner, rows) for combiner in self._combiners)
            yield slice_key, {key: value for output in outputs for key, value in output.items()}


@beam.ptransform_fn
def _Evaluate(extracts: Any, config: config_pb2.EvalConfig) -> dict[str, Any]:  # noqa: N802 - Beam's way to name a transform
    """What TFMA's evaluator does after the fan-out to slices, in the same order."""
    computations = _computations(config)
    baseline = model_util.get_baseline_model_spec(config)
    accumulate = _AccumulateSlices(config, slice_specs(config), computations.non_derived_computations)
    results = (
        extracts
        | "AccumulateSlices" >> beam.ParDo(accumulate)
        | "Derive"
        >> stock._AddDerivedCrossSliceAndDiffMetrics(
            [vectorise(computation) for computation in computations.derived_computations],
            computations.cross_slice_computations,
            list(config.cross_slicing_specs),
            baseline.name if baseline else None,
        )
        | "RemovePrivate" >> beam.MapTuple(stock._remove_private_metrics)
    )
    kinds = (
        (constants.METRICS_KEY, metric_types.MetricKey),
        (constants.PLOTS_KEY, metric_types.PlotKey),
        (constants.ATTRIBUTIONS_KEY, metric_types.AttributionsKey),
    )
    outputs = {key: results | f"Filter {key}" >> beam.Map(stock._filter_by_key_type, kind) for key, kind in kinds}
    validations = outputs[constants.METRICS_KEY] | "Validate" >> beam.Map(metrics_validator.validate_metrics, config)
    return {**outputs, constants.VALIDATIONS_KEY: validations}
