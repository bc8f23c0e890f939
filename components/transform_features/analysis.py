"""Fits the transform graph: TFT's analyzers on Beam over the training split."""

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio.tensor_adapter import TensorAdapterConfig

from components._data.examples import iterate_split
from components._data.record_batches import to_record_batch
from components._data.schema import is_required, read_schema
from components._shared.artifacts import SCHEMA_FILE, TRAIN
from components._shared.outputs import write_text
from components._tf.same_bytes import settle_graph
from components._tf.saved_model import ARROW_TYPES, MISSING, dtype_of, typed_column
from components._tf.transform_graph import TRANSFORM_FN_DIR
from components.transform_features.checks import checked_outputs, graph_failed


def analyze(
    *, examples: str, schema: str, preprocessing_fn: Callable[..., Any], transform_graph: str | Path, may_ignore: str = ""
) -> None:
    """Computes every `tft` analyzer over the training split and writes the transform graph in TFT's layout.

    Args:
        examples: Folder of the examples.
        schema: Folder of the schema.
        preprocessing_fn: The project's function.
        transform_graph: Folder to write to.
        may_ignore: A feature that is no input of the graph if preprocessing_fn does not use it, so that a module that
            parses requests by the graph's inputs does not ask for it.

    Raises:
        UserError: If preprocessing_fn returns something else than tensors of a known dtype by name, or fails on a row.
    """
    inputs = _inputs(read_schema(schema), preprocessing_fn, may_ignore)
    config, source = _adapter_config(inputs), (examples, inputs.SerializeToString())
    next(_read_training_batches(source), None)  # what is wrong with the columns is told before Beam starts
    # Beam logs every error in its own words before it raises it.
    logging.getLogger("apache_beam.runners.common").setLevel(logging.CRITICAL)
    # The runner is named: Beam's default may download another one. Paths go through Create, since what a function closes
    # over is pickled into every stage.
    with (
        _row_errors(),
        tempfile.TemporaryDirectory(prefix="sluice-transform-") as scratch,
        tft_beam.Context(temp_dir=scratch),
        beam.Pipeline(runner=FnApiRunner()) as pipeline,
    ):
        batches = pipeline | beam.Create([source]) | beam.FlatMap(_read_training_batches)
        transform_fn = (batches, config) | tft_beam.AnalyzeDataset(checked_outputs(preprocessing_fn))
        _ = transform_fn | tft_beam.WriteTransformFn(str(transform_graph))
    settle_graph(Path(transform_graph) / TRANSFORM_FN_DIR, scratch, "transform")
    _write_raw_metadata(inputs, Path(transform_graph))


def _inputs(schema: schema_pb2.Schema, preprocessing_fn: Callable[..., Any], may_ignore: str) -> schema_pb2.Schema:
    """Returns the schema of the graph's inputs: a feature that TFT makes sparse has no shape there."""
    inputs = schema_pb2.Schema()
    inputs.CopyFrom(schema)
    for feature in inputs.feature:
        if not is_required(feature):
            feature.ClearField("shape")
    if may_ignore in {feature.name for feature in inputs.feature}:
        specs = {feature.name: _type_spec(feature) for feature in inputs.feature}
        if may_ignore not in tft.get_transform_input_columns(checked_outputs(preprocessing_fn), specs):
            del inputs.feature[[feature.name for feature in inputs.feature].index(may_ignore)]
    return inputs


def _type_spec(feature: schema_pb2.Feature) -> tf.TypeSpec:
    dtype = dtype_of(feature)
    return tf.TensorSpec([None], dtype) if is_required(feature) else tf.SparseTensorSpec([None, None], dtype)


def _write_raw_metadata(inputs: schema_pb2.Schema, transform_graph: Path) -> None:
    """Writes what `tft.TFTransformOutput.raw_feature_spec` reads."""
    folder = transform_graph / tft.TFTransformOutput.RAW_METADATA_DIR
    folder.mkdir()
    write_text(folder / SCHEMA_FILE, text_format.MessageToString(inputs))


@contextlib.contextmanager
def _row_errors() -> Iterator[None]:
    """Turns what TFT raises when the graph of preprocessing_fn fails on rows into a UserError."""
    try:
        yield
    except ValueError as error:
        if "trying to apply the transformation" not in str(error):
            raise
        raise graph_failed(error) from error


def _adapter_config(schema: schema_pb2.Schema) -> TensorAdapterConfig:
    """Returns how record batches become tensors: required features dense of shape [batch], others sparse, as in TFX."""
    representations = {}
    for feature in schema.feature:
        representation = schema_pb2.TensorRepresentation()
        if is_required(feature):
            representation.dense_tensor.column_name = feature.name
            representation.dense_tensor.shape.SetInParent()
        else:
            representation.varlen_sparse_tensor.column_name = feature.name
        representations[feature.name] = representation
    columns = [(feature.name, pa.large_list(ARROW_TYPES[dtype_of(feature)])) for feature in schema.feature]
    return TensorAdapterConfig(pa.schema(columns), representations)


def _read_training_batches(source: tuple[str, bytes]) -> Iterator[pa.RecordBatch]:
    examples, schema = source[0], schema_pb2.Schema.FromString(source[1])
    for table in iterate_split(examples, TRAIN, [feature.name for feature in schema.feature]):
        columns = {feature.name: _without_markers(typed_column(table, feature), feature) for feature in schema.feature}
        yield to_record_batch(pa.table(columns))


def _without_markers(column: pa.ChunkedArray, feature: schema_pb2.Feature) -> pa.ChunkedArray:
    """Returns the column with what serving takes for a missing value as null, so that training sees the same."""
    if is_required(feature):
        return column
    dtype = dtype_of(feature)
    marked = pc.is_nan(column) if dtype == tf.float32 else pc.equal(column, pa.scalar(MISSING[dtype], column.type))
    return pc.if_else(marked, pa.scalar(None, column.type), column)
