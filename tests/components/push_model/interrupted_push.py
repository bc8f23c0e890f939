"""Runs the same push or rollback again and again, each time interrupted one system call later, and prints what it leaves.

Usage: interrupted_push.py HOW TEMPLATE WORK, keyword arguments of push_model or rollback on standard input; with `config`, a
model configuration to begin with, of what moves labels; with `next`, those of the command that comes next instead of a retry.

HOW says what happens at the call: `killed` kills the process there, in the middle if it is a write; `full` and `readonly` let
every call fail that needs room on the disk, from there on; `failing` lets this one call fail as a bad disk does; `short` lets a
write take half of what it is given, and `short and full` the same with the disk full after it. Where an interruption leaves
what an earlier one has left, but for the time and random names, what comes next is not run again. TEMPLATE is the serving
directory to begin with and may be missing; WORK is an empty folder.
"""

import errno
import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path

from components._release import labels, promotion, server_waits, verification, verifier
from components._release.ledger import read_ledger
from components._release.model_config import read_labels
from components._release.places import places_of
from components._release.releases import live_version
from components._release.rollback import rollback
from components._release.server_client import Server
from components._release.store import version_folders
from components._release.verify import verify_ledger
from components._release.waiting import list_requests
from components._shared.digest import digest_parts, digest_tree
from components._shared.errors import UserError
from components.push_model import executor
from components.push_model.executor import push_model

CALLS = ("open", "mkdir", "chmod", "fchmod", "write", "fsync", "link", "unlink", "rename", "replace", "rmdir")
NEED_ROOM = ("mkdir", "write", "link", "rename")
ERRORS = {"full": errno.ENOSPC, "readonly": errno.EROFS}
SHORT = ("short", "short and full")
MODEL = "m"
RANDOM_NAME = re.compile(r"-[0-9a-f]{8}(?:[0-9a-f]{8})?\b|\.\d+(?=\.tmp)")
TIME = re.compile(rb'"recorded_at":\s*"[^"]*"')
LINK = re.compile(rb'"previous":\s*"sha256:[0-9a-f]*"')  # the digest of an entry with its time; `problems` tell of a wrong one
reached = False


def counts(how, name, arguments):
    """Returns whether a call can make a difference there: the others leave what the call before them has left."""
    creates = name == "open" and arguments[1] & os.O_CREAT
    if how in SHORT:
        return name == "write"
    if how in ERRORS:
        return name in NEED_ROOM or creates
    return how == "failing" or creates or name not in ("open", "fsync")


def interrupt(how, step):
    """Replaces the calls of module os so that the step-th of them does not end well."""
    count = 0

    def counted(name, call, arguments, options):
        nonlocal count
        global reached  # noqa: PLW0603  # what the child says when it ends
        if not counts(how, name, arguments):
            return call(*arguments, **options)
        count += 1
        reached = reached or count >= step
        if (how in ERRORS and count >= step) or (how == "short and full" and count > step):
            raise OSError(ERRORS.get(how, errno.ENOSPC), "no room")
        if how == "failing" and count == step:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if count == step and name == "write":
            arguments = (arguments[0], arguments[1][: max(1, len(arguments[1]) // 2)])
        if count == step and how == "killed":
            if name == "write":
                call(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)

    for name in CALLS:
        call = getattr(os, name)
        setattr(os, name, lambda *arguments, name=name, call=call, **options: counted(name, call, arguments, options))


def act(base, options):
    """Pushes, promotes or rolls back, and returns the version that this comes to."""
    if "config" not in options:
        return rollback(base, **options).live if "reason" in options else push(base, options)
    given = {name: value for name, value in options.items() if name not in ("config", "promote")}
    if "reason" not in options:
        return push(base, {**given, "labels": "file", "model_config_file": str(file_of(base)), "server": "http://none"})
    told = labels.Labels(config_file=file_of(base), servers=(Server(url="http://none", model_name=MODEL),))
    move = promotion.promote if options.get("promote") else promotion.roll_back_labels
    return move(base, told, **given).live


def push(base, options):
    return push_model(**{**options, "serving_dir": str(base)}).version


def file_of(base):
    """Returns where the copy of the model configuration is that belongs to a serving directory."""
    return base.with_name(f"{base.name}.config")


def replace_server():
    """Stands for a server that has every version as soon as it is told to, and for the rows that a version carries for it."""
    for module in (labels, promotion, server_waits, verification, verifier):
        checks = ("check_reachable", "check_all_reachable", "check_all_know_model")
        for name in ("wait_available", "wait_label", "wait_live", *checks):
            if hasattr(module, name):
                setattr(module, name, lambda *arguments: "")
    executor._sample = lambda *arguments: {}


def act_interrupted(how, step, base, options):
    """Returns a child's exit code: 0 done without an interruption, 4 done all the same, 1 a bug or a bad disk, 2 an error for
    the user, minus the signal that killed it.
    """
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        interrupt(how, step)
        act(base, options)
        code = 4 if reached and how in SHORT else 0
    except UserError:
        code = 2
    except OSError as error:
        code = 1 if error.errno == errno.EIO else 3
    finally:
        os._exit(code)


def describe_labels(base):
    if not file_of(base).exists():
        return {}
    versions, named = read_labels(file_of(base), MODEL)
    return {"versions": sorted(versions), "labels": named, "ledger": places_of(read_ledger(base), base).labels}


def digest_state(base):
    """Returns a digest of all that an interruption left: names, modes and contents, but for the time and random names."""
    parts = []
    for path in sorted([*base.rglob("*"), *base.parent.glob(f"*{base.name}.config*")]):
        content = LINK.sub(b"", TIME.sub(b"", path.read_bytes())) if path.is_file() else b"folder"
        parts += [RANDOM_NAME.sub("", str(path.relative_to(base.parent)).replace(base.name, "base", 1))]
        parts += [oct(path.stat().st_mode), content.hex()]
    return digest_parts(parts)


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
    following = options.pop("next", options)
    code, step, facts, known = -1, 0, [], {}
    replace_server()
    os.fsync = lambda descriptor: None  # killing a process loses nothing that the kernel has: no need to wait for the disk
    while code != 0:
        step += 1
        base = work / str(step)
        if "config" in options:
            shutil.copy(options["config"], file_of(base))
        if template.exists():
            shutil.copytree(template, base)
        code = act_interrupted(how, step, base, options)
        found = {"step": step, "code": code, "interrupted": describe(base)}
        state = digest_state(base)
        if state not in known:
            known[state] = {"versions": [act(base, following) for _ in range(2)], "retried": describe(base)}
        facts.append(found | known[state])
        shutil.rmtree(base)
    sys.stdout.write(json.dumps(facts))


if __name__ == "__main__":
    main()
