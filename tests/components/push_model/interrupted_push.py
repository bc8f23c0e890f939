"""Runs the same push again and again, each time interrupted one system call later, and prints what it leaves as JSON.

Usage: interrupted_push.py HOW TEMPLATE WORK, keyword arguments of push_model on standard input.

HOW says what happens at the call: `killed` kills the process there, in the middle if it is a write; `full` lets every call fail
that needs room on the disk, from there on. TEMPLATE is the serving directory to begin with and may be missing; WORK is an empty
folder.
"""

import errno
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from components._release.ledger import read_ledger
from components._release.releases import live_version, verify_ledger
from components._release.store import version_folders
from components._release.waiting import list_requests
from components._shared.digest import digest_tree
from components._shared.errors import UserError
from components.push_model.executor import push_model

CALLS = ("open", "mkdir", "chmod", "fchmod", "write", "fsync", "link", "unlink", "rename", "replace", "rmdir")
NEED_ROOM = ("mkdir", "write", "link", "rename")


def interrupt(how, step):
    """Replaces the calls of module os so that the step-th of them does not end well."""
    count = 0

    def wrap(name, call):
        def counted(*arguments, **options):
            nonlocal count
            count += 1
            if how == "full":
                needs_room = name in NEED_ROOM or (name == "open" and arguments[1] & os.O_CREAT)
                if count >= step and needs_room:
                    raise OSError(errno.ENOSPC, "No space left on device")
            elif count == step:
                if name == "write":
                    call(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return counted

    for name in CALLS:
        setattr(os, name, wrap(name, getattr(os, name)))


def push_interrupted(how, step, options):
    """Returns the exit code of a child that pushes: 0 done, 2 an error for the user, minus the signal if it was killed."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        interrupt(how, step)
        push_model(**options)
        code = 0
    except UserError:
        code = 2
    finally:
        os._exit(code)


def describe(base):
    entries = read_ledger(base) if base.exists() else []
    return {
        "problems": verify_ledger(base),
        "live": live_version(base),
        "versions": {name: digest_tree(base / name) for name in version_folders(base)},
        "pushed": [entry.payload["version"] for entry in entries if entry.kind == "pushed"],
        "requests": [request.state for request in list_requests(base)],
        "copies": [path.name for path in base.glob(".candidates/*")],
        "leftovers": [path.name for path in base.rglob("*") if ".staging-" in path.name or path.suffix == ".tmp"],
    }


def main():
    how, template, work = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    options = json.load(sys.stdin)
    code, step, facts = -1, 0, []
    os.fsync = lambda descriptor: None  # killing a process loses nothing that the kernel has: no need to wait for the disk
    while code != 0:
        step += 1
        base = work / str(step)
        if template.exists():
            shutil.copytree(template, base)
        code = push_interrupted(how, step, {**options, "serving_dir": str(base)})
        found = {"step": step, "code": code, "interrupted": describe(base)}
        found["versions"] = [push_model(**{**options, "serving_dir": str(base)}).version for _ in range(2)]
        facts.append({**found, "retried": describe(base)})
        shutil.rmtree(base)
    sys.stdout.write(json.dumps(facts))


if __name__ == "__main__":
    main()
