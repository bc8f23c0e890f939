"""Arrays to the JSON that answers a request, as TF Serving's util/json_tensor.cc writes it."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from serving.errors import invalid
from serving.json_tensors import COLUMNS, ROWS
from serving.tensors import type_name


def write_tensors(form: str, outputs: Mapping[str, np.ndarray]) -> str:
    """Returns the outputs as the JSON object that answers a request.

    Floats are written in the fewest digits that read back as the same number of their own width.

    Args:
        form: `ROWS` or `COLUMNS`, as the request was.
        outputs: Arrays by name; with rows, all have the same first dimension.

    Raises:
        ServingError: INVALID_ARGUMENT if they have no common first dimension, or a type that JSON cannot hold.
    """
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    if form == ROWS:
        _check_batch(outputs)
    plain = {name: _to_lists(name, outputs[name]) for name in sorted(outputs)}
    content: Any
    if len(plain) == 1:
        (content,) = plain.values()
    elif form == COLUMNS:
        content = plain
    else:
        content = [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]
    key = "predictions" if form == ROWS else "outputs"
    return f'{{\n    "{key}": {json.dumps(content, ensure_ascii=False)}\n}}'


def _check_batch(outputs: Mapping[str, np.ndarray]) -> None:
    size = -1
    for name, array in sorted(outputs.items()):
        if not array.shape:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if size not in (-1, array.shape[0]):
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {array.shape[0]} expecting: {size}")
        size = array.shape[0]


def _to_lists(name: str, array: np.ndarray) -> Any:
    kind = type_name(array.dtype)
    if kind == "string":
        encode: Callable[[bytes], Any] = _encode if name.endswith("_bytes") else _decode_text
        texts = np.empty(array.size, object)
        texts[:] = [encode(value) for value in array.ravel()]
        return texts.reshape(array.shape).tolist()
    if kind in ("half", "bfloat16"):
        array, kind = array.astype(np.float32), "float"
    if kind == "float":
        # Its shortest decimal, read as a double, is what JSON then prints: 0.1 and not 0.10000000149011612.
        return array.astype("U32").astype(np.float64).tolist()
    if kind in ("double", "bool") or np.issubdtype(array.dtype, np.integer):
        return array.tolist()
    raise invalid(f"Failed to write JSON value for tensor type: {kind}")


def _encode(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode("ascii")}


def _decode_text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")  # bytes that are no text leave as they came
