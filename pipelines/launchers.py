"""Starts stages as processes of this machine: fresh ones, ones that have done their imports early, or forked ones."""

import dataclasses
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import pipelines
from pipelines import stage_host
from pipelines.memory import peak_of_process

CODE_DIR = Path(pipelines.__file__).parent.parent
"""Where `components` is importable from."""

TENSORFLOW_STAGES = (
    "generate_statistics",
    "validate_examples",
    "transform_features",
    "train_model",
    "evaluate_model",
    "validate_serving",
)
"""Stages whose imports need not wait for their turn, in the order in which they run.

All import TensorFlow, which takes seconds; validate_serving does so while the server that it asks starts.
"""

_TICK = 0.02


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ending:
    """How a process ended.

    Attributes:
        exit_code: Its exit code; negative for a signal.
        cpu_seconds: CPU time of the process and of those it waited for; imports that it did early count.
        peak_bytes: Greatest resident memory of the process, or of one it waited for.
    """

    exit_code: int
    cpu_seconds: float
    peak_bytes: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
    """What a stage is started as.

    Attributes:
        argv: Program and arguments.
        env: Variables to set.
        log: Gets what it writes to stdout and stderr.
        image: Reference of its image; for containers.
        executor_input: KFP's executor input, which names all that it reads and writes; for containers.
    """

    argv: Sequence[str]
    env: dict[str, str]
    log: Path
    image: str = ""
    executor_input: dict[str, Any] = dataclasses.field(default_factory=dict)


class Launcher(Protocol):
    """Runs one command at a time.

    Attributes:
        python: The Python that stages run in, to stand for `python` in their commands.
    """

    python: str

    def run(self, command: Command, on_tick: Callable[[], None]) -> Ending:
        """Runs a command to its end; an exception of `on_tick`, or a Ctrl-C, kills it and whatever it started."""
        ...

    def close(self) -> None:
        """Ends what was started early and not used."""
        ...


def stage_environment() -> dict[str, str]:
    """Returns the environment of a stage: this one, able to import the stages, and with bytecode kept for the next run."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(CODE_DIR), os.environ.get("PYTHONPATH", "")]))
    return env


class PlainLauncher:
    """Starts a fresh process when a stage's turn comes."""

    python = sys.executable

    def run(self, command: Command, on_tick: Callable[[], None]) -> Ending:
        """Runs a command to its end."""
        host = [sys.executable, "-I", "-S", stage_host.__file__, "exec"]
        with command.log.open("wb") as output:
            process = _popen([*host, *command.argv], {**stage_environment(), **command.env}, stdout=output, stderr=output)
        return _wait(process, on_tick)

    def close(self) -> None:
        """Has nothing to end."""


class StandbyLauncher:
    """Fresh processes, of which the next TensorFlow stage's starts while the stage before it runs.

    Args:
        stages: Stages to start early, in the order in which they run.
        package: Package of the stages.
        ahead: How many may wait at a time.
    """

    python = sys.executable

    def __init__(self, stages: Sequence[str] = TENSORFLOW_STAGES, package: str = "components", ahead: int = 1) -> None:
        self._plain = PlainLauncher()
        self._order = [f"{package}.{stage}" for stage in stages]
        self._coming = list(self._order)
        self._waiting: dict[str, subprocess.Popen[bytes]] = {}
        self._ahead = ahead
        self._start_next()

    def run(self, command: Command, on_tick: Callable[[], None]) -> Ending:
        """Runs a command to its end, in the process that waits for it if there is one and it is well."""
        module = _module_of(command.argv)
        process = self._waiting.pop(module, None)
        if module in self._coming:  # its turn came before its start
            self._coming.remove(module)
        if module in self._order:
            self._pass_over(self._order[: self._order.index(module)])
        self._start_next()
        if process and _send(process, command):
            ending = _wait(process, on_tick)
            if command.log.exists():  # else it died of its imports, before it became the stage: a fresh process shows why
                return ending
        return self._plain.run(command, on_tick)

    def close(self) -> None:
        """Kills the processes that still wait."""
        for process in self._waiting.values():
            _kill(process.pid)
            process.wait()
        self._waiting.clear()

    def _pass_over(self, stages: Sequence[str]) -> None:
        """Ends what waits for stages whose turn is over: earlier results stood in for them."""
        self._coming = [stage for stage in self._coming if stage not in stages]
        for stage in stages:
            if process := self._waiting.pop(stage, None):
                _kill(process.pid)
                process.wait()

    def _start_next(self) -> None:
        while self._coming and len(self._waiting) < self._ahead:
            module = self._coming.pop(0)
            command = [sys.executable, "-m", "pipelines.stage_host", "hold", f"{module}.executor"]
            self._waiting[module] = _popen(command, stage_environment(), stdin=subprocess.PIPE)


class ForkLauncher:
    """TensorFlow stages as forked children of one server that has imported for all of them; the others start afresh.

    Args:
        stages: Stages to fork.
        package: Package of the stages.
    """

    python = sys.executable

    def __init__(self, stages: Sequence[str] = TENSORFLOW_STAGES, package: str = "components") -> None:
        self._plain = PlainLauncher()
        self._modules = {f"{package}.{stage}" for stage in stages}
        command = [sys.executable, "-m", "pipelines.stage_host", "serve", *(f"{package}.{stage}.executor" for stage in stages)]
        self._server = _popen(command, stage_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._child = 0

    def run(self, command: Command, on_tick: Callable[[], None]) -> Ending:
        """Runs a command to its end, in a forked child if it is a TensorFlow stage and the server is well."""
        if _module_of(command.argv) not in self._modules or not _send(self._server, command, last=False):
            return self._plain.run(command, on_tick)
        try:
            started = self._answer(on_tick)
            if not started:  # the server could not import: a fresh process shows why
                return self._plain.run(command, on_tick)
            self._child = started["pid"]
            ended = self._answer(on_tick)
        except BaseException:
            _kill(self._child or self._server.pid)
            raise
        self._child = 0
        if not ended:  # the server was killed, and with it the stage
            return Ending(exit_code=-signal.SIGKILL, cpu_seconds=0.0, peak_bytes=0)
        peak = _maxrss_bytes(ended["maxrss"])
        return Ending(exit_code=ended["exit_code"], cpu_seconds=ended["cpu_seconds"], peak_bytes=peak)

    def close(self) -> None:
        """Ends the server and with it any child."""
        _kill(self._server.pid)
        self._server.wait()
        for pipe in (self._server.stdin, self._server.stdout):
            if pipe:
                pipe.close()

    def _answer(self, on_tick: Callable[[], None]) -> dict[str, Any]:
        assert self._server.stdout
        while not select.select([self._server.stdout], [], [], 0.1)[0]:
            on_tick()
        line = self._server.stdout.readline()
        return json.loads(line) if line else {}


def _module_of(argv: Sequence[str]) -> str:
    return argv[2] if list(argv[:2]) == [sys.executable, "-m"] and len(argv) > 2 else ""


def _popen(command: list[str], env: dict[str, str], **streams: Any) -> "subprocess.Popen[bytes]":
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    # In its own session: a Ctrl-C reaches the runner alone, which then kills the whole group.
    return subprocess.Popen(command, env=env, cwd=CODE_DIR, start_new_session=True, bufsize=0, **{**quiet, **streams})


def _send(process: "subprocess.Popen[bytes]", command: Command, *, last: bool = True) -> bool:
    """Hands a request to a host; returns False when it has died."""
    assert process.stdin
    line = json.dumps({"argv": list(command.argv[2:]), "env": command.env, "log": str(command.log)}).encode() + b"\n"
    try:
        if process.poll() is not None:
            return False
        process.stdin.write(line)
        if last:
            process.stdin.close()
    except BrokenPipeError:
        return False
    return True


def _wait(process: "subprocess.Popen[bytes]", on_tick: Callable[[], None]) -> Ending:
    peak, next_tick = 0, 0.0
    try:
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            peak = max(peak, peak_of_process(process.pid))
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + 0.1
                on_tick()
            time.sleep(_TICK)
    except BaseException:
        _kill(process.pid)
        process.wait()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    # What a stage left running in its group must not outlive it.
    _kill(process.pid)
    own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if usage.ru_maxrss > own_peak or not peak:  # it counts the stage's children too, but starts at this process's peak
        peak = max(peak, _maxrss_bytes(usage.ru_maxrss))
    return Ending(exit_code=process.returncode, cpu_seconds=usage.ru_utime + usage.ru_stime, peak_bytes=peak)


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _maxrss_bytes(maxrss: int) -> int:
    return maxrss if sys.platform == "darwin" else maxrss * 1024
