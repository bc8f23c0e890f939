"""Serializes tf.Example protos with the standard library, for requests of a few rows.

The messages are those of tensorflow/core/example/{example,feature}.proto: an Example holds Features, which holds a map from
names to a Feature, which holds a list of bytes, of floats or of int64. Keys are written in their order.
"""

import struct
from collections.abc import Mapping
from typing import Any

_LENGTH_DELIMITED = 2
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3


def serialize_example(row: Mapping[str, Any]) -> bytes:
    """Returns a tf.Example of one row.

    Args:
        row: A value by feature: text or bytes, a float (float32), or a whole number (int64); None is left out.
    """
    known = {name: value for name, value in row.items() if value is not None}
    return _field(1, b"".join(_field(1, _field(1, name.encode()) + _field(2, _feature(known[name]))) for name in known))


def _feature(value: Any) -> bytes:
    if isinstance(value, str | bytes):
        return _field(_BYTES_LIST, _field(1, value.encode() if isinstance(value, str) else value))
    if isinstance(value, float):
        return _field(_FLOAT_LIST, _field(1, struct.pack("<f", value)))
    return _field(_INT64_LIST, _field(1, _varint(int(value) & 0xFFFFFFFFFFFFFFFF)))


def _field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
