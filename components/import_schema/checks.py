"""What the pipeline asks of a schema beyond what the proto can say; told before any data is read."""

import keyword
import re
from collections import Counter

from tensorflow_metadata.proto.v0 import schema_pb2

from components._shared.errors import UserError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)


def check_names(schema: schema_pb2.Schema) -> None:
    """Checks that every feature can be an input of the exported model, which TensorFlow calls by its name.

    Raises:
        UserError: If a name is no Python identifier, is taken, or differs from another only in upper and lower case.
    """
    names = [feature.name for feature in schema.feature]
    if unsuited := [name for name in names if not _NAME.fullmatch(name) or keyword.iskeyword(name) or name == "self"]:
        raise UserError(
            "The name of a feature begins with a letter, holds only letters of ASCII, digits and _, and is no word of Python.",
            received=", ".join(map(repr, unsuited)),
            remedy="Rename the columns in the data and in schema.pbtxt: the served model takes its inputs by these names.",
        )
    counts = Counter(name.lower() for name in names)
    if alike := [name for name in names if counts[name.lower()] > 1]:
        raise UserError(
            "The names of two features differ in more than upper and lower case.",
            received=", ".join(map(repr, alike)),
            remedy="Rename the columns in the data and in schema.pbtxt.",
        )


def check_features(schema: schema_pb2.Schema) -> None:
    """Checks that every feature is a scalar, required or optional, and that its domain is there.

    Raises:
        UserError: For the first feature that is not.
    """
    domains = {domain.name for domain in schema.string_domain}
    for feature in schema.feature:
        _check_scalar(feature)
        if feature.domain and feature.domain not in domains:
            raise UserError(
                f"The domain of the feature {feature.name!r} is a string_domain of the schema.",
                received=f"{feature.domain!r}, where there are {sorted(domains)}",
                remedy="Add it to schema.pbtxt, or mend its name.",
            )


def _check_scalar(feature: schema_pb2.Feature) -> None:
    counts = feature.value_count
    if feature.HasField("value_counts") or counts.min > 1 or counts.max > 1 or feature.shape.dim:
        raise UserError(
            f"The feature {feature.name!r} holds at most one value per row.",
            received="dimensions in `shape`" if feature.shape.dim else "more in `value_count`",
            remedy="Write `shape {}` for a required feature, or `value_count { min: 1 max: 1 }` for an optional one.",
        )
    if feature.HasField("shape") and feature.presence.min_fraction != 1.0:
        raise UserError(
            f"The feature {feature.name!r} is required, with `shape {{}}`, or may be missing, never both.",
            received=f"`shape {{}}` with a presence.min_fraction of {feature.presence.min_fraction:g}",
            remedy="Write `presence { min_fraction: 1.0 }`, or `value_count { min: 1 max: 1 }` in place of the shape.",
        )
