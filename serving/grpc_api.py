"""TF Serving's gRPC services: PredictionService and ModelService."""

import logging
import time
from collections.abc import Callable
from concurrent import futures
from typing import Any

import grpc
from tensorflow.core.protobuf import error_codes_pb2
from tensorflow_serving.apis import (
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving import requests
from serving.errors import ServingError, invalid
from serving.requests import Models, model_request
from serving.tensors import to_array, to_proto

logger = logging.getLogger(__name__)

_LONGEST_MESSAGE = 1024  # grpc_status_util.cc; the text travels in a header


def make_server(models: Models, *, threads: int, arguments: str) -> grpc.Server:
    """Returns a gRPC server with both services, not started and bound to nothing.

    Args:
        models: What it serves.
        threads: Requests that are answered at a time.
        arguments: Arguments of gRPC, `key=value,key=value`.

    Raises:
        ServingError: INVALID_ARGUMENT if the arguments are no such list.
    """
    # Without SO_REUSEPORT a port that another server has is an error, and not a share of its requests.
    options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(
        futures.ThreadPoolExecutor(threads, thread_name_prefix="grpc"), options=[*options, *_parse_arguments(arguments)]
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_PredictionService(models), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_ModelService(models), server)
    return server


def _parse_arguments(text: str) -> list[tuple[str, int | str]]:
    pairs = [item.partition("=") for item in text.split(",") if item]
    if wrong := [key for key, equals, _ in pairs if not equals]:
        raise invalid(f"--grpc_channel_arguments is a list of key=value. Received: {wrong[0]}")
    return [(key, int(value) if value.lstrip("-").isdigit() else value) for key, _, value in pairs]


def _answer(work: Callable[[], Any], context: grpc.ServicerContext) -> Any:
    try:
        return work()
    except ServingError as error:
        message = error.message
        if len(message) > _LONGEST_MESSAGE:
            message = message[:_LONGEST_MESSAGE] + "...TRUNCATED"
        return context.abort(grpc.StatusCode[error.code], message)


def _unimplemented(name: str) -> Callable[..., Any]:
    def refuse(self: Any, request: Any, context: grpc.ServicerContext) -> Any:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{name} is not implemented here; tensorflow/serving has it.")

    return refuse


class _PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models: Models) -> None:
        self._models = models

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802  # the service's name
        return _answer(lambda: _predict(self._models, request), context)

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802  # the service's name
        return _answer(lambda: _metadata(self._models, request), context)

    Classify = _unimplemented("PredictionService.Classify")
    Regress = _unimplemented("PredictionService.Regress")
    MultiInference = _unimplemented("PredictionService.MultiInference")


class _ModelService(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, models: Models) -> None:
        self._models = models

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802  # the service's name
        return _answer(lambda: _status(self._models, request), context)

    def HandleReloadConfigRequest(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802  # as above
        return _answer(lambda: _reload(self._models, request), context)


def _predict(models: Models, request: Any) -> Any:
    begin = time.monotonic()
    inputs = {name: to_array(name, proto) for name, proto in request.inputs.items()}
    asked = model_request(request.model_spec)
    spec, outputs = requests.predict(models, asked, request.model_spec.signature_name, inputs, tuple(request.output_filter))
    response = predict_pb2.PredictResponse(model_spec=spec)
    for name, array in outputs.items():
        response.outputs[name].CopyFrom(to_proto(array))
    models.metrics.request_took(asked.model, "Predict", "GRPC", time.monotonic() - begin)
    return response


def _metadata(models: Models, request: Any) -> Any:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return requests.metadata(models, model_request(request.model_spec), request.metadata_field)


def _status(models: Models, request: Any) -> Any:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return requests.status(models, model_request(request.model_spec))


def _reload(models: Models, request: Any) -> Any:
    if request.config.WhichOneof("config") != "model_config_list":
        raise invalid(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported"
        )
    try:
        new = models.manager.reload(request.config)
        models.manager.wait_until_available(new, empty_too=False)
    except ServingError as error:
        logger.error("ReloadConfig failed: %s", error.message)
        raise
    response = model_management_pb2.ReloadConfigResponse()
    response.status.error_code = error_codes_pb2.Code.Value("OK")
    return response
