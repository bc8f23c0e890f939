"""How a command gets its turn at a serving directory: under its lock in a folder, as often as it is disturbed in a bucket."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from components._release.base import Base, BucketPath
from components._release.bucket_ledger import DisturbedError, append_valid, settle
from components._release.ledger import Entry, append_entry, read_ledger
from components._release.lock import LOCK_SECONDS, hold_lock
from components._release.push import recover
from components._release.store import explain_write_errors
from components._shared.errors import UserError

_ATTEMPTS = 50

T = TypeVar("T")


def in_turn(base: Base, do: Callable[[Entry | None], T], lock_seconds: float = LOCK_SECONDS) -> T:
    """Settles what was interrupted, and does something that nobody else disturbs.

    In a bucket it is done again when another process wrote first. So what it appends takes effect only where it makes sense,
    and it does nothing before that which may not be done twice.

    Args:
        base: The serving directory.
        do: What to do, given the outcome of a rollback or withdrawal that had been interrupted and is completed now, if any.
        lock_seconds: How long to wait for another process; a bucket needs no lock.

    Raises:
        UserError: If others are always faster, or the directory cannot be written.
    """
    if not isinstance(base, BucketPath):
        with explain_write_errors(base), hold_lock(base, lock_seconds):
            return do(recover(base))
    completed, disturbance = None, ""
    for _ in range(_ATTEMPTS):
        try:
            completed = settle(base) or completed
            return do(completed)
        except DisturbedError as error:
            disturbance = str(error)
    raise UserError("A command comes to its turn.", received=f"{_ATTEMPTS} times others were faster: {disturbance}")


def append(base: Base, kind: str, payload: dict[str, Any]) -> Entry:
    """Appends an entry; call it in turn."""
    if isinstance(base, BucketPath):
        return append_valid(base, kind, lambda _: payload)
    return append_entry(base, kind, lambda _: payload)


def check_existing(base: Base) -> None:
    """Checks that something was released.

    Raises:
        UserError: If nothing was.
    """
    if not (base.is_dir() if isinstance(base, Path) else read_ledger(base)):
        raise UserError("A version was released.", received=f"nothing was ever released into {base}")
