"""What gRPC and REST share: Predict, GetModelMetadata and GetModelStatus."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tensorflow.core.protobuf import error_codes_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_pb2

from serving.errors import ServingError, invalid
from serving.manager import Manager
from serving.metrics import Metrics
from serving.servable import DEFAULT_SIGNATURE, Columns
from serving.states import ModelRequest

_SIGNATURE_DEF = "signature_def"


@dataclass(frozen=True)
class Models:
    """The models and the count of what is asked of them."""

    manager: Manager
    metrics: Metrics


def model_request(spec: Any) -> ModelRequest:
    """Returns which version a ModelSpec asks for."""
    version = spec.version.value if spec.WhichOneof("version_choice") == "version" else None
    return ModelRequest(spec.name, version, spec.version_label)


def predict(
    models: Models, request: ModelRequest, signature_name: str, inputs: Columns, output_filter: Iterable[str] = ()
) -> tuple[Any, Columns]:
    """Returns the ModelSpec of the version that answered, and its outputs.

    Raises:
        ServingError: See `Manager.use` and `Servable.predict`.
    """
    code = "OK"
    try:
        with models.manager.use(request) as (version, servable):
            observe = partial(models.metrics.runtime_took, request.model)
            outputs = servable.predict(signature_name, inputs, output_filter, observe)
    except ServingError as error:
        code = error.code
        raise
    finally:
        models.metrics.count_request(request.model, code)
    return _spec(request.model, version, signature_name or DEFAULT_SIGNATURE), outputs


def input_specs(models: Models, request: ModelRequest, signature_name: str) -> dict[str, Any]:
    """Returns the TensorInfo of each input of a signature, for the conversion of JSON.

    Raises:
        ServingError: INVALID_ARGUMENT if there is no such signature, or see `Manager.use`.
    """
    name = signature_name or DEFAULT_SIGNATURE
    with models.manager.use(request) as (_, servable):
        if name not in servable.signatures:
            raise invalid(f'Serving signature name: "{name}" not found in signature def')
        return dict(servable.signatures[name].inputs)


def metadata(models: Models, request: ModelRequest, fields: Iterable[str]) -> Any:
    """Returns the signatures of a version as a GetModelMetadataResponse.

    Raises:
        ServingError: INVALID_ARGUMENT if another field than `signature_def` is asked for, or see `Manager.use`.
    """
    wanted = list(fields)
    if not wanted:
        raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
    if unknown := [name for name in wanted if name != _SIGNATURE_DEF]:
        raise invalid(f"Metadata field {unknown[0]} is not supported")
    signatures = get_model_metadata_pb2.SignatureDefMap()
    with models.manager.use(request) as (version, servable):
        for name, signature in servable.signatures.items():
            signatures.signature_def[name].CopyFrom(signature)
    response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=_spec(request.model, version, ""))
    response.metadata[_SIGNATURE_DEF].Pack(signatures)
    return response


def status(models: Models, request: ModelRequest) -> Any:
    """Returns the states of a model's versions as a GetModelStatusResponse.

    Raises:
        ServingError: See `Manager.status`.
    """
    response = get_model_status_pb2.GetModelStatusResponse()
    for version, state, error in models.manager.status(request):
        item = response.model_version_status.add(version=version, state=state)
        item.status.error_code = error_codes_pb2.Code.Value(error.code if error else "OK")
        item.status.error_message = error.message if error else ""
    return response


def _spec(name: str, version: int, signature_name: str) -> Any:
    spec = model_pb2.ModelSpec(name=name, signature_name=signature_name)
    spec.version.value = version
    return spec
