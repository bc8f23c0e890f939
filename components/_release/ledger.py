"""The ledger: an append-only, hash-chained record of what happened to a serving directory.

One JSON file per entry, `<base>/.ledger/00000001.json` and so on. Each entry holds the SHA-256 hash of the bytes of the one
before it, so an edit, a gap or a swap shows. Who can write to the directory can cut off the end or write the whole chain
anew; that shows only against a head (the last entry's hash) noted somewhere else.

An entry is written under a temporary name, synced, and published by link(2), which fails if the name is taken: an entry is
there whole or not at all, and never replaced.
"""

import contextlib
import dataclasses
import datetime
import errno
import hashlib
import json
import logging
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components._release.durable import ensure_folder, sync_folder, write_new_file
from components._shared.errors import UserError

logger = logging.getLogger(__name__)

FORMAT = "sluice/ledger/1"
LEDGER_DIR = ".ledger"

PUSH_INTENT, PUSHED, ABANDONED = "push_intent", "pushed", "abandoned"
"""A version is claimed, is live, never became one."""

APPROVAL_REQUESTED, APPROVED, REJECTED = "approval_requested", "approved", "rejected"
"""A candidate waits for a person; the person said yes; the person said no."""
APPROVAL_EXPIRED, APPROVAL_WITHDRAWN = "approval_expired", "approval_withdrawn"
"""Nobody answered in time; there is nothing to approve any more."""

_ENTRY_NAME = re.compile(r"(\d{8})\.json", re.ASCII)
_TEMPORARY_NAME = re.compile(r"\.\d{8}-[0-9a-f]{16}\.tmp", re.ASCII)
_FIELDS = {"format": str, "sequence": int, "previous": str, "recorded_at": str, "kind": str, "payload": dict}
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of the ledger.

    Attributes:
        sequence: Its number; the first is 1. Order comes from here, never from the clock.
        previous: Hash of the entry before it; empty for the first.
        recorded_at: UTC time by the clock of the machine that wrote it, in ISO form.
        kind: What happened, such as "push_intent" or "approved".
        payload: What there is to know about it.
        hash: `sha256:<hex>` of the entry's file.
    """

    sequence: int
    previous: str
    recorded_at: str
    kind: str
    payload: dict[str, Any]
    hash: str


def read_ledger(base: str | Path) -> list[Entry]:
    """Returns all entries, oldest first; none for a serving directory that does not exist yet.

    Raises:
        UserError: If an entry is missing, torn or edited: nothing that follows from such a ledger can be trusted.
    """
    entries, problems = read_chain(base)
    if problems:
        raise UserError(
            f"The ledger of {base} is whole.",
            received=problems[0].rstrip("."),
            remedy="Restore it from a backup; `sluice releases PROJECT --verify` lists every problem.",
        )
    return entries


def read_chain(base: str | Path) -> tuple[list[Entry], list[str]]:
    """Returns the entries that can be read, and every problem of the chain as a sentence."""
    folder = Path(base) / LEDGER_DIR
    entries: list[Entry] = []
    problems: list[str] = []
    expected: int = 1
    previous: str | None = ""  # None: the entry before cannot be read, so there is nothing to compare with
    for number in _entry_numbers(folder):
        if number != expected:
            missing = f"Entry {expected} is" if number == expected + 1 else f"Entries {expected} to {number - 1} are"
            problems.append(f"{missing} missing.")
            previous = None
        expected = number + 1
        try:
            data = (folder / _entry_name(number)).read_bytes()
        except OSError as error:
            problems.append(f"Entry {number} cannot be read: {error}")
            previous = None
            continue
        try:
            entry = _parse(data, number)
        except ValueError as error:
            problems.append(f"Entry {number} is no entry of {FORMAT!r}: {error}")
        else:
            if previous is not None and entry.previous != previous:
                problems.append(f"Entry {number} does not follow from the one before it: an entry was edited or swapped.")
            entries.append(entry)
        previous = _hash(data)
    return entries, problems


def append_entry(base: str | Path, kind: str, make_payload: Callable[[list[Entry]], dict[str, Any]]) -> Entry:
    """Appends an entry durably.

    Args:
        base: The serving directory.
        kind: What happened.
        make_payload: Returns the payload, given all entries before it. It is called again when another process was
            faster, so that what it claims is right for the place in the chain where it ends up.

    Raises:
        UserError: If the ledger is broken, or its file system has no hard links.
        ValueError: If the payload holds NaN or an infinity.
    """
    ensure_folder(Path(base) / LEDGER_DIR)
    while True:
        entries = read_ledger(base)
        previous = entries[-1].hash if entries else ""
        fields = {
            "format": FORMAT,
            "sequence": len(entries) + 1,
            "previous": previous,
            "recorded_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
            "kind": kind,
            "payload": make_payload(entries),
        }
        data = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode() + b"\n"
        if _publish(Path(base) / LEDGER_DIR, len(entries) + 1, data):
            return _parse(data, len(entries) + 1)
        logger.info("Another process wrote entry %d of the ledger; reading it again", len(entries) + 1)


def remove_leftovers(base: Path) -> None:
    """Removes temporary files of processes that died while they appended; call it under the lock."""
    folder = base / LEDGER_DIR
    for path in folder.iterdir() if folder.is_dir() else ():
        if _TEMPORARY_NAME.fullmatch(path.name):
            path.unlink(missing_ok=True)


def foreign_files(base: str | Path) -> list[str]:
    """Returns names in the ledger's folder that the ledger never uses."""
    folder = Path(base) / LEDGER_DIR
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [name for name in names if not (_ENTRY_NAME.fullmatch(name) or _TEMPORARY_NAME.fullmatch(name))]


def _publish(folder: Path, number: int, data: bytes) -> bool:
    temporary = folder / f".{number:08d}-{secrets.token_hex(8)}.tmp"
    try:
        write_new_file(temporary, [data])
        os.link(temporary, folder / _entry_name(number))
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in _NO_LINKS:
            raise UserError(
                "The serving directory lies on a file system with hard links, which the ledger needs.",
                received=f"{folder}: {error}",
                remedy="Serve from a local disk or NFS, not from a mounted bucket.",
            ) from error
        raise
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)  # noqa: PTH108
    sync_folder(folder)
    return True


def _entry_numbers(folder: Path) -> list[int]:
    # A listing that races with appends can show an entry and miss an earlier one. Every entry up to the highest one of a
    # first listing was there before the second one begins, so the second one shows them all.
    highest = max(_list_numbers(folder), default=0)
    return sorted(number for number in _list_numbers(folder) if number <= highest)


def _list_numbers(folder: Path) -> list[int]:
    try:
        names = os.listdir(folder)  # noqa: PTH208
    except FileNotFoundError:
        return []
    return [int(match[1]) for name in names if (match := _ENTRY_NAME.fullmatch(name))]


def _entry_name(number: int) -> str:
    return f"{number:08d}.json"


def _parse(data: bytes, number: int) -> Entry:
    fields = json.loads(data)
    if not isinstance(fields, dict) or set(fields) != set(_FIELDS):
        raise ValueError(f"it has other fields than {sorted(_FIELDS)}.")
    if wrong := [name for name, kind in _FIELDS.items() if type(fields[name]) is not kind]:
        raise ValueError(f"its field {wrong[0]!r} has another type.")
    if fields.pop("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT!r}.")
    if fields["sequence"] != number:
        raise ValueError(f"it says that it is entry {fields['sequence']}.")
    return Entry(**fields, hash=_hash(data))


def _hash(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
