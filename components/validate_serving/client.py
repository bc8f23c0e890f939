"""Asks a model server over gRPC and REST, as its clients do."""

import http.client
import json
import time
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc

from components._shared.interface import Interface
from components.validate_serving import rest
from components.validate_serving.target import MODEL_NAME, ServerLostError

_CHANNEL = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),  # it is on this machine
    ("grpc.use_local_subchannel_pool", 1),
]
_LAST_BREATH_SECONDS = 1.0


class RefusedError(Exception):
    """The server answered with an error; the text is its code, as gRPC names it, and its message."""


class Client:
    """A client of one server and its one model.

    Args:
        port: Its gRPC port on this machine.
        rest_port: Its REST port on this machine.
        deadline: When the last answer must be there, on the clock of `time.monotonic`.
        ending: Tells how the server ended, as a sentence; empty while it runs.
    """

    def __init__(self, port: int, rest_port: int, *, deadline: float, ending: Callable[[], str]) -> None:
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=_CHANNEL)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._rest = http.client.HTTPConnection("127.0.0.1", rest_port)
        self._deadline = deadline
        self._ending = ending

    def close(self) -> None:
        """Closes both connections."""
        self._rest.close()
        self._channel.close()

    def send(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        """Sends a request over gRPC and returns the answer to it.

        Raises:
            RefusedError: If the server answers with an error.
            ServerLostError: If it ends, or does not answer in time.
        """
        return self._call(self._stub.Predict, request)

    def predict(self, signature: str, tensors: dict[str, tf.Tensor]) -> dict[str, np.ndarray]:
        """Returns the outputs of a signature, over gRPC; raises as `send` does."""
        return read_response(self.send(make_request(signature, tensors)))

    def predict_rest(self, tensors: dict[str, tf.Tensor], interface: Interface) -> np.ndarray:
        """Returns the output of `serving_default` that is the prediction, over REST; raises as `send` does.

        Raises:
            ValueError: If the answer holds no predictions.
        """
        body = rest.encode_request({name: tensor.numpy() for name, tensor in tensors.items()}, binary=not interface.raw)
        self._rest.timeout = self._remaining()
        if self._rest.sock is not None:
            self._rest.sock.settimeout(self._rest.timeout)
        try:
            self._rest.request("POST", f"/v1/models/{MODEL_NAME}:predict", body, {"Content-Type": "application/json"})
            response = self._rest.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._rest.close()
            self._raise_if_lost()
            raise RefusedError(f"REST: {type(error).__name__}: {error}") from error
        if response.status != http.HTTPStatus.OK:
            raise RefusedError(f"REST: {response.status}: {_error_text(answer)}")
        outputs = rest.decode_answer(answer)
        if not outputs.keys() & {"", interface.output}:
            raise ValueError(f"REST gives no {interface.output!r} but {sorted(outputs)}.")
        return outputs.get(interface.output, outputs.get("", np.empty(0)))

    def signatures(self) -> dict[str, Any]:
        """Returns the SignatureDef of each signature by name; raises as `send` does."""
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = MODEL_NAME
        found = get_model_metadata_pb2.SignatureDefMap()
        self._call(self._stub.GetModelMetadata, request).metadata["signature_def"].Unpack(found)
        return dict(found.signature_def)

    def _call(self, method: Any, request: Any) -> Any:
        try:
            return method(request, timeout=self._remaining())
        except grpc.RpcError as error:
            code = error.code()
            if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
                self._raise_if_lost()
            raise RefusedError(f"{code.name}: {error.details()}") from error

    def _remaining(self) -> float:
        if (seconds := self._deadline - time.monotonic()) <= 0:
            raise ServerLostError("The server did not answer in time.")
        return seconds

    def _raise_if_lost(self) -> None:
        # A connection may break a moment before the process is seen to have ended.
        end = min(time.monotonic() + _LAST_BREATH_SECONDS, self._deadline)
        while not (ended := self._ending()) and time.monotonic() < end:
            time.sleep(0.02)
        if ended:
            raise ServerLostError(ended)
        self._remaining()


def make_request(signature: str, tensors: dict[str, tf.Tensor]) -> predict_pb2.PredictRequest:
    """Returns the request that sends tensors to a signature."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = MODEL_NAME, signature
    for name, tensor in tensors.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(tensor.numpy()))
    return request


def read_response(response: predict_pb2.PredictResponse) -> dict[str, np.ndarray]:
    """Returns the outputs of an answer; strings are bytes in an array of objects."""
    return {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}


def _error_text(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["error"])
    except (ValueError, KeyError, TypeError):
        return repr(answer[:200])
