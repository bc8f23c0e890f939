"""The ledger: an append-only, hash-chained record of what happened to a serving directory.

One JSON file per entry, `<base>/.ledger/00000001.json` and so on. Each entry holds the SHA-256 hash of the bytes of the one
before it, so an edit, a gap or a swap shows. Who can write to the directory can cut off the end or write the whole chain
anew; that shows only against a head (the last entry's hash) noted somewhere else.

An entry is there whole or not at all, and never replaced, since it is published in one step that fails if its name is taken:
by link(2) on a file system, by a precondition on an object store.
"""

import dataclasses
import datetime
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from components._release import bucket_entries, file_entries
from components._release.base import Base, BucketPath, to_base
from components._shared.digest import digest_bytes
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

ROLLBACK_INTENT, ROLLED_BACK = "rollback_intent", "rolled_back"
"""An earlier version is to be live again, and the newer ones leave; it is, and they did."""
WITHDRAW_INTENT, WITHDRAWN = "withdraw_intent", "withdrawn"
"""A version is to leave; it did."""
RETIRED = "retired"
"""Versions that are not kept any more."""
LABELLED = "labelled"
"""A label, such as stable, names another version."""
UNLABELLED = "unlabelled"
"""Versions have no labels any more."""
VERIFIED = "verified"
"""A version is live in a model server, and predicts there what the evaluation did."""

_ENTRY_NAME = re.compile(r"(\d{8})\.json", re.ASCII)
_FIELDS = {"format": str, "sequence": int, "previous": str, "recorded_at": str, "kind": str, "payload": dict}


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


class _Entries(Protocol):
    """Where entries are kept; `file_entries` and `bucket_entries` are modules of this form."""

    def list_names(self, folder: Any) -> list[str]:
        """Returns all names in the ledger's folder; none if it is not there."""

    def read_all(self, folder: Any, is_wanted: Callable[[str], bool]) -> dict[str, bytes | OSError]:
        """Lists the folder anew, and returns the content behind each name that is wanted, or why it cannot be read."""

    def publish(self, folder: Any, name: str, data: bytes) -> bool:
        """Makes an entry durable in one step, unless the name is taken; returns whether it did."""


def read_ledger(base: str | Base) -> list[Entry]:
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


def read_chain(base: str | Base) -> tuple[list[Entry], list[str]]:
    """Returns the entries that can be read, and every problem of the chain as a sentence."""
    folder = to_base(base) / LEDGER_DIR
    entries: list[Entry] = []
    problems: list[str] = []
    expected: int = 1
    previous: str | None = ""  # None: the entry before cannot be read, so there is nothing to compare with
    for number, data in _read_entries(folder):
        if number != expected:
            missing = f"Entry {expected} is" if number == expected + 1 else f"Entries {expected} to {number - 1} are"
            problems.append(f"{missing} missing.")
            previous = None
        expected = number + 1
        if isinstance(data, OSError):
            problems.append(f"Entry {number} cannot be read: {data}")
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
        previous = digest_bytes(data)
    return entries, problems


def append_entry(base: str | Base, kind: str, make_payload: Callable[[list[Entry]], dict[str, Any]]) -> Entry:
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
    folder = to_base(base) / LEDGER_DIR
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
        if _entries(folder).publish(folder, _entry_name(len(entries) + 1), data):
            return _parse(data, len(entries) + 1)
        logger.info("Another process wrote entry %d of the ledger; reading it again", len(entries) + 1)


def remove_leftovers(base: Path) -> None:
    """Removes temporary files of processes that died while they appended; call it under the lock."""
    folder = base / LEDGER_DIR
    for path in folder.iterdir() if folder.is_dir() else ():
        if file_entries.TEMPORARY_NAME.fullmatch(path.name):
            path.unlink(missing_ok=True)


def foreign_files(base: str | Base) -> list[str]:
    """Returns names in the ledger's folder that the ledger never uses."""
    folder = to_base(base) / LEDGER_DIR
    names = _entries(folder).list_names(folder)
    return [name for name in names if not (_ENTRY_NAME.fullmatch(name) or file_entries.TEMPORARY_NAME.fullmatch(name))]


def _entries(folder: Base) -> _Entries:
    return bucket_entries if isinstance(folder, BucketPath) else file_entries


def _read_entries(folder: Base) -> list[tuple[int, bytes | OSError]]:
    # A listing that races with appends can show an entry and miss an earlier one. Every entry up to the highest one of a
    # first listing was there before the second one begins, so the second one shows them all.
    highest = max(map(_number_of, _entries(folder).list_names(folder)), default=0)
    found = _entries(folder).read_all(folder, lambda name: 0 < _number_of(name) <= highest)
    return sorted((_number_of(name), data) for name, data in found.items())


def _number_of(name: str) -> int:
    """Returns the number of an entry; 0 if it is none."""
    match = _ENTRY_NAME.fullmatch(name)
    return int(match[1]) if match else 0


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
    return Entry(**fields, hash=digest_bytes(data))
