"""Asks an exported model, whoever exported it, for predictions of raw rows: as raw tensors or as serialized tf.Examples."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_metadata.proto.v0 import schema_pb2

from components._data.schema import serving_features
from components._shared.artifacts import SAVED_MODEL_FILE
from components._shared.errors import UserError
from components._shared.interface import Interface, Signature, find_interface
from components._shared.label import LabelKind, LabelSpec
from components._tf.saved_model import predict_table, raw_tensors, serialize_examples

_INTERNAL = "__saved_model_init_op"


def read_interface(path: str | Path, schema: schema_pb2.Schema, label: LabelSpec) -> Interface:
    """Returns how a SavedModel is asked; it is not loaded.

    Args:
        path: Folder of the SavedModel.
        schema: The schema of the raw rows.
        label: What is predicted.

    Raises:
        UserError: If there is no SavedModel, or `find_interface` finds none.
    """
    return find_interface(read_signatures(path), [feature.name for feature in serving_features(schema)], label)


def read_signatures(path: str | Path) -> dict[str, Signature]:
    """Returns the signatures of a SavedModel by name, from its proto.

    Raises:
        UserError: If it cannot be read.
    """
    file = Path(path) / SAVED_MODEL_FILE
    try:
        proto = saved_model_pb2.SavedModel.FromString(file.read_bytes())
        definitions = proto.meta_graphs[0].signature_def
    except (OSError, DecodeError, IndexError) as error:
        raise UserError("The model is a SavedModel.", received=f"{file}: {error}", remedy="Run train_model again.") from error
    return {
        name: Signature(inputs=_dtypes(definition.inputs), outputs=_dtypes(definition.outputs))
        for name, definition in definitions.items()
        if name != _INTERNAL
    }


def predict_rows(
    model: Any, interface: Interface, table: pa.Table, schema: schema_pb2.Schema, label: LabelSpec, batch_rows: int = 16_384
) -> np.ndarray:
    """Returns the model's prediction of every row, through the signature `serving_default`.

    Args:
        model: What `load_model` returns.
        interface: How it is asked.
        table: Raw rows; needs the SERVING features of the schema, ignores other columns.
        schema: The schema of the raw rows.
        label: What is predicted.
        batch_rows: Rows per call of the signature.

    Returns:
        The predictions as `to_predictions` gives them.

    Raises:
        UserError: If the rows or the signature do not suit; see `predict_table`.
    """
    if interface.raw:
        values = predict_table(model, table, schema, batch_rows=batch_rows, output=interface.output)
        return to_predictions(values, interface, label)
    signature, outputs = model.signatures[interface.examples_signature], list[np.ndarray]()
    for start in range(0, max(table.num_rows, 1), batch_rows):
        inputs = examples_tensors(interface, table.slice(start, batch_rows), schema)
        outputs.append(signature(**inputs)[interface.output].numpy())
    return to_predictions(np.concatenate(outputs), interface, label)


def default_tensors(interface: Interface, table: pa.Table, schema: schema_pb2.Schema) -> dict[str, tf.Tensor]:
    """Returns what `serving_default` takes for rows: raw tensors of shape [rows], or serialized tf.Examples."""
    if not interface.raw:
        return examples_tensors(interface, table, schema)
    tensors = raw_tensors(table, schema)
    return tensors if interface.own else {name: tensors[name] for name in interface.raw}


def examples_tensors(interface: Interface, table: pa.Table, schema: schema_pb2.Schema) -> dict[str, tf.Tensor]:
    """Returns rows as the serialized tf.Examples, string of shape [rows], that the model's signature takes."""
    return {interface.examples_input: tf.constant(serialize_examples(table, schema), tf.string)}


def to_predictions(values: np.ndarray, interface: Interface, label: LabelSpec) -> np.ndarray:
    """Returns predictions as they are judged, of what the model's output holds.

    Logits become probabilities. Of two probabilities of a binary label the second is that of the label 1, unless the output has
    the name of a single one. An axis of length 1 goes. Any other shape stays as it is, for the caller to refuse.

    Args:
        values: Numbers of shape [rows], or [rows, n].
        interface: How the model is read.
        label: What is predicted.

    Returns:
        Numbers of shape [rows], or [rows, classes] for several classes.
    """
    if interface.own or values.ndim != 2:
        return _sigmoid(values) if interface.logits else values
    if interface.logits:
        values = _softmax(values) if values.shape[1] > 1 else _sigmoid(values)
    if label.kind is LabelKind.BINARY and values.shape[1] == 2 and interface.output != label.output:
        return values[:, 1]
    return values[:, 0] if values.shape[1] == 1 else values


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return (1 + np.tanh(values / 2)) / 2  # as 1 / (1 + exp(-x)), without its overflow


def _softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _dtypes(infos: Any) -> dict[str, str]:
    return {name: tf.dtypes.as_dtype(info.dtype).name for name, info in sorted(infos.items())}
