"""Saves the fitted model as it will be served, and checks that the saved model answers as the fitted one."""

from pathlib import Path

import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from components._data.examples import iterate_split
from components._data.schema import serving_features
from components._shared.artifacts import EVAL, EXAMPLES_INPUT, SIGNATURE_EXAMPLES, TRAIN
from components._shared.errors import UserError
from components._shared.interface import own_interface
from components._shared.label import LabelSpec
from components._shared.user_code import last_words
from components._tf.export import WARMUP_BATCHES, ServingModel, export_model, write_warmup
from components._tf.saved_model import load_model, predict_table, serialize_examples
from components._tf.transform_graph import TransformGraph
from components.train_model.arrays import Arrays
from components.train_model.streams import Stream

ROWS_CHECKED = 1000
TOLERANCE = 1e-4
"""Greatest difference between saved and fitted model, relative for predictions beyond 1; float32 rounding stays below 1e-6."""


def save_model(
    *,
    model: keras.Model,
    graph: TransformGraph,
    schema: schema_pb2.Schema,
    examples: str,
    evaluation: Arrays | Stream,
    label: LabelSpec,
    path: Path,
) -> None:
    """Writes the SavedModel with its warm-up requests, loads it again and compares.

    Args:
        model: The fitted model.
        graph: The transform graph that made its features.
        schema: The schema of the raw examples.
        examples: Folder of the raw examples.
        evaluation: The transformed eval split, in the order of the raw one.
        label: The label, whose kind names and shapes the output.
        path: Folder to write to.

    Raises:
        UserError: If the saved model does not answer, or otherwise than the fitted one.
    """
    features = list(evaluation.first_rows(1))
    serving = ServingModel(model, graph, features, label)
    export_model(serving, schema, path)
    interface = own_interface([feature.name for feature in serving_features(schema)], label)
    write_warmup(path, _first_rows(examples, TRAIN, schema, max(WARMUP_BATCHES)), schema, interface)
    rows = _first_rows(examples, EVAL, schema, ROWS_CHECKED)
    batch = {name: tf.constant(values) for name, values in evaluation.first_rows(rows.num_rows).items()}
    expected = serving.shape_output(model(batch, training=False)).numpy()
    _compare(path, rows, schema, expected, label.output)


def _first_rows(examples: str, split: str, schema: schema_pb2.Schema, count: int) -> pa.Table:
    columns = [feature.name for feature in serving_features(schema)]
    return next(iterate_split(examples, split, columns, batch_rows=count))


def _compare(path: Path, rows: pa.Table, schema: schema_pb2.Schema, expected: np.ndarray, output: str) -> None:
    loaded = load_model(path)
    serialized = tf.constant(serialize_examples(rows, schema))
    try:
        answers = {
            "raw tensors": predict_table(loaded, rows, schema, output=output),
            "tf.Examples": loaded.signatures[SIGNATURE_EXAMPLES](**{EXAMPLES_INPUT: serialized})[output].numpy(),
        }
    except tf.errors.OpError as error:
        raise UserError(
            "The saved model answers requests.",
            received=last_words(error),
            remedy="Use no random numbers and no Python code in features.py and model.py.",
        ) from error
    for kind, answer in answers.items():
        difference = np.abs(answer - expected) / np.maximum(1, np.abs(expected))
        if not np.all(difference <= TOLERANCE):  # NaN is not within any bound
            raise UserError(
                f"The saved model answers as the fitted one within {TOLERANCE:g}.",
                received=f"a difference of {difference.max():.3g} in the answers to {kind}",
                remedy="A feature must not depend on the label, nor on anything that a request does not hold.",
            )
