"""Starts each stage in a container of its own, which it cannot leave: no rights, a root that cannot be written, no network."""

import contextlib
import csv
import io
import json
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from components._shared.errors import UserError
from components._shared.images import IMAGE_VARIABLE
from pipelines.container_access import Access, access_of
from pipelines.container_engine import Engine
from pipelines.launchers import Command, Ending
from pipelines.memory import Usage, cgroup_of, usage_of_tree

RUN_LABEL, STAGE_LABEL = "sluice.run", "sluice.stage"

_CONFINEMENT = (
    "--pull=never",
    "--read-only",
    "--tmpfs=/tmp:rw,nosuid,nodev,noexec,mode=1777",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    # The folders are the user's own: they must not be relabelled for the sake of SELinux.
    "--security-opt=label=disable",
    "--pids-limit=4096",
    # The engine's default may keep no log at all.
    "--log-driver=json-file",
)
_ANSWERS = (0, 2, 3)
"""Exit codes by which a stage says how it went."""
_TICK = 0.05
_OBSERVE_SECONDS = 0.1
_MEASURE_SECONDS = 0.25
_REMOVAL_SECONDS = 60.0
_GUARD = 'read -r line; exec "$@" >/dev/null 2>&1'


def create_command(engine: Engine, name: str, image: str, command: Command, access: Access) -> list[str]:
    """Returns the command that makes a stage's container, which is not started yet.

    Args:
        engine: The container engine.
        name: The container's name.
        image: Identity of the image, so that every stage has the same one whatever a tag is moved to meanwhile.
        command: The stage.
        access: What it may reach.
    """
    options = [*_CONFINEMENT, *engine.user_options()]
    options += ["--network", access.network] if access.network else []
    for label, value in ((RUN_LABEL, command.env.get("SLUICE_RUN_ID", "")), (STAGE_LABEL, command.log.stem)):
        options += ["--label", f"{label}={value}"]
    # push_model records the image in the ledger.
    for variable, value in {**command.env, IMAGE_VARIABLE: f"{command.image} ({image})"}.items():
        options += ["--env", f"{variable}={value}"]
    for variable in access.variables:  # their values may be secret, and command lines are not
        options += ["--env", variable]
    for path in access.read:
        options += ["--mount", _mount(path, "readonly")]
    for path in (access.output, *access.write):
        options += ["--mount", _mount(path)]
    return [engine.program, "create", "--name", name, *options, image, *command.argv]


def _mount(path: Path, *options: str) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(["type=bind", f"source={path}", f"target={path}", *options])
    return line.getvalue()


class ContainerLauncher:
    """Runs stages in containers, one after the other.

    Args:
        engine: The container engine.
    """

    python = "python"

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._images: dict[str, str] = {}

    def image_id(self, image: str) -> str:
        """Returns the identity of an image, the same throughout a run."""
        if image not in self._images:
            self._images[image] = self.engine.image_id(image)
        return self._images[image]

    def run(self, command: Command, on_tick: Callable[[], None]) -> Ending:
        """Runs a command to its end; an exception of `on_tick`, or a Ctrl-C, removes its container, as does this program's end.

        Raises:
            UserError: If the image is not there, or the engine makes no container.
        """
        image, access = self.image_id(command.image), access_of(list(command.argv), command.executor_input)
        name = f"sluice-{uuid.uuid4().hex[:16]}"
        with _ready_folders(self.engine, access), _removed_at_end(self.engine, name):
            make = create_command(self.engine, name, image, command, access)
            container = self.engine.call(*make[1:], variables=access.variables)
            with command.log.open("wb") as log:
                process = _popen(
                    [self.engine.program, "start", "--attach", name], stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
                usage = self._follow(process, container.splitlines()[-1], on_tick)
            state = json.loads(self.engine.call("inspect", "--format", "{{json .State}}", name))
        exit_code = _exit_code(state, process.returncode)
        return Ending(exit_code=exit_code, cpu_seconds=usage.cpu_seconds, peak_bytes=usage.peak_bytes)

    def close(self) -> None:
        """Has nothing to end."""

    def _follow(self, process: "subprocess.Popen[bytes]", container: str, on_tick: Callable[[], None]) -> Usage:
        """Waits for the end of a container and returns what it used, as far as this machine can see it."""
        usage, pid, next_tick, next_measure = Usage(), 0, 0.0, 0.0
        try:
            while process.poll() is None:
                now = time.monotonic()
                if now >= next_tick:
                    next_tick = now + _OBSERVE_SECONDS
                    on_tick()
                if now >= next_measure:
                    next_measure = now + _MEASURE_SECONDS
                    pid = pid or self._pid(container)
                    usage = usage.joined(usage_of_tree(pid)) if pid > 0 else usage
                time.sleep(_TICK)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        return usage

    def _pid(self, container: str) -> int:
        """Returns the process id of a container; 0 before it has started, and -1 where it is none of this machine."""
        try:
            pid = int(self.engine.call("inspect", "--format", "{{.State.Pid}}", container))
        except (UserError, ValueError):  # what is not measured is no reason to end a stage
            return -1
        # An engine in a virtual machine tells a number that may be another process out here.
        return pid if pid == 0 or container in cgroup_of(pid) else -1


def _exit_code(state: dict[str, Any], client_code: int) -> int:
    """Returns a stage's exit code as processes have it: negative for a signal, and never 0 for one that did not run."""
    if state["Status"] not in ("exited", "stopped"):
        return client_code or 1
    code = int(state["ExitCode"])
    if state.get("OOMKilled") and code not in _ANSWERS:  # else it was a process that the stage started and did without
        return -signal.SIGKILL
    return 128 - code if 128 < code <= 128 + signal.NSIG else code


@contextlib.contextmanager
def _removed_at_end(engine: Engine, name: str) -> Iterator[None]:
    """Removes a container at the end, whatever end that is: a process waits for it that outlives this one."""
    guard = _popen(["/bin/sh", "-c", _GUARD, "sh", *engine.remove_command(name)], stdin=subprocess.PIPE)
    assert guard.stdin
    try:
        yield
    finally:
        guard.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # it goes on by itself
            guard.wait(_REMOVAL_SECONDS)


@contextlib.contextmanager
def _ready_folders(engine: Engine, access: Access) -> Iterator[None]:
    """Makes the folders that a stage writes into, and takes away again those that it had no use for."""
    engine.hand_over(access.output)
    new = [folder for folder in access.write if not folder.exists()]
    for folder in access.write:
        engine.check_writable(folder)
    for folder in new:
        folder.mkdir(parents=True)
        engine.hand_over(folder)
    try:
        yield
    finally:
        for folder in new:
            with contextlib.suppress(OSError):  # it is not empty
                folder.rmdir()


def _popen(command: list[str], **streams: Any) -> "subprocess.Popen[bytes]":
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, start_new_session=True, bufsize=0, **{**quiet, **streams})
