"""Loads an exported model and sends it rows of an Arrow table: as raw tensors or as serialized tf.Examples.

Raw tensors are dense, so a missing value of an optional feature travels as a marker: the empty string, NaN, or the least
int64. The exported model turns the markers back into missing values.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders import example_coder

from components._data.record_batches import canonical_type, to_record_batch
from components._data.schema import is_required, serving_features
from components._shared.artifacts import SIGNATURE_RAW
from components._shared.errors import UserError
from components._shared.label import OUTPUT_KEYS, LabelKind

PREDICTION_KEY = OUTPUT_KEYS[LabelKind.BINARY]
"""Name of a binary model's output in every prediction signature."""

DTYPES = {schema_pb2.BYTES: tf.string, schema_pb2.FLOAT: tf.float32, schema_pb2.INT: tf.int64}
MISSING: dict[tf.DType, Any] = {tf.string: b"", tf.float32: float("nan"), tf.int64: tf.int64.min}
"""What stands for a missing value of an optional feature in a dense tensor."""

ARROW_TYPES = {tf.string: pa.binary(), tf.float32: pa.float32(), tf.int64: pa.int64()}


def load_model(path: str | Path) -> Any:
    """Loads a SavedModel, ready to be called through its `signatures`.

    Args:
        path: Folder that holds `saved_model.pb`, such as `<model>/Format-Serving`.

    Raises:
        UserError: If there is no SavedModel, it cannot be loaded, or it has no `serving_default` signature.
    """
    try:
        model = tf.saved_model.load(str(path))
    except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
        raise UserError(
            "The model is a SavedModel that TensorFlow can load.", received=f"{path}: {error}", remedy="Run train_model again."
        ) from error
    if SIGNATURE_RAW not in model.signatures:
        raise UserError(f"The model has the signature {SIGNATURE_RAW!r}.", received=sorted(model.signatures))
    return model


def predict_table(
    model: Any, table: pa.Table, schema: schema_pb2.Schema, *, batch_rows: int = 16_384, output: str = PREDICTION_KEY
) -> np.ndarray:
    """Returns the model's prediction of every row, through the signature `serving_default`.

    Args:
        model: What `load_model` returns.
        table: Raw rows; needs the SERVING features of the schema, ignores other columns.
        schema: The schema of the raw rows.
        batch_rows: Rows per call of the signature.
        output: Name of the signature's output.

    Returns:
        The predictions, float32 of shape [rows], or [rows, classes] for several classes.

    Raises:
        UserError: If the signature wants other features than the schema has, lacks the output, or a column does not suit.
    """
    signature = model.signatures[SIGNATURE_RAW]
    wanted = signature.structured_input_signature[1]
    known = raw_specs(schema)
    if unsuited := sorted(name for name, spec in wanted.items() if name not in known or known[name].dtype != spec.dtype):
        raise UserError("The model's inputs are features of the schema, of the same type.", received=unsuited)
    if output not in signature.structured_outputs:
        raise UserError(f"The model's output is named {output!r}.", received=sorted(signature.structured_outputs))
    starts = range(0, max(table.num_rows, 1), batch_rows)
    batches = (raw_tensors(table.slice(start, batch_rows), schema) for start in starts)
    return np.concatenate([signature(**{name: batch[name] for name in wanted})[output].numpy() for batch in batches])


def raw_specs(schema: schema_pb2.Schema) -> dict[str, tf.TensorSpec]:
    """Returns name, dtype and shape [None] of each raw tensor that `serving_default` takes.

    Raises:
        UserError: If a feature has no type of INT, FLOAT or BYTES.
    """
    return {f.name: tf.TensorSpec([None], dtype_of(f), name=f.name) for f in serving_features(schema)}


def raw_tensors(table: pa.Table, schema: schema_pb2.Schema) -> dict[str, tf.Tensor]:
    """Returns the rows as dense tensors of shape [rows], one per SERVING feature.

    Args:
        table: Raw rows; columns beyond the SERVING features are ignored.
        schema: The schema of the raw rows.

    Raises:
        UserError: If a feature is not among the columns, has values of another type, or is required and has a null.
    """
    return column_tensors(table, serving_features(schema))


def column_tensors(table: pa.Table, features: list[schema_pb2.Feature]) -> dict[str, tf.Tensor]:
    """Returns one dense tensor of shape [rows] per feature, with markers for missing values; see `raw_tensors`."""
    return {feature.name: _to_tensor(typed_column(table, feature), feature) for feature in features}


def serialize_examples(table: pa.Table, schema: schema_pb2.Schema, *, with_label: bool = False) -> list[bytes]:
    """Returns each row as a serialized tf.Example with its SERVING features, or with all of them; a null is left out.

    Raises:
        UserError: If a feature is not among the columns or has values of another type.
    """
    features = list(schema.feature) if with_label else serving_features(schema)
    columns = {feature.name: typed_column(table, feature) for feature in features}
    return example_coder.RecordBatchToExamplesEncoder().encode(to_record_batch(pa.table(columns)))


def dtype_of(feature: schema_pb2.Feature) -> tf.DType:
    """Returns the dtype of a feature's values.

    Raises:
        UserError: If its type is not INT, FLOAT or BYTES.
    """
    if feature.type not in DTYPES:
        raise UserError(
            f"Feature {feature.name!r} has the type INT, FLOAT or BYTES.", received=schema_pb2.FeatureType.Name(feature.type)
        )
    return DTYPES[feature.type]


def typed_column(table: pa.Table, feature: schema_pb2.Feature) -> pa.ChunkedArray:
    """Returns a feature's column as binary, float32 or int64, nulls kept; integers become floats where the schema says FLOAT.

    Raises:
        UserError: If the column is not there or has values of another type.
    """
    if feature.name not in table.column_names:
        raise UserError(f"The rows have the feature {feature.name!r}.", received=table.column_names)
    column, target = table[feature.name], ARROW_TYPES[dtype_of(feature)]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_null(column.type):
        return pa.chunked_array([pa.nulls(len(column), target)])
    try:
        kind = canonical_type(column.type)
    except TypeError as error:
        raise _wrong_type(feature, column) from error
    if kind != target and (kind, target) != (pa.int64(), pa.float32()):
        raise _wrong_type(feature, column)
    return column.cast(target, safe=False)  # not safe: an integer above 2^24 is rounded to float32 as everywhere in TFX


def _wrong_type(feature: schema_pb2.Feature, column: pa.ChunkedArray) -> UserError:
    kind = schema_pb2.FeatureType.Name(feature.type)
    return UserError(f"Feature {feature.name!r} holds one {kind} value per row.", received=f"a column of {column.type}")


def _to_tensor(column: pa.ChunkedArray, feature: schema_pb2.Feature) -> tf.Tensor:
    dtype = dtype_of(feature)
    if column.null_count:
        if is_required(feature):
            raise UserError(
                f"Every row has the required feature {feature.name!r}.",
                received=f"{column.null_count} of {len(column)} rows without it",
                remedy="Mend the data, or lower `presence.min_fraction` in schema.pbtxt.",
            )
        column = pc.fill_null(column, pa.scalar(MISSING[dtype], column.type))
    if dtype != tf.string:
        return tf.constant(column.to_numpy(), dtype)
    # Distinct values cross into TensorFlow once; the rows are gathered there.
    encoded = column.combine_chunks().dictionary_encode()
    values = tf.constant(encoded.dictionary.to_pylist(), tf.string)
    return tf.gather(values, encoded.indices.to_numpy())
