"""Asks a model server by TF Serving's gRPC interface: what `server_client` asks for addresses that begin with grpc://.

The messages are declared here, with the numbers of TF Serving's .proto files, since its Python package imports TensorFlow,
which nobody who pushes or rolls back needs. They live in a pool of their own, so they meet no other declaration.

https://github.com/tensorflow/serving/tree/master/tensorflow_serving/apis
"""

import base64
import functools
import math
import struct
from collections.abc import Mapping
from typing import Any

from components._shared.errors import UserError

_PACKAGE = "sluice.serving"
_MESSAGES = {
    "Int64": "value=1:int64",  # google.protobuf.Int64Value on the wire
    "ModelSpec": "name=1:string version=2:Int64 signature_name=3:string version_label=4:string",
    "Status": "error_code=1:int32 error_message=2:string",
    "StatusRequest": "model_spec=1:ModelSpec",
    "VersionStatus": "version=1:int64 state=2:int32 status=3:Status",
    "StatusResponse": "model_version_status=1:*VersionStatus",
    "MetadataRequest": "model_spec=1:ModelSpec metadata_field=2:*string",
    "MetadataResponse": "model_spec=1:ModelSpec",
    "Dim": "size=1:int64",
    "Shape": "dim=2:*Dim",
    "Tensor": "dtype=1:int32 tensor_shape=2:Shape tensor_content=4:bytes float_val=5:*float double_val=6:*double "
    "string_val=8:*bytes int64_val=10:*int64",
    "NamedTensor": "key=1:string value=2:Tensor",  # an entry of map<string, TensorProto>
    "PredictRequest": "model_spec=1:ModelSpec inputs=2:*NamedTensor",
    "PredictResponse": "outputs=1:*NamedTensor",
    "Latest": "num_versions=1:uint32",
    "All": "",
    "Specific": "versions=1:*int64",
    "VersionPolicy": "latest=100:Latest all=101:All specific=102:Specific",
    "VersionLabel": "key=1:string value=2:int64",
    "ModelConfig": "name=1:string base_path=2:string model_platform=4:string model_version_policy=7:VersionPolicy "
    "version_labels=8:*VersionLabel",
    "ModelConfigList": "config=1:*ModelConfig",
    "ModelServerConfig": "model_config_list=1:ModelConfigList",
    "ReloadRequest": "config=1:ModelServerConfig",
    "ReloadResponse": "status=1:Status",
}
"""Fields by message, as `name=number:type`, a star before the type of a repeated one."""

_STATES = {0: "UNKNOWN", 10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END"}
_FLOAT, _DOUBLE, _STRING, _INT64 = 1, 2, 7, 9
_NOT_FOUND = "NOT_FOUND"


class GrpcError(Exception):
    """The server does not answer, or says no; `code` is gRPC's word for why."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


def read_states(address: str, model_name: str, seconds: float) -> dict[int, tuple[str, str]]:
    """Returns state and error of each version that a server knows; none of a model that has none yet.

    Args:
        address: The server, as `host:port`.
        model_name: The model's name there.
        seconds: How long to wait for the answer.

    Raises:
        GrpcError: If it does not answer, or says no.
    """
    request = {"model_spec": {"name": model_name}}
    try:
        response = _call(address, "ModelService/GetModelStatus", ("StatusRequest", request), "StatusResponse", seconds)
    except GrpcError as error:
        if error.code == _NOT_FOUND:
            return {}
        raise
    return {
        item.version: (_STATES.get(item.state, "UNKNOWN"), _error_of(item.status)) for item in response.model_version_status
    }


def read_label(address: str, model_name: str, label: str, seconds: float) -> int:
    """Returns the version with which a server answers for a label; raises as `read_states` does."""
    request = {"model_spec": {"name": model_name, "version_label": label}, "metadata_field": ["signature_def"]}
    method = "PredictionService/GetModelMetadata"
    return int(_call(address, method, ("MetadataRequest", request), "MetadataResponse", seconds).model_spec.version.value)


def predict(
    address: str, model_name: str, version: int, signature: str, inputs: Mapping[str, list[Any]], seconds: float
) -> dict[str, list[float]]:
    """Returns the numbers of each output of a version, row after row; raises as `read_states` does.

    Args:
        address: The server, as `host:port`.
        model_name: The model's name there.
        version: The version.
        signature: The signature.
        inputs: Values by input, one per row: text, bytes as {"b64": …}, whole numbers (int64) or numbers (float32).
        seconds: How long to wait for the answer.
    """
    spec = {"name": model_name, "version": {"value": version}, "signature_name": signature}
    request = {"model_spec": spec, "inputs": [{"key": name, "value": _tensor(values)} for name, values in inputs.items()]}
    response = _call(address, "PredictionService/Predict", ("PredictRequest", request), "PredictResponse", seconds)
    return {item.key: _numbers(item.value) for item in response.outputs}


def reload_configuration(address: str, text: str, seconds: float) -> None:
    """Gives a server another configuration, whole; it answers when every model of it has an AVAILABLE version.

    Args:
        address: The server, as `host:port`.
        text: A ModelServerConfig in text form.
        seconds: How long to wait for the answer.

    Raises:
        GrpcError: If it does not answer, or says no.
        UserError: If the configuration has a field that cannot be sent.
    """
    from google.protobuf import text_format  # noqa: PLC0415

    try:
        config = text_format.Parse(text, _message("ModelServerConfig")())
    except text_format.ParseError as error:
        fields = "name, base_path, model_platform, model_version_policy and version_labels"
        rule = f"A model configuration that is sent to a server has, for each model, {fields} alone."
        raise UserError(
            rule, received=error, remedy="Remove the field, or let the server read the file: labels: file."
        ) from error
    request = _message("ReloadRequest")(config=config)
    response = _call(address, "ModelService/HandleReloadConfigRequest", ("ReloadRequest", request), "ReloadResponse", seconds)
    if problem := _error_of(response.status):
        raise GrpcError(f"grpc://{address} does not take the model configuration: {problem}", "")


def _call(address: str, method: str, request: tuple[str, Any], answer: str, seconds: float) -> Any:
    import grpc  # noqa: PLC0415  # only for those who name such an address

    kind, fields = request
    message = fields if not isinstance(fields, dict) else _message(kind)(**fields)
    with grpc.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)]) as channel:
        call = channel.unary_unary(
            f"/tensorflow.serving.{method}",
            request_serializer=_message(kind).SerializeToString,
            response_deserializer=_message(answer).FromString,
        )
        try:
            return call(message, timeout=seconds)
        except grpc.RpcError as error:
            code = error.code().name
            raise GrpcError(f"grpc://{address} answers {code}: {error.details()}", code) from error


@functools.cache
def _pool() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool  # noqa: PLC0415

    kind = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="sluice_serving.proto", package=_PACKAGE, syntax="proto3")
    for message, fields in _MESSAGES.items():
        declared = file.message_type.add(name=message)
        for field in fields.split():
            (name, _, rest), repeated = field.partition("="), "*" in field
            number, _, type_name = rest.partition(":")
            type_name = type_name.removeprefix("*")
            added = declared.field.add(name=name, number=int(number))
            added.label = kind.LABEL_REPEATED if repeated else kind.LABEL_OPTIONAL
            if type_name in _MESSAGES:
                added.type, added.type_name = kind.TYPE_MESSAGE, f".{_PACKAGE}.{type_name}"
            else:
                added.type = kind.Type.Value(f"TYPE_{type_name.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


@functools.cache
def _message(name: str) -> Any:
    from google.protobuf import message_factory  # noqa: PLC0415

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))


def _tensor(values: list[Any]) -> dict[str, Any]:
    shape = {"dim": [{"size": len(values)}]}
    if any(isinstance(value, str | dict) for value in values):
        return {"dtype": _STRING, "tensor_shape": shape, "string_val": [_bytes(value) for value in values]}
    if all(isinstance(value, int) for value in values):
        return {"dtype": _INT64, "tensor_shape": shape, "int64_val": values}
    return {"dtype": _FLOAT, "tensor_shape": shape, "float_val": values}


def _bytes(value: str | dict[str, str]) -> bytes:
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()


def _numbers(tensor: Any) -> list[float]:
    """Returns the numbers of an output; an output of another type has none, and says so by NaN."""
    kinds = {_FLOAT: ("f", tensor.float_val), _DOUBLE: ("d", tensor.double_val), _INT64: ("q", tensor.int64_val)}
    if tensor.dtype not in kinds:
        return [math.nan]
    letter, values = kinds[tensor.dtype]
    if content := tensor.tensor_content:
        return [float(value) for (value,) in struct.iter_unpack(f"<{letter}", content)]
    count = math.prod(dim.size for dim in tensor.tensor_shape.dim)
    found = [float(value) for value in values]
    # A tensor whose last values are equal may hold them once.
    return found + found[-1:] * (count - len(found))


def _error_of(status: Any) -> str:
    return (status.error_message or f"error {status.error_code}") if status.error_code else ""
