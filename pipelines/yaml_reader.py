"""Reads YAML strictly: a key twice, and aliases that grow without end, are errors; only `true` and `false` are booleans."""

import re
from pathlib import Path
from typing import Any

import yaml

from components._shared.errors import UserError

_MOST_VALUES = 100_000
"""Keys and values that a file may hold, each alias counted as all that it stands for."""


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that refuses duplicate keys."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)  # type: ignore[no-untyped-call]
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} appears twice", key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_BOOLEAN = "tag:yaml.org,2002:bool"
# YAML 1.1 takes `off`, `on`, `yes` and `no` for booleans, even as keys; a gate's `off: reason` would lose its name.
_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOLEAN]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver(_BOOLEAN, re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))  # type: ignore[no-untyped-call]
_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path) -> Any:
    """Returns the document of a YAML file.

    Raises:
        UserError: If it cannot be read, is not YAML, has a key twice, or grows too large by its aliases.
    """
    try:
        loader = _StrictLoader(path.read_text(encoding="utf-8"))
        root = loader.get_single_node()
        if root is None:
            return None
        _check_size(path, root)
        return loader.construct_document(root)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, yaml.YAMLError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is a YAML file in which each key appears once.", received=_problem(error)) from error


def _check_size(path: Path, root: yaml.Node) -> None:
    if _count(root, {}) > _MOST_VALUES:
        raise UserError(
            f"A YAML file holds at most {_MOST_VALUES} keys and values, each alias counted as all that it stands for.",
            received=f"more in {path}",
            remedy="Remove aliases (`*name`) that stand for other aliases, or for themselves.",
        )


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """Returns how many nodes there would be without aliases; each is visited once, so that a large count is quick."""
    if id(node) not in known:
        known[id(node)] = _MOST_VALUES + 1  # holds for a node that is met again inside itself
        parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        below = 0 if isinstance(node, yaml.ScalarNode) else sum(_count(part, known) for part in parts)
        known[id(node)] = min(1 + below, _MOST_VALUES + 1)
    return known[id(node)]


def _problem(error: Exception) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(error)
    mark = error.problem_mark
    return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
