"""Puts the server together: models, both ports, the files it watches, and its end."""

import logging
import threading
from functools import partial
from pathlib import Path
from typing import Any

from serving import rest_api
from serving.config import read_model_config, read_prometheus_path, single_model_config
from serving.errors import ServingError, invalid
from serving.flags import Options
from serving.grpc_api import make_server
from serving.http_server import RestServer, Routes
from serving.manager import Manager
from serving.metrics import Metrics
from serving.requests import Models
from serving.servable import Servable
from serving.warmup import warm_up

logger = logging.getLogger(__name__)

_GRACE_SECONDS = 10.0
"""How long requests that are under way may take when the server ends."""


class Server:
    """A model server.

    Args:
        options: What the command line says.

    Raises:
        ServingError: If a configuration file is wrong.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stopping = threading.Event()
        self._metrics_path = read_prometheus_path(options.monitoring_config_file) if options.monitoring_config_file else ""
        self.metrics = Metrics()
        self.manager = Manager(
            self._load,
            max_num_load_retries=options.max_num_load_retries,
            load_retry_seconds=options.load_retry_interval_micros / 1e6,
            allow_labels_for_unavailable=options.allow_version_labels_for_unavailable_models,
        )
        self._grpc: Any = None
        self._rest: RestServer | None = None
        self.port = 0
        self.rest_port = 0

    def start(self) -> None:
        """Loads the models, waits until each is available, and opens the ports.

        Raises:
            ServingError: If the configuration is wrong, a model cannot be loaded, or a port cannot be had.
        """
        options = self._options
        if options.rest_api_port and options.rest_api_port == options.port:
            raise invalid("--rest_api_port cannot be same as --port. Please use a different port for HTTP/REST API.")
        new = self.manager.reload(self._read_config(), poll=options.file_system_poll_wait_seconds >= 0)
        if options.file_system_poll_wait_seconds > 0:
            self._repeat(self.manager.poll, options.file_system_poll_wait_seconds)
        self.manager.wait_until_available(new)
        if self._stopping.is_set():
            return
        if options.model_config_file and options.model_config_file_poll_wait_seconds > 0:
            self._repeat(self._poll_config, options.model_config_file_poll_wait_seconds)
        self._open_ports()

    def close(self) -> None:
        """Closes the ports, lets requests that are under way end, and unloads the models."""
        self._stopping.set()
        rest = threading.Thread(target=self._rest.close, args=(_GRACE_SECONDS,)) if self._rest else None
        if rest:
            rest.start()
        if self._grpc:
            self._grpc.stop(_GRACE_SECONDS).wait()
        if rest:
            rest.join()
        self.manager.close(_GRACE_SECONDS)

    def _load(self, path: Path) -> Servable:
        try:
            servable = Servable(path, self._options.saved_model_tags.split(","))
        except ServingError:
            self.metrics.load_attempted(str(path), succeeded=False)
            raise
        self.metrics.load_attempted(str(path), succeeded=True)
        try:
            if self._options.enable_model_warmup:
                warm_up(servable, path, self.metrics)
        except BaseException:
            servable.close()
            raise
        return servable

    def _read_config(self) -> Any:
        if self._options.model_config_file:
            return read_model_config(self._options.model_config_file)
        return single_model_config(self._options.model_name, self._options.model_base_path)

    def _poll_config(self) -> None:
        try:
            self.manager.reload(self._read_config())
        except ServingError as error:
            logger.error("PollFilesystemAndReloadConfig failed to ReloadConfig: %s", error)

    def _repeat(self, work: Any, seconds: int) -> None:
        def loop() -> None:
            while not self._stopping.wait(seconds):
                try:
                    work()
                except Exception:  # the next time may be better, and the models go on serving
                    logger.exception("%s failed", work.__name__)

        threading.Thread(target=loop, name=work.__name__, daemon=True).start()

    def _open_ports(self) -> None:
        options = self._options
        models = Models(self.manager, self.metrics)
        self._grpc = make_server(models, threads=options.grpc_max_threads, arguments=options.grpc_channel_arguments)
        try:
            self.port = self._grpc.add_insecure_port(f"{options.host}:{options.port}")
            if options.grpc_socket_path:
                self._grpc.add_insecure_port(f"unix:{options.grpc_socket_path}")
        except RuntimeError as error:
            raise invalid(f"Failed to BuildAndStart gRPC server: {error}") from error
        if options.rest_api_port:
            routes = Routes(
                api=partial(rest_api.answer, models),
                metrics=self.metrics.page,
                metrics_path=self._metrics_path,
                cors=options.rest_api_enable_cors_support,
            )
            try:
                self._rest = RestServer(routes, options.host, max(options.rest_api_port, 0))
            except OSError as error:
                raise invalid(f"Failed to start HTTP Server at {options.host}:{options.rest_api_port}: {error}") from error
            self.rest_port = self._rest.port
        self._grpc.start()
        logger.info("Running gRPC ModelServer at %s:%d ...", options.host, self.port)
        if self._rest:
            self._rest.start()
            logger.info("Exporting HTTP/REST API at:%s:%d ...", options.host, self.rest_port)
