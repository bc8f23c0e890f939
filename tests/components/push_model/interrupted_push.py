"""Runs the same push or rollback again and again, each time interrupted one system call later, and prints what it leaves.

Usage: interrupted_push.py HOW TEMPLATE WORK, keyword arguments of push_model or rollback, or the
configuration file of a promotion, on standard input.

HOW says what happens at the call: `killed` kills the process there, in the middle if it is a write; `full` and `readonly` let
every call fail that needs room on the disk, from there on; `failing` lets this one call fail as a bad disk does. TEMPLATE is
the serving directory to begin with and may be missing; WORK is an empty folder.
"""

import errno
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from components._release import labels, promotion
from components._release.ledger import read_ledger
from components._release.model_config import read_labels
from components._release.places import places_of
from components._release.releases import live_version, verify_ledger
from components._release.rollback import rollback
from components._release.server_client import Server
from components._release.store import version_folders
from components._release.waiting import list_requests
from components._shared.digest import digest_tree
from components._shared.errors import UserError
from components.push_model.executor import push_model

CALLS = ("open", "mkdir", "chmod", "fchmod", "write", "fsync", "link", "unlink", "rename", "replace", "rmdir")
NEED_ROOM = ("mkdir", "write", "link", "rename")
ERRORS = {"full": errno.ENOSPC, "readonly": errno.EROFS}


def interrupt(how, step):
    """Replaces the calls of module os so that the step-th of them does not end well."""
    count = 0

    def wrap(name, call):
        def counted(*arguments, **options):
            nonlocal count
            count += 1
            if how in ERRORS:
                needs_room = name in NEED_ROOM or (name == "open" and arguments[1] & os.O_CREAT)
                if count >= step and needs_room:
                    raise OSError(ERRORS[how], os.strerror(ERRORS[how]))
            elif how == "failing" and count == step:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            elif count == step:
                if name == "write":
                    call(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return counted

    for name in CALLS:
        setattr(os, name, wrap(name, getattr(os, name)))


def act(base, options):
    """Pushes, promotes or rolls back, and returns the version that this comes to."""
    if "config" in options:
        return promotion.promote(base, labels_of(base, options), by="Ada", reason="Good.").live
    if "reason" in options:
        return rollback(base, **options).live
    return push_model(**{**options, "serving_dir": str(base)}).version


def labels_of(base, options):
    """Returns labels in a copy of a model configuration, in a server that has every version as soon as it is told to."""
    for module in (labels, promotion):
        for name in ("wait_available", "wait_label", "check_reachable"):
            setattr(module, name, lambda *arguments: "")
    file = base.with_name(f"{base.name}.config")
    if not file.exists():
        shutil.copy(options["config"], file)
    return labels.Labels(config_file=file, server=Server(url="http://none", model_name="m"))


def act_interrupted(how, step, base, options):
    """Returns a child's exit code: 0 done, 1 a bug or a bad disk, 2 an error for the user, minus the signal that killed it."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        interrupt(how, step)
        act(base, options)
        code = 0
    except UserError:
        code = 2
    except OSError as error:
        code = 1 if error.errno == errno.EIO else 3
    finally:
        os._exit(code)


def describe_labels(base):
    file = base.with_name(f"{base.name}.config")
    if not file.exists():
        return {}
    versions, named = read_labels(file, "m")
    return {"versions": sorted(versions), "labels": named, "ledger": places_of(read_ledger(base), base).labels}


def describe(base):
    entries = read_ledger(base) if base.exists() else []
    return {
        "problems": verify_ledger(base),
        "live": live_version(base),
        "versions": {name: digest_tree(base / name) for name in version_folders(base)},
        "pushed": [entry.payload["version"] for entry in entries if entry.kind == "pushed"],
        "moves": [entry.kind for entry in entries if entry.kind.startswith(("rol", "withd"))],
        "labels": describe_labels(base),
        "requests": [request.state for request in list_requests(base)],
        "copies": [path.name for path in base.glob(".candidates/*")],
        "leftovers": [
            path.name for path in base.rglob("*") if path.name.startswith((".staging-", ".retired-")) or path.suffix == ".tmp"
        ],
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
            labels_of(base, options) if "config" in options else None
            shutil.copytree(template, base)
        code = act_interrupted(how, step, base, options)
        found = {"step": step, "code": code, "interrupted": describe(base)}
        found["versions"] = [act(base, options) for _ in range(2)]
        facts.append({**found, "retried": describe(base)})
        shutil.rmtree(base)
    sys.stdout.write(json.dumps(facts))


if __name__ == "__main__":
    main()
