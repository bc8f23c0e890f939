"""Drafts the schema: what TFDV infers, with room for rows that are not here yet."""

import math
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2

from components._data.schema import SERVING, TRAINING
from components._shared.label import LabelKind
from components._tf.statistics import compute_statistics
from components.draft_schema.columns import Column
from components.draft_schema.labels import DraftLabel
from components.draft_schema.roles import Decision, Role

_TYPES = {"INT": pa.int64(), "FLOAT": pa.float32(), "BYTES": pa.string()}
_MOST_ROWS = 200_000
_LEAST_DOMAIN_MASS = 0.95
_ROWS_OF_A_SPLIT = 0.1


def draft_schema(columns: Mapping[str, Column], decisions: Sequence[Decision], label: DraftLabel) -> schema_pb2.Schema:
    """Returns the schema of the features and the label.

    TFDV infers types, domains and which values are always there. Of those that are missing now and then, and of texts that
    are none of the known ones, a later split may hold somewhat more than all rows together do.

    Args:
        columns: The columns by their names in the project.
        decisions: The features, in order.
        label: The label.
    """
    table = pa.table({item.name: _cast(columns[item.name].values, _TYPES[item.kind]) for item in decisions})
    schema = tfdv.infer_schema(compute_statistics([table.slice(0, _MOST_ROWS)], None, "all"))
    by_name = {feature.name: feature for feature in schema.feature}
    for item in decisions:
        _curate(by_name[item.name], item, table[item.name])
    used = {feature.domain for feature in schema.feature}
    kept = [domain for domain in schema.string_domain if domain.name in used]
    result = schema_pb2.Schema(feature=[by_name[item.name] for item in decisions], string_domain=kept)
    result.feature.append(_label_feature(label))
    result.default_environment.extend((TRAINING, SERVING))
    return result


def _cast(values: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    return values.cast(kind) if not pa.types.is_float32(kind) else values.cast(pa.float64(), safe=False).cast(kind, safe=False)


def _curate(feature: schema_pb2.Feature, item: Decision, values: pa.ChunkedArray) -> None:
    present = 1 - item.missing / max(len(values), 1)
    feature.type = schema_pb2.FeatureType.Value(item.kind)
    feature.ClearField("shape")
    feature.ClearField("value_count")
    feature.presence.Clear()
    if item.missing:
        feature.value_count.min = feature.value_count.max = 1
        feature.presence.min_fraction = _least_share(present, len(values))
    else:
        feature.shape.SetInParent()
        feature.presence.min_fraction = 1.0
    if item.role is not Role.CATEGORY:
        feature.ClearField("domain")
    elif feature.domain:
        feature.distribution_constraints.min_domain_mass = _LEAST_DOMAIN_MASS
    if item.kind == "FLOAT" and not pc.all(pc.is_finite(values.drop_null())).as_py():
        feature.float_domain.disallow_nan = feature.float_domain.disallow_inf = False


def _least_share(present: float, rows: int) -> float:
    """Returns a share of present values that a small split of the same data stays above, but for bad luck."""
    chance = 4 * math.sqrt(present * (1 - present) / (rows * _ROWS_OF_A_SPLIT))
    return round(max(0.0, 0.9 * present - chance), 2)


def _label_feature(label: DraftLabel) -> schema_pb2.Feature:
    feature = schema_pb2.Feature(name=label.settings["name"], type=schema_pb2.FeatureType.Value(label.feature_type))
    feature.presence.min_fraction = 1.0
    feature.shape.SetInParent()
    feature.not_in_environment.append(SERVING)
    if label.kind is not LabelKind.NUMERIC:
        feature.int_domain.min, feature.int_domain.max = 0, int(max(label.target[label.target >= 0]))
    return feature
