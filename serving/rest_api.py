"""TF Serving's REST interface: status, metadata and predict (http_rest_api_handler.cc, http_rest_api_util.cc)."""

import inspect
import json
import logging
import re
import time
from typing import Any
from urllib.parse import unquote

from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2

from serving import requests
from serving.errors import HTTP_STATUS, ServingError, invalid
from serving.json_answers import write_tensors
from serving.json_tensors import parse_body, read_tensors
from serving.requests import Models
from serving.states import ModelRequest

logger = logging.getLogger(__name__)

_WHICH = r"/v1/models/([^/:]+)(?:/versions/([0-9]+)|/labels/([^/:]+))?"
_METHOD = re.compile(rf"{_WHICH}:(classify|regress|predict)", re.IGNORECASE)
_STATUS = re.compile(rf"{_WHICH}(/metadata)?", re.IGNORECASE)
_ALL_MODELS = re.compile(r"/v1/models(?:/metadata)?", re.IGNORECASE)
_GREATEST_VERSION = 2**63 - 1

# Protobuf 5 renamed the option that prints fields without a value; one line of dependencies has 4.
_DEFAULTS = next(
    name
    for name in ("always_print_fields_with_no_presence", "including_default_value_fields")
    if name in inspect.signature(json_format.MessageToJson).parameters
)


def answer(models: Models, method: str, path: str, body: bytes) -> tuple[int, str]:
    """Returns the HTTP status and the JSON that answer a request below `/v1/`.

    Args:
        models: What is served.
        method: HTTP method.
        path: Path of the URL, without a query.
        body: Body of the request.
    """
    try:
        return HTTP_STATUS["OK"], _dispatch(models, method, path, body)
    except ServingError as error:
        return HTTP_STATUS[error.code], json.dumps({"error": error.message}, indent=4, ensure_ascii=False)


def _dispatch(models: Models, method: str, path: str, body: bytes) -> str:
    if method == "POST" and (match := _METHOD.fullmatch(path)):
        *which, verb = match.groups()
        if verb.lower() == "predict":
            return _predict(models, _model_request(*which), body)
        raise ServingError("UNIMPLEMENTED", f":{verb} is not implemented here; tensorflow/serving has it.")
    if method == "GET" and (match := _STATUS.fullmatch(path)):
        *which, metadata = match.groups()
        return (_metadata if metadata else _status)(models, _model_request(*which))
    if method == "GET" and _ALL_MODELS.fullmatch(path):
        raise invalid("Missing model name in request.")
    raise invalid(f"Malformed request: {method} {path}")


def _model_request(name: str, version: str | None, label: str | None) -> ModelRequest:
    if version and int(version) > _GREATEST_VERSION:
        raise invalid(f"Failed to convert version: {version} to numeric.")
    return ModelRequest(unquote(name), int(version) if version else None, unquote(label or ""))


def _predict(models: Models, request: ModelRequest, body: bytes) -> str:
    begin = time.monotonic()
    document = parse_body(body)
    signature_name = document.get("signature_name", "")
    form, inputs = read_tensors(document, requests.input_specs(models, request, signature_name))
    _, outputs = requests.predict(models, request, signature_name, inputs)
    text = write_tensors(form, outputs)
    models.metrics.request_took(request.model, "predict", "REST", time.monotonic() - begin)
    return text


def _status(models: Models, request: ModelRequest) -> str:
    return json_format.MessageToJson(requests.status(models, request), indent=1, **{_DEFAULTS: True})


def _metadata(models: Models, request: ModelRequest) -> str:
    response = requests.metadata(models, request, ["signature_def"])
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    document = {"model_spec": _to_json(response.model_spec), "metadata": {"signature_def": _to_json(signatures)}}
    for signature in document["metadata"]["signature_def"]["signature_def"].values():
        if not signature.get("defaults"):
            signature.pop("defaults", None)
    return json.dumps(document, indent=1)


def _to_json(message: Any) -> Any:
    return json_format.MessageToDict(message, preserving_proto_field_name=True, **{_DEFAULTS: True})
