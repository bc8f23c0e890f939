"""Keeps the last versions and removes the others, in an order in which a process may die anywhere.

Under the lock: append `retired`, which says what goes; then rename each folder to `.retired-N`, which servers do not see, and
remove it. Whoever comes next completes what was interrupted, since the ledger says what is not kept.
"""

import logging
import os
import shutil
from pathlib import Path

from components._release.durable import sync_folder
from components._release.ledger import PUSHED, RETIRED, WITHDRAWN, append_entry
from components._release.releases import Release, list_releases
from components._release.store import is_whole, remove_retired, retired_folder, withdrawn_folder

logger = logging.getLogger(__name__)

_FEWEST = 2
"""The live version, and the one to roll back to."""


def retire_versions(base: Path, keep: int) -> list[int]:
    """Removes all versions but the last ones; call it under the lock, with nothing left to recover.

    Withdrawn versions count for nothing, and go when they are older than what is kept.

    Args:
        base: The serving directory.
        keep: How many versions to keep in place; 0 keeps all, and 1 keeps two: the live one and the one to roll back to.

    Returns:
        The versions that went.
    """
    releases = list_releases(base)
    in_place = sorted(release.version for release in releases if release.state == PUSHED)
    if not keep or len(in_place) <= max(keep, _FEWEST):
        return []
    oldest = in_place[-max(keep, _FEWEST)]
    goes = [item.version for item in releases if item.state in (PUSHED, WITHDRAWN) and item.version < oldest]
    append_entry(base, RETIRED, lambda _: {"versions": goes, "keep": keep})
    logger.info("Version %s is not kept any more", ", ".join(map(str, goes)))
    remove_what_is_retired(base)
    return goes


def remove_what_is_retired(base: Path) -> None:
    """Removes the folders of retired versions that are still there; call it under the lock."""
    for release in list_releases(base):
        if release.state == RETIRED:
            _hide(base, release)
    remove_retired(base)


def _hide(base: Path, release: Release) -> None:
    for folder in (base / str(release.version), withdrawn_folder(base, release.version)):
        # What somebody has put there since is not ours to remove.
        if is_whole(folder, release.pushed_digest):
            shutil.rmtree(retired_folder(base, release.version), ignore_errors=True)
            os.rename(folder, retired_folder(base, release.version))  # noqa: PTH104 (the system call is the point)
            sync_folder(base)
