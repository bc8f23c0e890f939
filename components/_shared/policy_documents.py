"""Policies as JSON objects, which is how the pipeline passes them: reads them strictly, writes and hashes them."""

import dataclasses
import json
import re
import types
import typing
from typing import Any, Literal

from components._shared.digest import digest_parts
from components._shared.errors import UserError
from components._shared.policy import DEADLINE_HOURS, Policy


def policy_to_json(policy: Policy) -> dict[str, Any]:
    """Returns the policy as a JSON object, with tuples as lists, and without the bounds that are left out.

    KFP has no null among the values of a parameter; so None is the default of every setting that may be None.
    """
    gates = json.loads(json.dumps(dataclasses.asdict(policy)))
    return {name: {key: value for key, value in gate.items() if value is not None} for name, gate in gates.items()}


def read_policy(document: dict[str, Any]) -> Policy:
    """Reads a policy from the JSON object that the pipeline passes.

    Raises:
        UserError: If a gate or a bound is unknown, or a bound is of another type than its default.
    """
    kinds = {field.name: type(field.default) for field in dataclasses.fields(Policy)}
    if unknown := set(document) - set(kinds):
        raise UserError("A policy holds only known gates.", received=sorted(unknown), remedy=f"Known: {sorted(kinds)}.")
    return Policy(**{name: _read_gate(name, kinds[name], values) for name, values in document.items()})


def _read_gate(name: str, kind: type, document: Any) -> Any:
    if not isinstance(document, dict):
        raise UserError(f"The gate {name!r} is an object of settings.", received=repr(document))
    values, defaults = {key: _read_value(value) for key, value in document.items()}, vars(kind())
    hints = typing.get_type_hints(kind)
    if unknown := set(values) - set(defaults):
        raise UserError(
            f"The gate {name!r} has only known settings.", received=sorted(unknown), remedy=f"Known: {sorted(defaults)}."
        )
    for key, value in values.items():
        if not _suits(value, hints[key]):
            rule = f"{name}.{key} is a {_describe(hints[key])}, as its default {defaults[key]!r} is."
            raise UserError(rule, received=repr(value))
    if wrong := [size for size in values.get("max_p99_ms", {}) if not is_batch_size(size)]:
        # "01" would be a second bound for batches of 1.
        raise UserError(f"{name}.max_p99_ms names batch sizes as whole numbers above 0, such as '16'.", received=wrong)
    if values.get("off") and not values["off"].strip():
        raise UserError(f"A gate is switched off with a reason, in {name}.off.", received=repr(values["off"]))
    least, most = DEADLINE_HOURS
    if not least <= values.get("deadline_hours", least) <= most:
        raise UserError(f"{name}.deadline_hours is from {least} to {most}.", received=values["deadline_hours"])
    return kind(**values)


def is_batch_size(text: str) -> bool:
    """Returns whether a text is a whole number above 0 in the one way to write it."""
    return re.fullmatch("[1-9][0-9]{0,8}", text) is not None


def _read_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _read_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(_read_value(item) for item in value)
    # Kubeflow passes numbers on as doubles; a whole one is an integer to every bound that counts something.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _suits(value: Any, hint: Any) -> bool:
    """Returns whether a value is of a setting's type: a plain type, `tuple[X, ...]`, `dict[str, X]`, a literal or a union."""
    kind, parts = typing.get_origin(hint) or hint, typing.get_args(hint)
    if kind in (types.UnionType, typing.Union):
        return any(_suits(value, part) for part in parts)
    if kind is Literal:
        return isinstance(value, str)
    if kind is tuple:
        return isinstance(value, tuple) and all(_suits(item, parts[0]) for item in value)
    if kind is dict:
        return isinstance(value, dict) and all(_suits(item, parts[1]) for item in value.values())
    return kind is Any or type(value) in ((int, float) if kind is float else (kind,))


def _describe(hint: Any) -> str:
    """Returns a type in words, such as "float or tuple"."""
    parts = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    words = {Literal: "str", types.NoneType: "null"}
    kinds = (typing.get_origin(part) or part for part in parts)
    return " or ".join(words.get(kind) or kind.__name__ for kind in kinds)


def hash_policy(document: dict[str, Any], eval_config: dict[str, Any]) -> str:
    """Returns `sha256:<hex>` over everything that decides: the gates' bounds and the evaluation's configuration."""
    return digest_parts([json.dumps(with_plain_numbers([document, eval_config]), sort_keys=True)])


def check_policy_hash(document: dict[str, Any], eval_config: dict[str, Any], expected: str) -> None:
    """Checks that a policy is the one that its hash speaks of: reports that agree on a hash then agree on the bounds.

    Raises:
        UserError: If it is another.
    """
    if (actual := hash_policy(document, eval_config)) != expected:
        raise UserError(
            "The policy and the evaluation's configuration are those that the pipeline was compiled with.",
            received=f"{actual} instead of {expected or 'no hash'}",
            remedy="Change the bounds in project.yaml and compile the pipeline again.",
        )


def with_plain_numbers(value: Any) -> Any:
    """Writes whole floats as integers: YAML, JSON and Kubeflow write 50 and 50.0 for the same bound."""
    if isinstance(value, dict):
        return {key: with_plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [with_plain_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
