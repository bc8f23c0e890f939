"""Measures a model server on this machine: requests per second, latency and memory, while versions change.

    python -m serving.bench --seconds 60 --clients 16

It makes a small model, starts a server on free ports, and asks it from threads, one row per request.
"""

import argparse
import http.client
import itertools
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

_STARTED = re.compile(r"(gRPC ModelServer at |REST API at:)127\.0\.0\.1:(\d+)")


@dataclass(frozen=True)
class Load:
    """What a server did under load.

    Attributes:
        entrypoint: `gRPC` or `REST`.
        requests: Requests that were answered.
        errors: Texts of those that failed.
        requests_per_second: Throughput of all clients together.
        p50_ms: Median of the latency in milliseconds, as a client sees it.
        p99_ms: 99th percentile of the same.
        versions: Versions that were pushed meanwhile.
        memory_mb: Resident memory of the server in MB (10^6 bytes) after each.
    """

    entrypoint: str
    clients: int
    seconds: float
    requests: int
    errors: list[str]
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    versions: int
    memory_mb: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class RunningServer:
    """A server in a process of its own, and its two ports."""

    process: subprocess.Popen[str]
    port: int
    rest_port: int


@contextmanager
def running_server(base_path: Path, *flags: str) -> Iterator[RunningServer]:
    """Yields a server of the model `half`, on free ports, and ends it."""
    command = [sys.executable, "-m", "serving", "--model_name=half", f"--model_base_path={base_path}"]
    command += ["--port=0", "--rest_api_port=-1", *flags]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        ports: list[int] = []
        for line in process.stderr:
            ports += [int(match[2]) for match in _STARTED.finditer(line)]
            if len(ports) == 2:
                break
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        try:
            if len(ports) != 2:
                raise RuntimeError("The server did not start.")
            yield RunningServer(process, *ports)
        finally:
            process.terminate()
            drain.join()


def save_half_plus(folder: Path, offset: float) -> None:
    """Saves a model that answers x / 2 + offset for `x`, float32 [batch], as `y`."""
    module = tf.Module()
    module.offset = tf.Variable(offset)

    def half_plus(x: Any) -> dict[str, Any]:
        return {"y": x / 2 + module.offset}

    module.half_plus = tf.function(half_plus, input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.half_plus})


def measure(
    pid: int,
    base_path: Path,
    ask: Callable[[], Callable[[float], float]],
    *,
    name: str,
    clients: int,
    seconds: float,
    switch: float,
) -> Load:
    """Asks a server from several threads while new versions are pushed.

    Args:
        pid: Process of the server.
        base_path: Where its versions lie; the first is copied.
        ask: Makes a client: a function from x to x / 2 + 2.
        name: Name of the entry point.
        clients: Number of clients.
        seconds: For how long.
        switch: Seconds between two versions.
    """
    end = time.monotonic() + seconds
    latencies: list[list[float]] = [[] for _ in range(clients)]
    errors: list[str] = []
    threads = [threading.Thread(target=_client, args=(ask, end, own, errors)) for own in latencies]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    memory = _push_versions(pid, base_path, end, switch)
    for thread in threads:
        thread.join()
    elapsed = time.monotonic() - begin
    taken = np.array(list(itertools.chain.from_iterable(latencies))) * 1e3
    return Load(
        entrypoint=name,
        clients=clients,
        seconds=round(elapsed, 1),
        requests=len(taken),
        errors=errors,
        requests_per_second=round(len(taken) / elapsed, 1),
        p50_ms=round(float(np.percentile(taken, 50)), 2) if len(taken) else float("nan"),
        p99_ms=round(float(np.percentile(taken, 99)), 2) if len(taken) else float("nan"),
        versions=len(memory),
        memory_mb=memory,
    )


def _client(make: Callable[[], Callable[[float], float]], end: float, latencies: list[float], errors: list[str]) -> None:
    try:
        ask = make()
        for x in itertools.cycle(map(float, range(8))):
            begin = time.monotonic()
            if begin >= end:
                return
            answer = ask(x)
            latencies.append(time.monotonic() - begin)
            if answer != x / 2 + 2:
                errors.append(f"wrong answer {answer} for {x}")
    except Exception as error:  # whatever it is, it is counted
        errors.append(f"{type(error).__name__}: {error}")


def _push_versions(pid: int, base_path: Path, end: float, switch: float) -> list[float]:
    memory: list[float] = []
    while not memory or time.monotonic() + switch < end:
        time.sleep(switch)
        memory.append(_memory_mb(pid))
        last = max(int(path.name) for path in base_path.iterdir() if path.name.isdigit())
        staging = base_path / f".staging-{last + 1}"
        shutil.copytree(base_path / str(last), staging)
        staging.rename(base_path / str(last + 1))
    return memory


def _memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status")
    match = re.search(r"VmRSS:\s+(\d+)", status.read_text()) if status.exists() else None
    return round(int(match[1]) * 1024 / 1e6, 1) if match else 0.0


def rest_client(port: int) -> Callable[[float], float]:
    """Returns a function from x to the REST interface's answer, over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def ask(x: float) -> float:
        connection.request("POST", "/v1/models/half:predict", json.dumps({"instances": [x]}))
        answer = json.loads(connection.getresponse().read())
        return float(answer["predictions"][0])

    return ask


def grpc_client(port: int) -> Callable[[float], float]:
    """Returns a function from x to the gRPC interface's answer, over one channel."""
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "half"
    tensor = request.inputs["x"]
    tensor.dtype = 1  # DT_FLOAT
    tensor.tensor_shape.dim.add(size=1)
    tensor.float_val.append(0.0)

    def ask(x: float) -> float:
        request.inputs["x"].float_val[0] = x
        return float(stub.Predict(request, timeout=30).outputs["y"].float_val[0])

    return ask


def main() -> None:
    """Parses the command line, measures both entry points and prints JSON; exits with 1 if a request failed."""
    parser = argparse.ArgumentParser(prog="python -m serving.bench", description="Measure the model server under load.")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each of gRPC and REST (60)")
    parser.add_argument("--clients", type=int, default=16, help="clients that ask at the same time (16)")
    parser.add_argument("--switch", type=float, default=5.0, metavar="SECONDS", help="seconds between two new versions (5)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="serving-bench-") as folder:
        base_path = Path(folder)
        save_half_plus(base_path / "1", 2.0)
        with running_server(base_path) as server:
            shared = {"clients": args.clients, "seconds": args.seconds, "switch": args.switch}
            loads = [
                measure(server.process.pid, base_path, lambda: grpc_client(server.port), name="gRPC", **shared),
                measure(server.process.pid, base_path, lambda: rest_client(server.rest_port), name="REST", **shared),
            ]
    print(json.dumps([asdict(load) for load in loads], indent=1))  # noqa: T201  # what it is for
    sys.exit(1 if any(load.errors for load in loads) else 0)


if __name__ == "__main__":
    main()
