"""Reads the settings of ingest_examples from its parameters."""

import dataclasses
from typing import Any

from components._shared.errors import UserError
from components._shared.source import Label, Source, Splits


def read_source(document: dict[str, Any]) -> Source:
    """Reads the `source` parameter.

    Raises:
        UserError: If a setting is unknown, missing or wrong.
    """
    settings = dict(_known("source", document, Source))
    if not isinstance(settings.get("label"), dict):
        raise UserError("The source says where the label comes from.", received=settings.get("label"))
    settings["label"] = Label(**_known("source.label", settings["label"], Label))
    return Source(**settings)


def read_splits(document: dict[str, Any], row_key: tuple[str, ...]) -> Splits:
    """Reads the `splits` parameter; without a key of its own the row key decides.

    Raises:
        UserError: If a setting is unknown, missing or wrong.
    """
    splits = Splits(**_known("splits", document, Splits))
    return dataclasses.replace(splits, key=splits.key or row_key)


def _known(what: str, document: dict[str, Any], kind: type) -> dict[str, Any]:
    """Returns the settings with lists as tuples, after checking their names and types; null stands for the default."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if unknown := set(document) - set(fields):
        raise UserError(f"`{what}` holds only known settings.", received=sorted(unknown), remedy=f"Known: {sorted(fields)}.")
    given = {name: value for name, value in document.items() if value is not None}
    required = {name for name, field in fields.items() if field.default is field.default_factory is dataclasses.MISSING}
    if missing := required - set(given):
        raise UserError(f"`{what}` holds every required setting.", received=f"nothing for {', '.join(sorted(missing))}")
    return {name: _typed(f"{what}.{name}", value, fields[name].type) for name, value in given.items()}


def _typed(what: str, value: Any, kind: Any) -> Any:
    if kind is str and not isinstance(value, str):
        raise UserError(f"`{what}` is a text.", received=repr(value))
    if kind == tuple[str, ...]:
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise UserError(f"`{what}` is a list of texts.", received=repr(value))
        return tuple(value)
    if kind == dict[str, str] and not (isinstance(value, dict) and all(isinstance(item, str) for item in value.values())):
        raise UserError(f"`{what}` gives texts by name.", received=repr(value))
    return value
