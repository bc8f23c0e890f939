"""Takes versions out of the sight of servers, and brings them back, in an order in which a process may die anywhere.

Under the lock of the serving directory, and after everything was checked:

1. Append `rollback_intent` or `withdraw_intent`: from here on the move is decided, and whoever comes next completes it.
2. Rename `.withdrawn-N` to `N` for a version that returns.
3. Rename `N` to `.withdrawn-N` for those that leave, the highest last: until then servers that poll `latest` keep it, and
   after it they find the version that is to be live, never one between.
4. Append `rolled_back` or `withdrawn`.
"""

import logging
import os
from pathlib import Path

from components._release.durable import sync_folder
from components._release.ledger import PUSHED, WITHDRAW_INTENT, Entry, append_entry, read_ledger
from components._release.places import OUTCOMES, places_of
from components._release.releases import Release, list_releases, untrusted_versions
from components._release.store import is_whole, version_folders, withdrawn_folder
from components._shared.errors import UserError

logger = logging.getLogger(__name__)


def move_versions(
    base: Path,
    kind: str,
    *,
    withdraws: list[int],
    restores: list[int],
    by: str,
    reason: str,
    automatic: bool = False,
    undoes: int = 0,
) -> Entry:
    """Moves versions and records it; call it under the lock, with nothing left to recover.

    Args:
        base: The serving directory.
        kind: `rollback_intent` or `withdraw_intent`.
        withdraws: Versions that leave.
        restores: Versions that return.
        by: Who wants it.
        reason: Why.
        automatic: Whether it follows from a failed verification rather than from a person's will.
        undoes: Number of the entry of a rollback that this takes back; 0 for none.

    Returns:
        The entry with the outcome.

    Raises:
        UserError: If the version that would be live afterwards is not whole, or servers would take another one.
    """
    releases = list_releases(base)
    places = places_of(read_ledger(base), base)
    after = places.live_after(withdraws, restores)
    if after:
        _check_next(base, next(item for item in releases if item.version == int(after)), releases)
    payload = {
        "from": places.live,
        "to": after,
        "withdraws": sorted(withdraws),
        "restores": sorted(restores),
        "by": by,
        "reason": reason,
        "automatic": automatic,
        **({"undoes": undoes} if undoes else {}),
    }
    return _carry_out(base, append_entry(base, kind, lambda _: payload))


def settle_move(base: Path) -> Entry | None:
    """Completes a move that was interrupted, and returns its outcome; None if there was none. Call it under the lock."""
    intent = places_of(read_ledger(base), base).moving
    if intent is None:
        return None
    what = "withdrawal" if intent.kind == WITHDRAW_INTENT else "rollback"
    logger.warning("The %s that entry %d began was interrupted; completing it", what, intent.sequence)
    return _carry_out(base, intent)


def _check_next(base: Path, release: Release, releases: list[Release]) -> None:
    """Checks that servers will find the version that is to be live next, whole, and nothing above it that nobody pushed."""
    folder = base / str(release.version) if release.state == PUSHED else withdrawn_folder(base, release.version)
    if not is_whole(folder, release.pushed_digest):
        raise UserError(
            "A version that is to be live is whole.",
            received=f"version {release.version} is missing or was changed: {folder}",
            remedy="Name another version, or restore its folder from a backup.",
        )
    numbers = version_folders(base)
    above = [name for name in untrusted_versions(base, releases) if numbers[name] >= release.version]
    if above:
        raise UserError(
            f"Servers take version {release.version} for the latest one afterwards.",
            received=f"{base / above[0]}, which nobody pushed",
            remedy="Move that folder elsewhere.",
        )


def _carry_out(base: Path, intent: Entry) -> Entry:
    for version in intent.payload["restores"]:
        _rename(base, withdrawn_folder(base, version), base / str(version))
    for version in intent.payload["withdraws"]:
        _rename(base, base / str(version), withdrawn_folder(base, version))
    return append_entry(base, OUTCOMES[intent.kind], lambda _: {**intent.payload, "intent": intent.sequence})


def _rename(base: Path, source: Path, target: Path) -> None:
    """Renames a version, unless that was done before; durable, so that the order of renames outlives a power cut."""
    if os.path.lexists(source):
        if os.path.lexists(target):  # rename(2) would replace an empty folder
            remedy = "Find out who writes into the serving directory, and move one of them elsewhere."
            raise UserError("A version is in one place.", received=f"both {source} and {target}", remedy=remedy)
        os.rename(source, target)  # noqa: PTH104 (the system call is the point)
    sync_folder(base)
