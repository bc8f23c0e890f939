"""Reads JSON objects strictly: what is no object, or holds NaN, which JSON does not know, is an error."""

import json
from pathlib import Path
from typing import Any, NoReturn


def read_object(path: str | Path) -> dict[str, Any]:
    """Returns the JSON object in a file.

    Raises:
        OSError: If it is not there or cannot be read.
        ValueError: If it is no JSON object; the text says why, without the file's name.
    """
    return parse_object(Path(path).read_bytes())


def parse_object(data: str | bytes) -> dict[str, Any]:
    """Returns a JSON object from its text.

    Raises:
        ValueError: If it is none.
    """
    document = parse_json(data)
    if not isinstance(document, dict):
        raise ValueError(f"it must be an object, not a {type(document).__name__}")
    return document


def parse_json(data: str | bytes) -> Any:
    """Returns any JSON value; NaN and infinities, which Python would read, are refused: no bound ever says no to NaN.

    Raises:
        ValueError: If it is no JSON.
    """
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
