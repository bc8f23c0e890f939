"""Reads the curated TFDV schema, with nothing heavier than its protobuf."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components._shared.artifacts import SCHEMA_FILE
from components._shared.errors import UserError

TRAINING, SERVING = "TRAINING", "SERVING"
"""Environments of the schema: the label belongs to TRAINING only."""

_ARROW_TYPES = {schema_pb2.INT: pa.int64(), schema_pb2.FLOAT: pa.float32(), schema_pb2.BYTES: pa.string()}


def read_schema(path: str | Path) -> schema_pb2.Schema:
    """Reads a schema from its text file, or from the folder of a schema artifact.

    Raises:
        UserError: If it is not there, is no Schema proto, names no feature, or names one twice.
    """
    path = Path(path)
    file = path / SCHEMA_FILE if path.is_dir() else path
    try:
        schema = text_format.Parse(file.read_text(encoding="utf-8"), schema_pb2.Schema())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise UserError("The schema is a TFDV Schema in text form.", received=f"{file}: {error}") from error
    if not schema.feature:
        raise UserError("The schema names at least one feature.", received=str(file))
    counts = Counter(feature.name for feature in schema.feature)
    if repeated := sorted(name for name, count in counts.items() if count > 1):
        raise UserError("The schema names each feature once.", received=f"{file}: {', '.join(repeated)}")
    return schema


def arrow_types(schema: schema_pb2.Schema) -> dict[str, pa.DataType]:
    """Returns the Arrow type of each feature, in the schema's order.

    Raises:
        UserError: If a feature has no type of INT, FLOAT or BYTES.
    """
    for feature in schema.feature:
        if feature.type not in _ARROW_TYPES:
            raise UserError(
                f"Feature {feature.name!r} has the type INT, FLOAT or BYTES.",
                received=schema_pb2.FeatureType.Name(feature.type),
                remedy="Set `type` in schema.pbtxt.",
            )
    return {feature.name: _ARROW_TYPES[feature.type] for feature in schema.feature}


def serving_features(schema: schema_pb2.Schema) -> list[schema_pb2.Feature]:
    """Returns the features that a request holds: those not excluded from the SERVING environment."""
    return [feature for feature in schema.feature if SERVING not in feature.not_in_environment]


def is_required(feature: schema_pb2.Feature) -> bool:
    """Returns whether every row must hold exactly one value: `presence.min_fraction` is 1, and `shape {}` is given.

    TFT makes such a feature dense (FixedLen) and every other one sparse (VarLen).
    """
    return feature.presence.min_fraction == 1.0 and feature.HasField("shape") and not feature.shape.dim
