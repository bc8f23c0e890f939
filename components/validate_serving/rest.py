"""Bodies of TF Serving's REST interface: a predict request and its answer.

Follows TF Serving's `api_rest.md`: row format, binary values as {"b64": …}, NaN and infinities as bare words.
"""

import base64
import json
from typing import Any

import numpy as np

from components._shared.artifacts import SIGNATURE_RAW


def encode_request(columns: dict[str, np.ndarray], *, binary: bool = False) -> bytes:
    """Returns the body of a predict request.

    Args:
        columns: One array of shape [rows] per input: int64, float32, or bytes as objects.
        binary: Whether bytes are no text, and always go as {"b64": …}.
    """
    encode = _encode_binary if binary else _encode
    plain = {name: [encode(value) for value in column.tolist()] for name, column in columns.items()}
    rows = [dict(zip(plain, values, strict=True)) for values in zip(*plain.values(), strict=True)]
    return json.dumps({"signature_name": SIGNATURE_RAW, "instances": rows}).encode("ascii")


def decode_answer(body: bytes) -> dict[str, np.ndarray]:
    """Returns the outputs of an answer by name, float64; the only one of a signature has no name there, and none here.

    Raises:
        ValueError: If the body holds no predictions.
    """
    document = json.loads(body)
    if not isinstance(document, dict) or not isinstance(rows := document.get("predictions"), list) or not rows:
        raise ValueError(f"REST gives no predictions but {body[:100]!r}.")
    if not isinstance(rows[0], dict):
        return {"": np.array(rows, np.float64)}
    return {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}


def _encode(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return _encode_binary(value)


def _encode_binary(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode("ascii")}
