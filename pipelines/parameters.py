"""Parameters of a compiled pipeline: their defaults, and settings of a run as text."""

from collections.abc import Sequence
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from components._shared.documents import parse_json
from components._shared.errors import UserError

_kind_name = pipeline_spec_pb2.ParameterType.ParameterTypeEnum.Name
_KINDS = {
    "BOOLEAN": "true or false",
    "NUMBER_INTEGER": "a whole number",
    "NUMBER_DOUBLE": "a number",
    "LIST": "a list in JSON",
    "STRUCT": "an object in JSON",
}
_LEAST = {"epochs": 1, "batch_size": 1, "patience": 0, "seed": 0}
"""The least values of `training` in project.yaml: what is wrong is said before anything runs."""
_PYTHON_TYPES = {"BOOLEAN": bool, "STRUCT": dict, "LIST": list}


def defaults_of(spec: pipeline_spec_pb2.PipelineSpec) -> dict[str, Any]:
    """Returns the default value of each pipeline parameter."""
    parameters = spec.root.input_definitions.parameters.items()
    return {name: with_integers(json_format.MessageToDict(parameter.default_value)) for name, parameter in parameters}


def parse_settings(spec: pipeline_spec_pb2.PipelineSpec, settings: Sequence[str]) -> dict[str, Any]:
    """Returns pipeline parameters from `parameter=value` texts, typed as the pipeline declares them.

    Raises:
        UserError: If a parameter is unknown, is not written as `parameter=value`, or has a value of another type.
    """
    known = spec.root.input_definitions.parameters
    values = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in known:
            raise UserError(
                "A setting is `parameter=value` with a parameter of the pipeline.",
                received=setting,
                remedy=f"Parameters: {', '.join(sorted(known))}.",
            )
        kind = _kind_name(known[name].parameter_type)
        try:
            values[name] = _parse(kind, text)
        except ValueError as error:
            raise UserError(f"{name} is {_KINDS[kind]}.", received=text) from error
        if name in _LEAST and values[name] < _LEAST[name]:
            raise UserError(f"{name} is at least {_LEAST[name]}.", received=text, remedy="Set another.")
    return values


def with_integers(value: Any) -> Any:
    """Returns JSON with whole numbers as integers, as the backend writes them; protobuf itself knows floats only."""
    if isinstance(value, dict):
        return {key: with_integers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_integers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _parse(kind: str, text: str) -> Any:
    if kind == "STRING":
        return text
    if kind == "NUMBER_INTEGER":
        return int(text)
    if kind == "NUMBER_DOUBLE":
        return float(text)
    value = parse_json(text.lower() if kind == "BOOLEAN" else text)
    if not isinstance(value, _PYTHON_TYPES[kind]):
        raise ValueError(f"not a {kind}")
    return value
