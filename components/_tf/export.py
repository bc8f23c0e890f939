"""Exports a Keras model with its transform graph as one SavedModel that takes raw rows.

Loading it needs TensorFlow alone. The signatures:

serving_default     one dense tensor of shape [None] per SERVING feature, markers for missing values → prediction
examples            serialized tf.Examples → prediction
transform_features  serialized tf.Examples → transformed features, without the label

The prediction is named and shaped after the kind of label: see components/_shared/label.py.
"""

from pathlib import Path
from typing import Any

import keras
import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_serving.apis import prediction_log_pb2

from components._data.schema import is_required, serving_features
from components._shared.artifacts import (
    ASSETS_EXTRA_DIR,
    EXAMPLES_INPUT,
    SIGNATURE_EXAMPLES,
    SIGNATURE_RAW,
    SIGNATURE_TRANSFORM,
    WARMUP_FILE,
)
from components._shared.interface import Interface
from components._shared.label import LabelKind, LabelSpec
from components._tf.interface import default_tensors
from components._tf.same_bytes import settle_fingerprint
from components._tf.saved_model import MISSING, dtype_of, raw_specs, serialize_examples
from components._tf.transform_graph import TransformGraph

WARMUP_BATCHES = (1, 16, 128)


class ServingModel(tf.Module):
    """A transform graph and a model, one after the other; what it holds is saved with it, for TF Serving to restore."""

    def __init__(self, model: keras.Model, graph: TransformGraph, features: list[str], label: LabelSpec) -> None:
        """Keeps the parts.

        Args:
            model: Takes a dict of the features; one output per row, or one per row and class.
            graph: The transform graph.
            features: Names of the transformed features that the model takes.
            label: What the model predicts.
        """
        super().__init__()
        # TF Serving restores what a saved object holds, by name. A Keras 3 variable would be saved twice, under the name
        # that is restored and under the one that the graph reads, which stays empty: hold its tf.Variable, not the model.
        self._call_model = lambda features: model(features, training=False)
        self.weights = [variable.value for variable in model.variables]
        self.graph = graph
        self._features = list(features)
        self._label = label

    def transform(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the transformed features of raw tensors of shape [batch], without the label."""
        transformed = self.graph(raw)
        return {name: transformed[name] for name in self._features}

    def predict(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the prediction for raw tensors of shape [batch]: float32 of shape [batch], or [batch, classes]."""
        return {self._label.output: self.shape_output(self._call_model(self.transform(raw)))}

    def shape_output(self, output: tf.Tensor) -> tf.Tensor:
        """Returns what the model gives, of shape [batch, 1] or [batch, classes], as it is served."""
        output = tf.cast(output, tf.float32)
        return output if self._label.kind is LabelKind.MULTICLASS else tf.squeeze(output, axis=-1)


def export_model(serving: ServingModel, schema: schema_pb2.Schema, path: str | Path) -> None:
    """Writes a SavedModel.

    Args:
        serving: The model with its graph.
        schema: The schema of the raw rows; its SERVING features are the inputs.
        path: Folder to write to.
    """
    serialized = tf.TensorSpec([None], tf.string, name=EXAMPLES_INPUT)
    signatures = {
        SIGNATURE_RAW: tf.function(lambda **raw: serving.predict(raw)).get_concrete_function(**raw_specs(schema)),
        SIGNATURE_EXAMPLES: tf.function(
            lambda examples: serving.predict(parse_examples(examples, schema))
        ).get_concrete_function(serialized),
        SIGNATURE_TRANSFORM: tf.function(
            lambda examples: serving.transform(parse_examples(examples, schema))
        ).get_concrete_function(serialized),
    }
    tf.saved_model.save(serving, str(path), signatures=signatures)
    settle_fingerprint(path)


def parse_examples(serialized: tf.Tensor, schema: schema_pb2.Schema) -> dict[str, tf.Tensor]:
    """Returns the tf.Examples of a request as raw tensors of shape [batch], with markers for missing values.

    An optional feature is missing when its key is not there or, as TFX writes it too, when its list is empty.
    """
    spec: dict[str, Any] = {}
    for feature in serving_features(schema):
        dtype = dtype_of(feature)
        spec[feature.name] = tf.io.FixedLenFeature([], dtype) if is_required(feature) else tf.io.VarLenFeature(dtype)
    parsed = tf.io.parse_example(serialized, spec)
    return {name: _with_markers(values) if isinstance(values, tf.SparseTensor) else values for name, values in parsed.items()}


def _with_markers(values: tf.SparseTensor) -> tf.Tensor:
    # One column: a second value in a list is refused as out of bounds.
    one_column = tf.SparseTensor(values.indices, values.values, [values.dense_shape[0], 1])
    return tf.squeeze(tf.sparse.to_dense(one_column, MISSING[values.dtype]), axis=1)


def write_warmup(path: str | Path, rows: pa.Table, schema: schema_pb2.Schema, interface: Interface) -> int:
    """Writes requests that TF Serving sends through each prediction signature before it calls a version available.

    The file is an uncompressed TFRecord of PredictionLogs; TF Serving refuses a version with more than 1000 of them. One that
    is there already stays.

    Args:
        path: Folder of the SavedModel.
        rows: Raw rows to make requests of; at least one.
        schema: The schema of the rows.
        interface: How the model is asked.

    Returns:
        The number of requests that were written.
    """
    file = Path(path) / ASSETS_EXTRA_DIR / WARMUP_FILE
    if file.is_file():
        return 0
    file.parent.mkdir(exist_ok=True)
    logs = []
    for size in sorted({min(size, rows.num_rows) for size in WARMUP_BATCHES}):
        batch = rows.slice(0, size)
        serialized = {interface.examples_input: tf.constant([_in_order(row) for row in serialize_examples(batch, schema)])}
        default = default_tensors(interface, batch, schema) if interface.raw else serialized
        logs.append(_predict_log(SIGNATURE_RAW, default))
        if interface.raw and interface.examples_signature:
            logs.append(_predict_log(interface.examples_signature, serialized))
    with tf.io.TFRecordWriter(str(file)) as writer:
        for log in logs:
            writer.write(log.SerializeToString(deterministic=True))
    return len(logs)


def _in_order(serialized: bytes) -> bytes:
    """Returns a serialized tf.Example with its features in order; the encoder has them in another one in every process."""
    return tf.train.Example.FromString(serialized).SerializeToString(deterministic=True)


def _predict_log(signature: str, inputs: dict[str, tf.Tensor]) -> Any:
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    for name, tensor in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(tensor.numpy(), dtype=tensor.dtype))
    return log
