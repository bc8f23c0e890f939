"""What the backend of Kubeflow Pipelines takes, from its API to the compiler and the launcher behind it.

A body holds only fields of the API's models, with their types. A pipeline is a PipelineSpec, and its platform's part a
KubernetesExecutorConfig, to the last field. A run's parameters are those of its pipeline.
"""

import email
import email.policy
import re

import kfp_server_api
import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

_SCALARS = {
    "str": (str, int),
    "int": int,
    "bool": bool,
    "datetime": str,
    "object": dict,
}  # the API writes 64-bit numbers as texts, and takes both
_JSON_TYPES = {
    "STRING": str,
    "NUMBER_INTEGER": int,
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": bool,
    "LIST": list,
    "STRUCT": dict,
}
_RESOLVED = re.compile(
    r"\{\{\$(|\.inputs\.parameters\['\w+'\]|\.outputs\.parameters\['\w+'\]\.output_file|"
    r"\.(inputs|outputs)\.artifacts\['\w+'\]\.(path|uri))\}\}"
)
"""Placeholders that the launcher replaces; it leaves all others as they are."""


class StatusError(Exception):
    """An HTTP status and a message."""


def check_model(body, model):
    """Refuses a body that has a field that a model of the API does not know, or a value of another type."""
    kind = getattr(kfp_server_api, model)
    names = {name: attribute for attribute, name in kind.attribute_map.items()}
    for name, value in body.items():
        if name not in names:
            raise StatusError(400, f'proto: unknown field "{name}"')
        declared = kind.openapi_types[names[name]]
        if hasattr(kfp_server_api, declared) and isinstance(value, dict):
            check_model(value, declared)
        elif declared in _SCALARS and not isinstance(value, _SCALARS[declared]):
            raise StatusError(400, f'proto: invalid value for the field "{name}": {value!r}')


def check_pipeline(document):
    """Returns the PipelineSpec of what a client sends, which is one alone or beside its platform's part."""
    together = set(document) == {"pipeline_spec", "platform_spec"}
    pipeline, platform = (document["pipeline_spec"], document["platform_spec"]) if together else (document, {})
    try:
        spec = json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec(), ignore_unknown_fields=False)
        json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec(), ignore_unknown_fields=False)
        executors = platform.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {})
        for executor in executors.values():
            json_format.ParseDict(
                executor, kubernetes_executor_config_pb2.KubernetesExecutorConfig(), ignore_unknown_fields=False
            )
    except json_format.ParseError as error:
        raise StatusError(400, f"Failed to parse the pipeline: proto: unknown field: {error}") from error
    if spec.schema_version != "2.1.0" or not spec.pipeline_info.name or not spec.root.dag.tasks:
        raise StatusError(400, "KFP only supports schema version 2.1.0, with a name and a root component")
    if not set(executors) <= set(spec.deployment_spec["executors"]):
        raise StatusError(400, "The platform's part is about executors of the pipeline")
    for name, task in spec.root.dag.tasks.items():
        check_task(spec, name, task)
    return spec


def check_task(spec, name, task):
    """Refuses a task that the backend's compiler does not translate, or whose arguments its launcher does not resolve."""
    component = spec.components.get(task.component_ref.name)
    if component is None or component.executor_label not in spec.deployment_spec["executors"]:
        raise StatusError(400, f"The task {name} has a component with an executor")
    if not set(task.dependent_tasks) <= set(spec.root.dag.tasks):
        raise StatusError(400, f"The task {name} depends on tasks of the pipeline")
    container = json_format.MessageToDict(spec.deployment_spec)["executors"][component.executor_label]["container"]
    for argument in (*container["command"], *container["args"]):
        if "{{" in argument and not _RESOLVED.fullmatch(argument):
            raise StatusError(400, f"The task {name} has the argument {argument}, which stays as it is")


def check_parameters(spec, parameters):
    """Refuses parameters that a pipeline does not have, or that have another type, or are missing."""
    declared = spec.root.input_definitions.parameters
    for name, value in parameters.items():
        if name not in declared:
            raise StatusError(400, f"parameter {name} is not defined in the pipeline")
        kind = pipeline_spec_pb2.ParameterType.ParameterTypeEnum.Name(declared[name].parameter_type)
        if not isinstance(value, _JSON_TYPES[kind]) or (isinstance(value, bool) and kind != "BOOLEAN"):
            raise StatusError(400, f"parameter {name} is of the type {kind}")
    if missing := [name for name, item in declared.items() if not item.is_optional and name not in parameters]:
        raise StatusError(400, f"the parameters {missing} are missing")


def read_uploaded(body, content_type):
    """Returns the pipeline in the field `uploadfile` of a form."""
    message = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body, policy=email.policy.HTTP)
    parts = {part.get_param("name", header="Content-Disposition"): part for part in message.iter_parts()}
    if set(parts) != {"uploadfile"}:
        raise StatusError(400, "Failed to read the pipeline from the form")
    pipeline, *platform = yaml.safe_load_all(parts["uploadfile"].get_payload(decode=True))
    document = {"pipeline_spec": pipeline, "platform_spec": platform[0]} if platform else pipeline
    check_pipeline(document)
    return document
