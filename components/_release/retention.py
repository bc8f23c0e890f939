"""Keeps the last versions and removes the others, in an order in which a process may die anywhere.

Under the lock: append `retired`, which says what goes; then rename each folder to `.retired-N`, which servers do not see, and
remove it. Whoever comes next completes what was interrupted, since the ledger says what is not kept.
"""

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from components._release.durable import sync_folder
from components._release.ledger import PUSHED, RETIRED, WITHDRAWN, append_entry
from components._release.releases import Release, list_releases
from components._release.store import is_whole, remove_retired, retired_folder, withdrawn_folder

logger = logging.getLogger(__name__)


def retire_versions(base: Path, keep: int) -> list[int]:
    """Removes all versions but the last ones; call it under the lock, with nothing left to recover.

    Withdrawn versions count for nothing, and go when they are older than what is kept.

    Args:
        base: The serving directory.
        keep: How many versions to keep in place; 0 for all. The live one, the one to roll back to and those with a label stay
            in any case.

    Returns:
        The versions that went.
    """
    goes = versions_to_retire(list_releases(base), keep)
    if not goes:
        return []
    append_entry(base, RETIRED, lambda _: {"versions": goes, "keep": keep})
    logger.info("Version %s is not kept any more", ", ".join(map(str, goes)))
    remove_what_is_retired(base)
    return goes


def versions_to_retire(releases: Sequence[Release], keep: int) -> list[int]:
    """Returns the versions that are not kept; none for `keep` 0."""
    in_place = [release for release in releases if release.state == PUSHED]
    if not keep or len(in_place) <= keep:
        return []
    before_live = [item for item in in_place if item.version < _live(in_place)][-1:]
    stays = {item.version for item in (*in_place[-keep:], *before_live)} | {
        item.version for item in in_place if item.live or item.labels
    }
    goes = [item.version for item in in_place if item.version not in stays]
    return goes + [item.version for item in releases if item.state == WITHDRAWN and item.version < min(stays)]


def remove_what_is_retired(base: Path) -> None:
    """Removes the folders of retired versions that are still there; call it under the lock."""
    for release in list_releases(base):
        if release.state == RETIRED:
            _hide(base, release)
    remove_retired(base)


def _live(in_place: list[Release]) -> int:
    return next((item.version for item in in_place if item.live), 0)


def _hide(base: Path, release: Release) -> None:
    for folder in (base / str(release.version), withdrawn_folder(base, release.version)):
        # What somebody has put there since is not ours to remove.
        if is_whole(folder, release.pushed_digest):
            shutil.rmtree(retired_folder(base, release.version), ignore_errors=True)
            os.rename(folder, retired_folder(base, release.version))  # noqa: PTH104 (the system call is the point)
            sync_folder(base)
