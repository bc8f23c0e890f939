"""The command line of `tensorflow_model_server`: the same names, defaults and forms (`--name=value`, `--flag`)."""

import argparse
from dataclasses import dataclass
from importlib.metadata import version

_WITHOUT_EFFECT = {
    "enable_batching": "requests run as they come",
    "batching_parameters_file": "requests run as they come",
    "enable_per_model_batching_parameters": "requests run as they come",
    "rest_api_num_threads": "a thread serves each connection",
    "rest_api_timeout_in_ms": "requests run to their end",
    "flush_filesystem_caches": "no cache is kept",
    "tensorflow_session_parallelism": "TensorFlow chooses",
    "tensorflow_intra_op_parallelism": "TensorFlow chooses",
    "tensorflow_inter_op_parallelism": "a request runs in its own thread",
    "per_process_gpu_memory_fraction": "there is no GPU",
    "num_load_threads": "loads run beside each other",
    "num_unload_threads": "unloads run beside each other",
    "enable_signature_method_name_check": "any method name is served",
    "xla_cpu_compilation_enabled": "graphs run uncompiled",
    "prefer_tflite_model": "only SavedModels are served",
    "remove_unused_fields_from_bundle_metagraph": "the graph is not kept",
}
_BOOLEANS = {
    "enable_batching",
    "enable_per_model_batching_parameters",
    "flush_filesystem_caches",
    "enable_signature_method_name_check",
    "xla_cpu_compilation_enabled",
    "prefer_tflite_model",
    "remove_unused_fields_from_bundle_metagraph",
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says; the fields carry the flags' names.

    Attributes:
        port: gRPC port; 0 lets the system choose one.
        rest_api_port: REST port; 0 for none, -1 lets the system choose one.
        host: Address that both ports are bound to.
        grpc_socket_path: Also listen to gRPC on this UNIX socket.
        model_config_file_poll_wait_seconds: Seconds between two reads of the model configuration; 0 for one read.
        file_system_poll_wait_seconds: Seconds between two looks for versions; 0 for one look, less for none.
        load_retry_interval_micros: Microseconds between two attempts to load a version.
        ignored: Flags of TF Serving that were given and change nothing here.
    """

    port: int
    rest_api_port: int
    host: str
    grpc_socket_path: str
    grpc_channel_arguments: str
    grpc_max_threads: int
    rest_api_enable_cors_support: bool
    model_name: str
    model_base_path: str
    model_config_file: str
    model_config_file_poll_wait_seconds: int
    file_system_poll_wait_seconds: int
    max_num_load_retries: int
    load_retry_interval_micros: int
    allow_version_labels_for_unavailable_models: bool
    monitoring_config_file: str
    saved_model_tags: str
    enable_model_warmup: bool
    ignored: tuple[str, ...]


def parse(arguments: list[str] | None = None) -> Options:
    """Parses the command line; an unknown flag or a wrong value ends the program with exit code 2."""
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    if not given["model_base_path"] and not given["model_config_file"]:
        parser.error("give --model_base_path or --model_config_file")
    ignored = tuple(
        f"--{name} is accepted and has no effect here: {why}"
        for name, why in _WITHOUT_EFFECT.items()
        if given.pop(name) is not None
    )
    return Options(**given, ignored=ignored)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m serving",
        allow_abbrev=False,
        description="Serve SavedModels as tensorflow_model_server does, for development and tests.",
        epilog="In production run the image tensorflow/serving.",
    )
    parser.add_argument("--version", action="version", version=f"Sluice model server {version('sluice')}")
    _add_addresses(parser.add_argument_group("addresses"))
    _add_models(parser.add_argument_group("models"))
    others = parser.add_argument_group("flags of tensorflow_model_server that are accepted and have no effect")
    for name in _WITHOUT_EFFECT:
        if name in _BOOLEANS:
            others.add_argument(f"--{name}", type=_boolean, nargs="?", const=True, metavar="true|false", help=argparse.SUPPRESS)
        else:
            others.add_argument(f"--{name}", help=argparse.SUPPRESS)
    others.description = ", ".join(_WITHOUT_EFFECT)
    return parser


def _add_addresses(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--port", type=int, default=8500, help="gRPC port; 0 for a free one, which is printed (8500)")
    group.add_argument(
        "--rest_api_port", type=int, default=0, help="REST port; 0 for none, -1 for a free one, which is printed (0)"
    )
    group.add_argument("--host", default="127.0.0.1", help="address to bind to, such as 0.0.0.0; only here (127.0.0.1)")
    group.add_argument("--grpc_socket_path", default="", help="UNIX socket to serve gRPC on as well")
    group.add_argument("--grpc_channel_arguments", default="", metavar="K=V,...", help="arguments of the gRPC server")
    group.add_argument("--grpc_max_threads", type=int, default=16, help="threads that answer gRPC (16)")
    _add_boolean(group, "rest_api_enable_cors_support", "let pages of other origins ask")
    group.add_argument("--monitoring_config_file", default="", metavar="FILE", help="MonitoringConfig, for Prometheus")


def _add_models(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--model_name", default="default", help="name of the model (default)")
    group.add_argument("--model_base_path", default="", metavar="DIR", help="absolute path of the folder of versions")
    group.add_argument("--model_config_file", default="", metavar="FILE", help="ModelServerConfig; instead of the two above")
    group.add_argument(
        "--model_config_file_poll_wait_seconds", type=int, default=0, metavar="N", help="read it every N seconds; 0: once (0)"
    )
    group.add_argument(
        "--file_system_poll_wait_seconds", type=int, default=1, metavar="N", help="look for versions every N seconds (1)"
    )
    group.add_argument("--max_num_load_retries", type=int, default=5, metavar="N", help="attempts after a failed load (5)")
    group.add_argument("--load_retry_interval_micros", type=int, default=60_000_000, metavar="N", help="(60000000, a minute)")
    _add_boolean(
        group, "allow_version_labels_for_unavailable_models", "let a new label name a version that is not available yet"
    )
    _add_boolean(group, "enable_model_warmup", "play the warm-up requests of a version before it serves (true)", default=True)
    group.add_argument("--saved_model_tags", default="serve", metavar="TAG,...", help="tags of the graph to load (serve)")


def _add_boolean(group: argparse._ArgumentGroup, name: str, text: str, *, default: bool = False) -> None:
    group.add_argument(f"--{name}", type=_boolean, nargs="?", const=True, default=default, metavar="true|false", help=text)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise argparse.ArgumentTypeError(f"must be true or false. Received: {text}")
    return text.lower() in ("true", "1")
