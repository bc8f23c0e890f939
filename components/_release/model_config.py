"""Reads, changes and writes TF Serving's model configuration: a ModelServerConfig in protobuf's text form.

What is not ours, other models and other fields, stays as it was; comments do not.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from components._release.durable import sync_folder, write_new_file
from components._shared.errors import UserError

Field = tuple[str, "str | list[Field]"]
"""A field's name, and its value as it is written or the fields of its message."""

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<token>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[{}<>\[\]:;,]|[^\s{}<>\[\]:;,"'\#]+)""", re.VERBOSE
)
_OPEN = {"{": "}", "<": ">"}


def read_labels(path: Path, model_name: str) -> tuple[set[int], dict[str, int]]:
    """Returns the versions that a model's configuration names one by one, and its labels.

    Raises:
        UserError: If the file cannot be read, is no ModelServerConfig, or does not name the model.
    """
    model = _find_model(_read(path), path, model_name)
    specific = _child(_child(model, "model_version_policy"), "specific")
    labels = [entry for name, entry in model if name == "version_labels" and not isinstance(entry, str)]
    pairs = [(str(_value(entry, "key")).strip("\"'"), int(str(_value(entry, "value")))) for entry in labels]
    return {int(value) for name, value in specific if name == "versions" and isinstance(value, str)}, dict(pairs)


def with_labels(path: Path, model_name: str, versions: Iterable[int], labels: Mapping[str, int]) -> str:
    """Returns the file's text with these versions of a model under these labels; all else is as it was.

    Raises:
        UserError: As `read_labels`.
    """
    document = _read(path)
    model = _find_model(document, path, model_name)
    model[:] = [(name, value) for name, value in model if name not in ("model_version_policy", "version_labels")]
    specific: list[Field] = [("versions", str(version)) for version in sorted({*versions})]
    model.append(("model_version_policy", [("specific", specific)]))
    model += [("version_labels", [("key", f'"{label}"'), ("value", str(version))]) for label, version in sorted(labels.items())]
    return "".join(_lines(document, ""))


def make_configuration(model_name: str, base_path: Path) -> str:
    """Returns a configuration with one model, which has no version yet."""
    fields: list[Field] = [("name", f'"{model_name}"'), ("base_path", json.dumps(str(base_path), ensure_ascii=False))]
    return "".join(_lines([("model_config_list", [("config", [*fields, ("model_platform", '"tensorflow"')])])], ""))


def replace_configuration(path: Path, text: str) -> None:
    """Replaces the file durably; readers see the old one or the new. Call it under the file's lock."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)  # of a process that died; only the holder of the lock comes here
    write_new_file(temporary, [text.encode()])
    os.replace(temporary, path)  # noqa: PTH105
    sync_folder(path.parent)


def _read(path: Path) -> list[Field]:
    try:
        tokens = list(_tokens(path.read_text(encoding="utf-8")))
        fields, rest = _parse(tokens, 0, "")
    except (OSError, ValueError) as error:
        raise UserError("The model configuration is a ModelServerConfig in text form.", received=f"{path}: {error}") from error
    return fields if rest == len(tokens) else []


def _find_model(document: list[Field], path: Path, model_name: str) -> list[Field]:
    models = [value for name, value in _child(document, "model_config_list") if name == "config" and not isinstance(value, str)]
    for model in models:
        if str(_value(model, "name")).strip("\"'") == model_name:
            return model
    remedy = f'Add: model_config_list {{ config {{ name: "{model_name}" base_path: "…" model_platform: "tensorflow" }} }}'
    raise UserError(f"The model configuration names the model {model_name!r}.", received=path, remedy=remedy)


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
