"""The target server on a model: `tensorflow_model_server` where it is on the PATH, else `python -m serving`.

Both get the same flags, which are TF Serving's own, and are asked in the same way. Standard library only: the server starts
while the client still imports TensorFlow.
"""

import contextlib
import dataclasses
import http.client
import json
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import tensorflow as tf

from components._shared.artifacts import MODEL_SERVER
from components.validate_serving.memory import peak_mb

MODEL_NAME = "candidate"

_PACKAGE_ROOT = Path(__file__).parents[2]
_TICK_SECONDS = 0.02
_PORTS = range(20_000, 32_768)
"""Systems give none of these away by themselves, so that one is still free when the server has done its imports."""
_VERSION_SECONDS = 60.0
_TAIL_LINES, _LONGEST_LINE = 20, 500
_START_FAILED = re.compile(r"Failed to start server\. Error: (.+)")  # main.cc of TF Serving; the local server says the same
_TIME = r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) .*"
_IMPORTED = re.compile(_TIME + "This server is for development", re.MULTILINE)
_RUNNING = re.compile(_TIME + "Running gRPC ModelServer", re.MULTILINE)


class ServerLostError(Exception):
    """The server ended, or took longer than it may; the text says how, as a sentence."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Server:
    """A server's process.

    Attributes:
        process: The process.
        binary: Path of `tensorflow_model_server`; empty for the local server.
        port: Its gRPC port on this machine.
        rest_port: Its REST port on this machine.
        log: File with everything it said.
        started: When it was started, in seconds since the epoch.
        deadline: When it must have answered everything, on the clock of `time.monotonic`.
        timeout_seconds: How long that is from its start.
    """

    process: subprocess.Popen[bytes]
    binary: str
    port: int
    rest_port: int
    log: Path
    started: float
    deadline: float
    timeout_seconds: float

    def ending(self) -> str:
        """Returns how the process ended, as a sentence; empty while it runs."""
        code = self.process.poll()
        if code is None:
            return ""
        return f"The server was ended by signal {-code}." if code < 0 else f"The server ended with exit code {code}."

    def peak_mb(self) -> float | None:
        """Returns the greatest resident memory of the process so far; see `memory.peak_mb`."""
        return peak_mb(self.process.pid)

    def read_log(self) -> str:
        """Returns everything it said."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def log_tail(self) -> str:
        """Returns the last lines it said."""
        return "\n".join(line[:_LONGEST_LINE] for line in self.read_log().splitlines()[-_TAIL_LINES:])


def find_binary() -> str:
    """Returns the path of `tensorflow_model_server`; empty when it is not on the PATH."""
    return shutil.which(MODEL_SERVER) or ""


@contextlib.contextmanager
def start_server(binary: str, model: Path, timeout_seconds: float) -> Iterator[Server]:
    """Starts the target server on a model, which is version 1 of its base path, and ends it afterwards.

    Args:
        binary: What `find_binary` returns.
        model: Folder of the SavedModel.
        timeout_seconds: How long it may take, from now to its last answer.

    Raises:
        ServerLostError: If the program cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="validate-serving-") as name:
        base, log = Path(name) / MODEL_NAME, Path(name) / "log.txt"
        base.mkdir()
        (base / "1").symlink_to(model.resolve(), target_is_directory=True)
        port, rest_port = _free_ports()
        flags = {"port": port, "rest_api_port": rest_port, "model_name": MODEL_NAME, "model_base_path": base}
        flags |= {"file_system_poll_wait_seconds": 0, "max_num_load_retries": 0}
        command = [binary] if binary else [sys.executable, "-m", "serving"]
        command += [f"--{flag}={value}" for flag, value in flags.items()]
        started, deadline = time.time(), time.monotonic() + timeout_seconds
        process = _start(command, log)
        with _ending(process):
            yield Server(
                process=process,
                binary=binary,
                port=port,
                rest_port=rest_port,
                log=log,
                started=started,
                deadline=deadline,
                timeout_seconds=timeout_seconds,
            )


def _start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    try:
        with log.open("wb") as file:
            # `python -m` looks for packages in the working directory first.
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, cwd=_PACKAGE_ROOT)
    except OSError as error:
        raise ServerLostError(f"The server cannot be started: {error}") from error


def wait_until_available(server: Server) -> dict[str, float]:
    """Waits until the model is AVAILABLE, its warm-up requests played.

    Returns:
        The seconds of the cold start; see `Measured.seconds`.

    Raises:
        ServerLostError: If the server ends first, or gives the model up, or does not get there in time.
    """
    while True:
        if ended := server.ending():
            said = _START_FAILED.findall(server.read_log())
            raise ServerLostError(said[-1] if said else ended)
        state, message = _state(server.rest_port)
        if state == "AVAILABLE":
            return _cold_start(server, time.time())
        if state == "END":
            raise ServerLostError(message or "The server gave the model up.")
        if time.monotonic() > server.deadline:
            raise ServerLostError(f"The model was not AVAILABLE within {server.timeout_seconds:g} seconds.")
        time.sleep(_TICK_SECONDS)


def describe(binary: str) -> str:
    """Returns which server answers, with its version, as the report names it."""
    if not binary:
        return f"the local server on TensorFlow {tf.__version__} (no {MODEL_SERVER} on the PATH)"
    try:
        done = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, errors="replace", timeout=_VERSION_SECONDS, check=False
        )
        told = done.stdout.strip().splitlines()
    except (OSError, subprocess.TimeoutExpired):
        told = []
    return f"{MODEL_SERVER} {told[0].rpartition(': ')[2]}" if told else f"{MODEL_SERVER}, which does not tell its version"


def _cold_start(server: Server, available: float) -> dict[str, float]:
    if server.binary:
        return {"cold_start": available - server.started}
    # The local server's log has the times; looking on from here, while this process imports, would be late.
    log = server.read_log()
    imported, running = (
        datetime.strptime(pattern.findall(log)[0], "%Y-%m-%d %H:%M:%S,%f").timestamp() for pattern in (_IMPORTED, _RUNNING)
    )
    return {"cold_start": running - imported, "import": imported - server.started}


def _state(rest_port: int) -> tuple[str, str]:
    """Returns the state of version 1 and the error it has; both empty while the port is not open."""
    connection = http.client.HTTPConnection("127.0.0.1", rest_port, timeout=5)
    try:
        connection.request("GET", f"/v1/models/{MODEL_NAME}/versions/1")
        (status,) = json.loads(connection.getresponse().read())["model_version_status"]
        return status["state"], status["status"].get("error_message", "")
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return "", ""
    finally:
        connection.close()


def _free_ports() -> tuple[int, int]:
    free: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        with contextlib.suppress(OSError), socket.socket() as candidate:
            candidate.bind(("127.0.0.1", port))
            free.append(port)
        if len(free) == 2:
            return free[0], free[1]
    raise ServerLostError(f"The server cannot be started: no two ports from {_PORTS[0]} to {_PORTS[-1]} are free.")


@contextlib.contextmanager
def _ending(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Ends the process afterwards, also when this one is killed: the watcher's pipe then closes."""
    watcher = subprocess.Popen(["/bin/sh", "-c", f"read line; kill -9 {process.pid}"], stdin=subprocess.PIPE)
    try:
        yield
    finally:
        watcher.kill()
        watcher.communicate()
        process.kill()
        process.wait()
