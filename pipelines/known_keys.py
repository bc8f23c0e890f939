"""Finds the keys that a place of project.yaml knows, for errors about one that it does not."""

from collections.abc import Sequence
from typing import Any, get_args


def known_keys(kind: Any, location: Sequence[str | int]) -> list[str]:
    """Returns the keys that are known at a place; none where any key is.

    Args:
        kind: A model or validated dataclass.
        location: Keys and positions that lead from it to the place, as pydantic gives them.
    """
    for part in location:
        kind = _fields(kind)[part].annotation if part in _fields(kind) else _item(kind)
    return [name for name, field in _fields(kind).items() if not getattr(field, "exclude", False)]


def _fields(kind: Any) -> dict[Any, Any]:
    """Returns the fields of a model, also where it may be left out, as in `Model | None`."""
    for item in (kind, *get_args(kind)):
        if fields := getattr(item, "model_fields", None) or getattr(item, "__pydantic_fields__", None):
            return dict(fields)
    return {}


def _item(kind: Any) -> Any:
    """Returns what `dict[str, Item]` and `tuple[Item, ...]` hold; None of anything else."""
    return next((item for item in reversed(get_args(kind)) if item is not Ellipsis), None)
