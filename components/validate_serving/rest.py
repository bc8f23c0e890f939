"""What TF Serving's REST interface does to values: JSON there, JSON back.

Follows TF Serving's `api_rest.md`: row format, binary values as {"b64": …}, NaN and infinities as bare words.
"""

import base64
import json
from typing import Any

import numpy as np


def encode_request(columns: dict[str, np.ndarray]) -> str:
    """Returns the body of a predict request.

    Args:
        columns: One array of shape [rows] per input: int64, float32, or bytes as objects.
    """
    plain = {name: [_encode(value) for value in column.tolist()] for name, column in columns.items()}
    rows = [dict(zip(plain, values, strict=True)) for values in zip(*plain.values(), strict=True)]
    return json.dumps({"signature_name": "serving_default", "instances": rows})


def decode_request(body: str, dtypes: dict[str, Any]) -> dict[str, np.ndarray]:
    """Returns the columns of a request's body.

    Args:
        body: What `encode_request` returns.
        dtypes: NumPy type of each input.
    """
    rows = json.loads(body)["instances"]
    return {name: np.array([_decode(row[name]) for row in rows], dtype) for name, dtype in dtypes.items()}


def _encode(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode("ascii")}


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return value.encode("utf-8") if isinstance(value, str) else value
