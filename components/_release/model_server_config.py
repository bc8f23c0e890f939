"""TF Serving's model configuration, a ModelServerConfig, in protobuf's text form: parsed, changed, written.

What is not ours, other models and other fields, stays as it was; comments do not. Files (`model_config`) and buckets
(`model_configuration`) are written by the same functions.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

Field = tuple[str, "str | list[Field]"]
"""A field's name, and its value as it is written or the fields of its message."""

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<token>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[{}<>\[\]:;,]|[^\s{}<>\[\]:;,"'\#]+)""", re.VERBOSE
)
_OPEN = {"{": "}", "<": ">"}


def parse_document(text: str) -> list[Field]:
    """Returns the fields of a message in text form.

    Raises:
        ValueError: If it is none.
    """
    tokens = list(_tokens(text))
    return _parse(tokens, 0, "")[0]


def to_text(document: list[Field]) -> str:
    """Returns a message in text form."""
    return "".join(_lines(document, ""))


def new_document(name: str, base_path: str) -> list[Field]:
    """Returns a configuration with one model of TensorFlow."""
    path = json.dumps(base_path, ensure_ascii=False)
    model: list[Field] = [("name", f'"{name}"'), ("base_path", path), ("model_platform", '"tensorflow"')]
    return [("model_config_list", [("config", model)])]


def find_model(document: list[Field], model_name: str) -> list[Field] | None:
    """Returns the fields of a model; None if the configuration does not name it."""
    models = [value for name, value in _child(document, "model_config_list") if name == "config" and not isinstance(value, str)]
    return next((model for model in models if str(_value(model, "name")).strip("\"'") == model_name), None)


def versions_of(model: list[Field]) -> tuple[set[int], dict[str, int]]:
    """Returns the versions that a model's fields name one by one, and its labels."""
    specific = _child(_child(model, "model_version_policy"), "specific")
    labels = [entry for name, entry in model if name == "version_labels" and not isinstance(entry, str)]
    pairs = [(str(_value(entry, "key")).strip("\"'"), int(str(_value(entry, "value")))) for entry in labels]
    return {int(value) for name, value in specific if name == "versions" and isinstance(value, str)}, dict(pairs)


def base_path_of(model: list[Field]) -> str:
    """Returns the base path in a model's fields; empty if they have none."""
    return str(_value(model, "base_path")).strip("\"'")


def set_versions(model: list[Field], versions: Sequence[int], labels: Mapping[str, int]) -> None:
    """Lets a model have these versions under these labels, in place."""
    clear_versions(model)
    specific: list[Field] = [("versions", str(version)) for version in sorted(versions)]
    model.append(("model_version_policy", [("specific", specific)]))
    model += [("version_labels", [("key", f'"{label}"'), ("value", str(version))]) for label, version in sorted(labels.items())]


def clear_versions(model: list[Field]) -> None:
    """Lets a model have its latest version under no label, which is what a server does by itself, in place."""
    model[:] = [(name, value) for name, value in model if name not in ("model_version_policy", "version_labels")]


def _child(fields: list[Field], wanted: str) -> list[Field]:
    return next((value for name, value in fields if name == wanted and not isinstance(value, str)), [])


def _value(fields: list[Field], wanted: str) -> "str | list[Field]":
    return next((value for name, value in fields if name == wanted), "")


def _tokens(text: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"it cannot be read from {text[position : position + 20]!r} on")
        position = match.end()
        if match["token"]:
            yield match["token"]


def _parse(tokens: list[str], start: int, end: str) -> tuple[list[Field], int]:
    """Returns the fields from a token on, and the place after the token that ends them; after the last one if none does."""
    fields: list[Field] = []
    place = start
    while place < len(tokens):
        name, place = tokens[place], place + 1
        if name == end:
            return fields, place
        if name in ",;":
            continue
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise ValueError(f"{name!r} is no field")
        place += _at(tokens, place) == ":"
        if _at(tokens, place) == "[":
            place += 1
            while _at(tokens, place) != "]":
                value, place = _parse_value(tokens, place)
                fields.append((name, value))
                place += _at(tokens, place) == ","
            place += 1
        else:
            value, place = _parse_value(tokens, place)
            fields.append((name, value))
    if end:
        raise ValueError(f"a {end!r} is missing")
    return fields, place


def _parse_value(tokens: list[str], place: int) -> "tuple[str | list[Field], int]":
    value = _at(tokens, place)
    if value in _OPEN:
        return _parse(tokens, place + 1, _OPEN[value])
    if not value or value in "}>]:;,":
        raise ValueError(f"a value is missing before {value!r}")
    return value, place + 1


def _at(tokens: list[str], place: int) -> str:
    return tokens[place] if place < len(tokens) else ""


def _lines(fields: list[Field], indent: str) -> Iterator[str]:
    for name, value in fields:
        if isinstance(value, str):
            yield f"{indent}{name}: {value}\n"
        else:
            yield f"{indent}{name} {{\n"
            yield from _lines(value, f"{indent}  ")
            yield f"{indent}}}\n"
