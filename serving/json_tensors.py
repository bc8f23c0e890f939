"""JSON requests to arrays, with the rules, the shapes and the errors of TF Serving's util/json_tensor.cc."""

import base64
import binascii
import json
from collections.abc import Mapping
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np

from serving.errors import ServingError, invalid
from serving.tensors import type_name

ROWS, COLUMNS = "instances", "inputs"
"""The two forms of a request: a list with an item per row, or all rows of each input."""

_JSON_TYPES = {type(None): "Null", dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
_INTEGERS: dict[str, Any] = {
    **dict.fromkeys(("int32", "int16", "int8", "uint8"), np.int32),
    "int64": np.int64,
    "uint32": np.uint32,
    "uint64": np.uint64,
}
_MANTISSA_BITS = {"float": 24, "double": 53}


def parse_body(body: bytes) -> dict[str, Any]:
    """Returns the JSON object of a request; NaN and infinities as bare words are numbers.

    Raises:
        ServingError: INVALID_ARGUMENT if it is none, or `signature_name` is no text.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        document = json.loads(body)
    except ValueError as error:  # a JSONDecodeError, or bytes that are no text
        place = f" at offset: {error.pos}" if isinstance(error, json.JSONDecodeError) else f" {error}"
        raise invalid(f"JSON Parse error: Invalid value.{place}") from error
    except RecursionError as error:
        raise invalid("JSON Parse error: The document is nested too deeply") from error
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {_text(document)} Is not object")
    if not isinstance(document.get("signature_name", ""), str):
        raise invalid(f"JSON Value: {_text(document)} not formatted correctly. 'signature_name' key must be a string value.")
    return document


def read_tensors(document: dict[str, Any], specs: Mapping[str, Any]) -> tuple[str, dict[str, np.ndarray]]:
    """Returns the form of a predict request, `ROWS` or `COLUMNS`, and its inputs.

    Args:
        document: What `parse_body` returns.
        specs: TensorInfo of each input of the signature.

    Raises:
        ServingError: INVALID_ARGUMENT if the values do not suit the inputs.
    """
    if ROWS in document and COLUMNS in document:
        raise invalid(
            f"JSON Value: {_text(document)} Not formatted correctly expecting only "
            "one of 'inputs' or 'instances' keys to exist "
        )
    dtypes = {name: type_name(info.dtype) for name, info in sorted(specs.items())}
    if COLUMNS in document:
        return COLUMNS, _read_columns(document[COLUMNS], dtypes)
    if ROWS not in document:
        raise invalid("Missing 'inputs' or 'instances' key")
    rows = document[ROWS]
    if not isinstance(rows, list):
        raise invalid(f"JSON Value: {_text(document)} Excepting 'instances' to be an list/array")
    if not rows:
        raise invalid(f"JSON Value: {_text(document)} No values in 'instances' array")
    return ROWS, _read_rows(rows, dtypes)


def _read_columns(value: Any, dtypes: dict[str, str]) -> dict[str, np.ndarray]:
    if _is_named(value):
        if missing := [name for name in dtypes if name not in value]:
            raise invalid(f"Missing named input: {missing[0]} in 'inputs' object.")
        return {name: _to_array(value[name], dtype) for name, dtype in dtypes.items()}
    if len(dtypes) > 1:
        raise invalid(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map"
        )
    return {name: _to_array(value, dtype) for name, dtype in dtypes.items()}


def _read_rows(rows: list[Any], dtypes: dict[str, str]) -> dict[str, np.ndarray]:
    named = _is_named(rows[0])
    if not named and len(dtypes) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map"
        )
    try:
        # A marker of a missing key or of another kind of item makes this fail; the slow way then finds the item.
        columns = {name: list(map(itemgetter(name), rows)) if named else rows for name in dtypes}
        whole = not named or set(map(len, rows)) == {len(dtypes)}
        if whole:
            return {name: _to_array(columns[name], dtype) for name, dtype in dtypes.items()}
    except (ServingError, KeyError, TypeError):
        pass
    raise _error_in_rows(rows, dtypes, named=named)


def _error_in_rows(rows: list[Any], dtypes: dict[str, str], *, named: bool) -> ServingError:
    """Returns the error of the first item that is wrong, or that has another shape than those before it."""
    shapes: dict[str, tuple[int, ...]] = {}
    for position, row in enumerate(rows):
        if _is_named(row) != named:
            kinds = "object but got list" if named else "value/list but got object"
            return invalid(f"Expecting {kinds} at item {position} of input list")
        place = f"Failed to process element: {position}"
        items = row if named else {next(iter(dtypes)): row}
        for name, value in items.items():
            key = f" key: {name}" if named else ""
            try:
                _check_item(value, name, dtypes, shapes)
            except ServingError as error:
                return invalid(f"{place}{key} of 'instances' list. Error: {error}")
        if named and set(row) != set(dtypes):
            keys = ",".join(dtypes)
            return invalid(f"{place} of 'instances' list. JSON object: {_text(row)} keys must be equal to: {keys}")
    return invalid("The items of 'instances' do not make up a tensor.")


def _check_item(value: Any, name: str, dtypes: dict[str, str], shapes: dict[str, tuple[int, ...]]) -> None:
    if name not in dtypes:
        raise invalid(f"JSON object: does not have named input: {name}")
    array = _to_array(value, dtypes[name])
    first = shapes.setdefault(name, array.shape)
    if int(np.prod(first)) != array.size:
        raise invalid(f"Expecting tensor size: {int(np.prod(first))} but got: {array.size}")
    if first != array.shape:
        raise invalid(f"Expecting shape {_shape_text(first)} but got: {_shape_text(array.shape)}")


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not _is_base64(value)


def _is_base64(value: dict[str, Any]) -> bool:
    return len(value) == 1 and isinstance(value.get("b64"), str)


def _to_array(value: Any, dtype: str) -> np.ndarray:
    """Returns nested lists as a dense array; the first item at each level sets the size of all."""
    shape = []
    probe = value
    while isinstance(probe, list):
        shape.append(len(probe))
        probe = probe[0] if probe else None
    flat = [value]
    for level, size in enumerate(shape):
        _check_level(flat, level, len(shape), size)
        flat = list(chain.from_iterable(flat))
    if list in set(map(type, flat)):
        raise invalid(f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}")
    return _to_flat_array(flat, dtype).reshape(shape)


def _check_level(items: list[Any], level: int, rank: int, size: int) -> None:
    if set(map(type, items)) - {list}:
        stray = next(item for item in items if not isinstance(item, list))
        raise invalid(
            f"JSON Value: {_text(stray)} found at incorrect level: {level + 1} in the JSON DOM. Expected at level: {rank}"
        )
    if set(map(len, items)) - {size}:
        other = next(len(item) for item in items if len(item) != size)
        raise invalid(f"Encountered list at unexpected size: {other} at level: {level} expected size: {size}")


def _to_flat_array(values: list[Any], dtype: str) -> np.ndarray:
    if dtype == "string":
        return _strings(values)
    if dtype == "bool":
        _check_types(values, {bool}, dtype)
        return np.array(values, bool)
    if dtype in ("float", "double"):
        return _floats(values, dtype)
    if dtype in _INTEGERS:
        return _integers(values, dtype)
    raise ServingError("UNIMPLEMENTED", f"Conversion of JSON Value: {_text(values[:1])} to type: {dtype}")


def _strings(values: list[Any]) -> np.ndarray:
    _check_types(values, {str, dict}, "string")
    array = np.empty(len(values), object)
    array[:] = [value.encode("utf-8", "surrogatepass") if isinstance(value, str) else _decode(value) for value in values]
    return array


def _decode(value: dict[str, Any]) -> bytes:
    if not _is_base64(value):
        raise invalid(f"JSON Value: {_text(value)} not formatted correctly for base64 data")
    try:
        return base64.b64decode(value["b64"] + "=" * (-len(value["b64"]) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid("Unable to base64 decode") from error


def _floats(values: list[Any], dtype: str) -> np.ndarray:
    _check_types(values, {int, float}, dtype)
    limit = 2 ** _MANTISSA_BITS[dtype] - 1
    lossy = next((v for v in values if isinstance(v, int) and not -limit <= v <= limit), None)
    array = np.array(values, np.float64) if lossy is None else np.empty(0)
    if lossy is None and dtype == "float":
        largest = np.finfo(np.float32).max
        beyond = np.isfinite(array) & (np.abs(array) > largest)
        lossy = values[int(np.argmax(beyond))] if beyond.any() else None
        array = array.astype(np.float32) if lossy is None else array
    if lossy is not None:
        raise invalid(f"Cannot convert JSON value: {_text(lossy)} to {dtype} without loss of precision.")
    return array


def _integers(values: list[Any], dtype: str) -> np.ndarray:
    _check_types(values, {int}, dtype)
    wide = _INTEGERS[dtype]
    bounds = np.iinfo(wide)
    if values and (min(values) < bounds.min or max(values) > bounds.max):
        raise _type_error(next(v for v in values if not bounds.min <= v <= bounds.max), dtype)
    return np.array(values, wide).astype(dtype)


def _check_types(values: list[Any], allowed: set[type], dtype: str) -> None:
    if set(map(type, values)) - allowed:
        raise _type_error(next(value for value in values if type(value) not in allowed), dtype)


def _type_error(value: Any, dtype: str) -> ServingError:
    kind = str(value) if isinstance(value, bool) else _JSON_TYPES[type(value)]
    return invalid(f"JSON Value: {_text(value)} Type: {kind} is not of expected type: {dtype}")


def _text(value: Any) -> str:
    return json.dumps(value, indent=4, ensure_ascii=False)


def _shape_text(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"
