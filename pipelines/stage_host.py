"""The process that a stage runs in on a laptop: started early, with the stage's imports done, or started on the spot.

    python -m pipelines.stage_host hold  MODULE…   import the modules, wait for one request, become that stage
    python -m pipelines.stage_host serve MODULE…   import the modules, and fork a child for every request
    python -I -S stage_host.py exec COMMAND…       become the command

A request is one line of JSON: `argv` (the module and its arguments), `env` (variables to set) and `log` (a file). A host
dies with its parent, so that a killed runner leaves no stage behind. Standard library only: it is imported into a stage.
"""

import contextlib
import ctypes
import importlib
import json
import os
import runpy
import select
import signal
import sys
import threading
import traceback
import warnings
from typing import Any, NoReturn, TextIO

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Asks Linux to kill this process when its parent dies; elsewhere it does nothing."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the request took effect
            os.kill(os.getpid(), signal.SIGKILL)


def become(request: dict[str, Any]) -> None:
    """Runs the requested module as `python -m` does, with the log as its output; returns or raises as the module does."""
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(log)
    os.close(null)
    os.environ.update(request["env"])
    sys.argv = request["argv"]
    runpy.run_module(request["argv"][0], run_name="__main__", alter_sys=True)


def hold() -> None:
    """Waits for one request and becomes that stage; ends quietly when none comes."""
    if line := sys.stdin.readline():
        become(json.loads(line))


def serve(modules: list[str]) -> None:
    """Forks a child for every request, and answers with its process id when it starts and how it ended.

    Imports go on while a child runs, and pause when a request comes: the first stage need not wait for what others import.
    """
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        while True:
            if modules and not select.select([sys.stdin], [], [], 0)[0]:
                with contextlib.suppress(Exception):  # the stage that needs it fails by itself, where it can be seen
                    importlib.import_module(modules.pop(0))
                continue
            line = sys.stdin.readline()
            if not line:
                return
            with warnings.catch_warnings():
                # Imported libraries may have threads that sleep; the children start their own.
                warnings.simplefilter("ignore", DeprecationWarning)
                pid = os.fork()
            if pid == 0:
                _run_child(json.loads(line))
            print(json.dumps({"pid": pid}), file=answers, flush=True)
            threading.Thread(target=_report_end, args=(pid, answers), daemon=True).start()


def _report_end(pid: int, answers: TextIO) -> None:
    _, status, usage = os.wait4(pid, 0)
    seconds = usage.ru_utime + usage.ru_stime
    answer = {"exit_code": os.waitstatus_to_exitcode(status), "cpu_seconds": seconds, "maxrss": usage.ru_maxrss}
    print(json.dumps(answer), file=answers, flush=True)


def _run_child(request: dict[str, Any]) -> NoReturn:
    code: Any = 0
    try:
        die_with_parent()
        os.setpgid(0, 0)
        become(request)
    except SystemExit as error:
        code = error.code
    except BaseException:  # this is the child's outermost frame: what it does not report, nobody does
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def main(arguments: list[str]) -> None:
    """Runs the host."""
    mode, *rest = arguments
    die_with_parent()
    if mode == "exec":
        os.execvp(rest[0], rest)  # noqa: S606  # the stage's own command
    from components._shared.cli import prepare_environment  # noqa: PLC0415  # not found, nor needed, in `exec`

    prepare_environment()
    if mode == "serve":
        serve(rest)
        return
    for module in rest:
        importlib.import_module(module)
    hold()


if __name__ == "__main__":
    main(sys.argv[1:])
