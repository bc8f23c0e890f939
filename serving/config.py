"""The configuration files of TF Serving: which models to serve, and whether to export metrics."""

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from tensorflow_serving.config import model_server_config_pb2

from serving.errors import ServingError, invalid

PROMETHEUS_PATH = "/monitoring/prometheus/metrics"
_PLATFORM = "tensorflow"


def read_model_config(path: str | Path) -> Any:
    """Returns the ModelServerConfig in a text file.

    Raises:
        ServingError: If it is not there, or is no such proto.
    """
    return _read_proto(path, model_server_config_pb2.ModelServerConfig())


def single_model_config(name: str, base_path: str) -> Any:
    """Returns the configuration of one model whose latest version is served."""
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.config.add(name=name, base_path=base_path, model_platform=_PLATFORM)
    return config


def read_prometheus_path(path: str | Path) -> str:
    """Returns the URL path of the metrics page that a MonitoringConfig asks for, empty if it does not.

    Raises:
        ServingError: If the file is not there, or is no MonitoringConfig.
    """
    prometheus = _read_proto(path, _monitoring_config()).prometheus_config
    return (prometheus.path or PROMETHEUS_PATH) if prometheus.enable else ""


def check_model_config(config: Any) -> None:
    """Checks what TF Serving checks before it takes a configuration (server_core.cc, `ValidateModelConfigList`).

    Raises:
        ServingError: If it lists a model twice, without an absolute path, or of another platform than TensorFlow.
    """
    if config.WhichOneof("config") == "custom_model_config":
        raise invalid("ModelServer does not yet support custom model config.")
    seen = set()
    for model in config.model_config_list.config:
        if model.name in seen:
            raise invalid(f"Illegal to list model {model.name} multiple times in config list")
        seen.add(model.name)
        if not Path(model.base_path).is_absolute():
            raise invalid(f"Expected model {model.name} to have an absolute path or URI; got base_path()={model.base_path}")
        _check_platform(model)


def _check_platform(model: Any) -> None:
    old = model.model_type == model_server_config_pb2.TENSORFLOW  # the deprecated field
    if old and model.model_platform:
        raise invalid("Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform.")
    if not old and not model.model_platform:
        raise invalid(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform."
        )
    if not old and model.model_platform != _PLATFORM:
        raise invalid(f"Model {model.name} requests unsupported platform {model.model_platform}")


def _read_proto(path: str | Path, message: Any) -> Any:
    try:
        return text_format.Parse(Path(path).read_text(encoding="utf-8"), message)
    except OSError as error:
        raise ServingError("NOT_FOUND", f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, text_format.ParseError) as error:
        name = message.DESCRIPTOR.full_name
        raise invalid(f"Error parsing text-format {name}: {error}. Invalid protobuf file: '{path}'") from error


def _monitoring_config() -> Any:
    """Returns an empty MonitoringConfig; the published package of protos leaves this small one out."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="sluice/monitoring_config.proto", package="tensorflow.serving", syntax="proto3"
    )
    prometheus = file.message_type.add(name="PrometheusConfig")
    prometheus.field.add(name="enable", number=1, type=field.TYPE_BOOL, label=field.LABEL_OPTIONAL)
    prometheus.field.add(name="path", number=2, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    file.message_type.add(name="MonitoringConfig").field.add(
        name="prometheus_config",
        number=1,
        type=field.TYPE_MESSAGE,
        type_name=".tensorflow.serving.PrometheusConfig",
        label=field.LABEL_OPTIONAL,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.serving.MonitoringConfig"))()
