"""Asks a model server which versions it has, and what they predict: by TF Serving's REST interface, or by gRPC."""

import contextlib
import dataclasses
import http.client
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

from components._release import grpc_client
from components._shared.artifacts import SIGNATURE_RAW
from components._shared.errors import UserError

AVAILABLE = "AVAILABLE"
GRPC = "grpc://"

_STATUS_SECONDS, _PREDICT_SECONDS = 10.0, 60.0
_POLL_SECONDS = 0.2
_UNAVAILABLE = "UNAVAILABLE"

_ADDRESS = re.compile(r"(https?|grpc)://[^\s/?#,]+/?")


class ServerError(Exception):
    """The server does not answer, or says no; the text says why, as a sentence."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Server:
    """A model server.

    Attributes:
        url: Its REST interface, such as `http://flights:8501`, or its gRPC one, such as `grpc://flights:8500`.
        model_name: The model's name there.
        wait_seconds: How long a version may take to become AVAILABLE.
    """

    url: str
    model_name: str
    wait_seconds: float = 300.0

    @property
    def grpc(self) -> str:
        """Host and port of its gRPC interface; empty if its REST interface is asked."""
        return self.url.removeprefix(GRPC).rstrip("/") if self.url.startswith(GRPC) else ""

    @property
    def address(self) -> str:
        """Address of the model in the REST interface."""
        return f"{self.url.rstrip('/')}/v1/models/{urllib.parse.quote(self.model_name, safe='')}"


@dataclasses.dataclass(frozen=True)
class VersionStatus:
    """How far a version is: its state, and the error that ended it."""

    state: str
    error: str = ""


def make_servers(addresses: str, model_name: str, wait_seconds: float) -> tuple[Server, ...]:
    """Returns the servers of a list of addresses.

    Args:
        addresses: Each `http://host:port`, `https://host:port` or `grpc://host:port`, with commas between; empty for none.
        model_name: The model's name in each.
        wait_seconds: How long a version may take to become AVAILABLE.

    Raises:
        UserError: If one is no such address.
    """
    urls = [url.strip() for url in addresses.split(",")] if addresses.strip() else []
    if wrong := [url for url in urls if not _ADDRESS.fullmatch(url)]:
        rule = "A model server is http://host:port or grpc://host:port; several have commas between them."
        raise UserError(rule, received=repr(wrong[0]))
    return tuple(Server(url=url, model_name=model_name, wait_seconds=wait_seconds) for url in dict.fromkeys(urls))


def read_status(server: Server) -> dict[int, VersionStatus]:
    """Returns the versions that a server knows; none of a model that has none yet.

    Raises:
        ServerError: If it does not answer, or not as TF Serving does.
    """
    if server.grpc:
        with _grpc_errors():
            states = grpc_client.read_states(server.grpc, server.model_name, _STATUS_SECONDS)
        return {version: VersionStatus(state, error) for version, (state, error) in states.items()}
    try:
        document = _ask(urllib.request.Request(server.address), _STATUS_SECONDS)  # noqa: S310  # the project's own
    except urllib.error.HTTPError as error:
        if error.code == http.client.NOT_FOUND:
            return {}
        raise ServerError(f"{server.url} answers {error.code}: {_message(error)}") from error
    try:
        return {int(item["version"]): _read_version(item) for item in document["model_version_status"]}
    except (KeyError, TypeError, ValueError) as error:
        raise ServerError(f"{server.url} does not answer as TF Serving does.") from error


def ask_label(server: Server, label: str) -> str:
    """Returns with what a server answers for a label, in words."""
    try:
        if server.grpc:
            with _grpc_errors():
                return f"version {grpc_client.read_label(server.grpc, server.model_name, label, _STATUS_SECONDS)}"
        request = urllib.request.Request(f"{server.address}/labels/{label}/metadata")  # noqa: S310  # the project's own
        return f"version {_ask(request, _STATUS_SECONDS)['model_spec']['version']}"
    except urllib.error.HTTPError as error:
        return f"the error {error.code}"
    except (ServerError, KeyError, TypeError) as error:
        return f"no version: {error}"


def predict(server: Server, version: int, inputs: Mapping[str, list[Any]]) -> Any:
    """Returns the outputs of a version by name, or the only one without its name, in the columnar form.

    Args:
        server: The server.
        version: The version.
        inputs: Values by input of the signature `serving_default`; None stands for NaN, which JSON has no word for.

    Raises:
        ServerError: If it does not answer, or says no.
    """
    columns = _columns(inputs)
    if server.grpc:
        with _grpc_errors():
            outputs = grpc_client.predict(server.grpc, server.model_name, version, SIGNATURE_RAW, columns, _PREDICT_SECONDS)
        return outputs if len(outputs) > 1 else next(iter(outputs.values()), [])
    body = json.dumps({"signature_name": SIGNATURE_RAW, "inputs": columns}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.address}/versions/{version}:predict", body, headers)  # noqa: S310
    try:
        return _ask(request, _PREDICT_SECONDS)["outputs"]
    except urllib.error.HTTPError as error:
        raise ServerError(f"{server.url} answers {error.code}: {_message(error)}") from error
    except (KeyError, TypeError) as error:
        raise ServerError(f"{server.url} does not answer as TF Serving does.") from error


def reload_configuration(server: Server, text: str) -> None:
    """Gives a server another model configuration by ReloadConfig; one that is starting is waited for.

    Raises:
        ServerError: If it does not answer, or says no.
        UserError: If it has no gRPC interface here, or the configuration cannot be sent.
    """
    if not server.grpc:
        raise UserError("A server that is told its model configuration is named by grpc://host:port.", received=server.url)
    deadline = time.monotonic() + server.wait_seconds
    with _grpc_errors():
        while True:
            try:
                grpc_client.reload_configuration(server.grpc, text, _STATUS_SECONDS + server.wait_seconds)
            except grpc_client.GrpcError as error:
                if error.code != _UNAVAILABLE or time.monotonic() >= deadline:
                    raise
                time.sleep(_POLL_SECONDS)
            else:
                return


@contextlib.contextmanager
def _grpc_errors() -> Iterator[None]:
    try:
        yield
    except grpc_client.GrpcError as error:
        raise ServerError(str(error)) from error
    except ImportError as error:
        raise UserError("An address with grpc:// needs the package grpcio.", received=error, remedy="Install it.") from error


def _columns(inputs: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    return {name: [float("nan") if value is None else value for value in values] for name, values in inputs.items()}


def _read_version(item: Any) -> VersionStatus:
    status = item.get("status") or {}
    failed = status.get("error_code", "OK") not in ("OK", 0)
    return VersionStatus(str(item["state"]), str(status.get("error_message") or "it failed") if failed else "")


def _ask(request: urllib.request.Request, seconds: float) -> Any:
    try:
        with urllib.request.urlopen(request, timeout=seconds) as response:  # noqa: S310  # the project's own
            return json.loads(response.read())
    except urllib.error.HTTPError:
        raise
    except (OSError, ValueError, http.client.HTTPException) as error:  # ValueError: no URL, or no JSON
        # The text of a BadStatusLine is what came instead, bytes and all; that of a URLError is its reason.
        other = isinstance(error, http.client.BadStatusLine) and not isinstance(error, OSError)
        reason = "it speaks no HTTP, as a gRPC port (grpc://host:port)" if other else getattr(error, "reason", error)
        raise ServerError(f"{request.full_url} does not answer: {reason}") from error


def _message(error: urllib.error.HTTPError) -> str:
    body = error.read()
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", "replace")
