"""Infers a schema from statistics: a first draft that an author curates."""

from pathlib import Path

import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components._data.schema import SERVING, TRAINING
from components._data.statistics import read_statistics
from components._shared.artifacts import SCHEMA_FILE, TRAIN
from components._shared.errors import UserError
from components._shared.outputs import write_text


def infer_schema(*, statistics: str, schema: str) -> int:
    """Writes the schema that the training split suggests.

    Types, presence and string domains are TFDV's. A feature that every row holds exactly once becomes required (`shape {}`,
    one value per row). Which feature is the label cannot be seen in the data: the author adds
    `not_in_environment: "SERVING"` to it.

    Args:
        statistics: Folder of the statistics.
        schema: Folder to write `schema.pbtxt` into.

    Returns:
        The number of features.

    Raises:
        UserError: If there are no statistics of the training split, or they hold no rows.
    """
    proto = read_statistics(statistics, TRAIN)
    if not proto.datasets[0].num_examples or not proto.datasets[0].features:
        raise UserError("A schema is inferred from at least one row.", received=f"no rows in the split {TRAIN!r}")
    inferred = _with_environments(_with_scalars(tfdv.infer_schema(proto)))
    write_text(Path(schema) / SCHEMA_FILE, text_format.MessageToString(inferred, as_utf8=True))
    return len(inferred.feature)


def _with_scalars(schema: schema_pb2.Schema) -> schema_pb2.Schema:
    """Returns the schema with `shape {}` for TFDV's `shape { dim { size: 1 } }`: a scalar, as examples hold it."""
    result = schema_pb2.Schema()
    result.CopyFrom(schema)
    for feature in result.feature:
        if [dim.size for dim in feature.shape.dim] == [1]:
            feature.shape.Clear()
            feature.shape.SetInParent()
    return result


def _with_environments(schema: schema_pb2.Schema) -> schema_pb2.Schema:
    result = schema_pb2.Schema()
    result.CopyFrom(schema)
    result.default_environment.extend(
        environment for environment in (TRAINING, SERVING) if environment not in schema.default_environment
    )
    return result
