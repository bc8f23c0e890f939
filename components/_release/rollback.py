"""Rolls back to an earlier version, or forward to one that was withdrawn, and withdraws single versions."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from components._release.base import Base, BucketPath
from components._release.bucket_moves import move_in_bucket
from components._release.ledger import PUSHED, ROLLBACK_INTENT, WITHDRAW_INTENT, WITHDRAWN, Entry
from components._release.lock import LOCK_SECONDS
from components._release.moves import move_versions
from components._release.places import OUTCOMES
from components._release.releases import Release, list_releases, read_places
from components._release.turns import check_existing, in_turn
from components._release.words import read_words
from components._shared.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """What a rollback or a withdrawal did.

    Attributes:
        before: The version that was live before; empty for none.
        live: The version that is live now; empty for none.
        withdrawn: Versions that servers do not see any more.
        restored: Versions that servers see again.
        entry: The ledger's entry about it; None if there was nothing to do.
    """

    before: str
    live: str
    withdrawn: tuple[int, ...] = ()
    restored: tuple[int, ...] = ()
    entry: Entry | None = None


def rollback(base: Base, *, to: str = "", by: str, reason: str, lock_seconds: float = LOCK_SECONDS) -> Change:
    """Makes an earlier version live again: newer ones are withdrawn, which servers do not see.

    A version that was withdrawn returns the same way. Where the rollback was interrupted before, and this is its retry, it is
    completed and not done a second time; so is one to a version that is live already.

    Args:
        base: The serving directory.
        to: The version; empty for the one before the live one.
        by: Who wants it.
        reason: Why.
        lock_seconds: How long to wait for a push; a bucket needs no lock.

    Raises:
        UserError: If name or reason are empty, there is no such version, it is not whole, or the ledger or the directory do
            not allow it.
    """
    by, reason = read_words("who wants it", by), read_words("the reason", reason)
    check_existing(base)

    def roll_back(completed: Entry | None) -> Change:
        releases = list_releases(base)
        live = next((release for release in releases if release.live), None)
        interrupted = completed if completed and completed.kind == OUTCOMES[ROLLBACK_INTENT] else None
        if interrupted and to in ("", interrupted.payload["to"]):
            return _change(interrupted)
        target = find_version(releases, to) if to else version_before(releases, live)
        if target.live:
            return Change(before=str(target.version), live=str(target.version))
        newer = [item.version for item in releases if item.state == PUSHED and item.version > target.version]
        restores = [target.version] if target.state == WITHDRAWN else []
        return _move(base, ROLLBACK_INTENT, decided_on=releases, withdraws=newer, restores=restores, by=by, reason=reason)

    return in_turn(base, roll_back, lock_seconds)


def move(
    base: Base,
    *,
    withdraws: list[int],
    restores: list[int],
    by: str,
    reason: str,
    told: Change | None = None,
    undone: Change | None = None,
) -> Change:
    """Moves versions of a rollback whose live version a label names, unless somebody else did so meanwhile.

    Args:
        base: The serving directory.
        withdraws: Versions that leave.
        restores: Versions that return.
        by: Who wants it.
        reason: Why.
        told: What the rollback did besides.
        undone: What this takes back; None for nothing.
    """
    undoes: dict[str, Any] = {"undoes": _number(undone)} if undone and undone.entry else {}

    def move_left(_: Entry | None) -> Change | None:
        places = read_places(base)
        leave = [version for version in withdraws if version in places.in_place - {*places.labels.values()}]
        back = [version for version in restores if version in places.withdrawn]
        if not (leave or back):
            return None
        return _move(base, ROLLBACK_INTENT, withdraws=leave, restores=back, by=by, reason=reason, **undoes)

    change = in_turn(base, move_left)
    if change is None:
        live = read_places(base).live
        return told or Change(before=live, live=live)
    return dataclasses.replace(told, withdrawn=change.withdrawn, entry=change.entry) if told else change


def undo(base: Base, change: Change, *, by: str, reason: str, lock_seconds: float = LOCK_SECONDS) -> Change:
    """Takes a rollback back as a whole, unless something else was made live since.

    Args:
        base: The serving directory.
        change: What the rollback did.
        by: Who wanted it.
        reason: Why it does not stay.
        lock_seconds: How long to wait for a push; a bucket needs no lock.
    """

    def move_back(_: Entry | None) -> Change:
        releases = list_releases(base)
        live = next((str(item.version) for item in releases if item.live), "")
        if live != change.live:
            return Change(before=live, live=live)
        moved: dict[str, Any] = {"decided_on": releases, "withdraws": list(change.restored), "restores": list(change.withdrawn)}
        return _move(base, ROLLBACK_INTENT, **moved, by=by, reason=reason, automatic=True, undoes=_number(change))

    return in_turn(base, move_back, lock_seconds)


def withdraw(
    base: Base,
    *,
    version: str,
    by: str,
    reason: str,
    allow_none: bool = False,
    automatic: bool = False,
    lock_seconds: float = LOCK_SECONDS,
) -> Change:
    """Takes one version out of the sight of servers; if it is the live one, the one before it is live again.

    Args:
        base: The serving directory.
        version: The version.
        by: Who wants it.
        reason: Why.
        allow_none: Whether no version may be left.
        automatic: Whether it follows from a failed verification rather than from a person's will.
        lock_seconds: How long to wait for a push; a bucket needs no lock.

    Raises:
        UserError: As `rollback`, and if it is the only version and `allow_none` is not set.
    """
    by, reason = read_words("who wants it", by), read_words("the reason", reason)
    check_existing(base)

    def withdraw_one(_: Entry | None) -> Change:
        releases = list_releases(base)
        target = find_version(releases, version)
        if target.state == WITHDRAWN:
            live = next((str(item.version) for item in releases if item.live), "")
            return Change(before=live, live=live)
        if not allow_none and not [item for item in releases if item.state == PUSHED and item is not target]:
            remedy = "Push another one first, or allow it with --allow-none."
            raise UserError("A version is left when one is withdrawn.", received=f"only version {version}", remedy=remedy)
        moved: dict[str, Any] = {"decided_on": releases, "withdraws": [target.version], "restores": []}
        return _move(base, WITHDRAW_INTENT, **moved, by=by, reason=reason, automatic=automatic)

    return in_turn(base, withdraw_one, lock_seconds)


def _move(
    base: Base, kind: str, *, automatic: bool = False, decided_on: Sequence[Release] | None = None, **options: Any
) -> Change:
    if isinstance(base, BucketPath):  # nothing changes meanwhile in a folder, under its lock
        return _change(move_in_bucket(base, kind, decided_on=decided_on, **options, automatic=automatic))
    return _change(move_versions(base, kind, **options, automatic=automatic))


def _number(change: Change) -> int:
    return change.entry.sequence if change.entry else 0


def _change(entry: Entry) -> Change:
    payload = entry.payload
    return Change(
        before=payload["from"],
        live=payload["to"],
        withdrawn=tuple(payload["withdraws"]),
        restored=tuple(payload["restores"]),
        entry=entry,
    )


def find_version(releases: Sequence[Release], version: str) -> Release:
    """Returns a version that is in place or withdrawn.

    Raises:
        UserError: If it is neither.
    """
    found = [release for release in releases if str(release.version) == version]
    there = ", ".join(f"{item.version} ({item.state})" for item in releases if item.state in (PUSHED, WITHDRAWN)) or "none"
    if not found:
        raise UserError("The version was released.", received=f"{version}; there are {there}")
    if found[0].state not in (PUSHED, WITHDRAWN):
        raise UserError("The version was released.", received=f"{version}, which was {found[0].state}; there are {there}")
    return found[0]


def version_before(releases: Sequence[Release], live: Release | None) -> Release:
    """Returns the highest version in place below the live one.

    Raises:
        UserError: If there is none.
    """
    older = [item for item in releases if item.state == PUSHED and live and item.version < live.version]
    if older:
        return older[-1]
    received = f"version {live.version} is the only one in place" if live else "no version is live"
    remedy = "`--to VERSION` restores one that was withdrawn; `sluice releases PROJECT` lists them."
    raise UserError("There is a version before the live one.", received=received, remedy=remedy)
