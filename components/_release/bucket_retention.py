"""Keeps the last versions of a bucket and removes the objects of the others, in an order in which a process may die anywhere.

1. Append `retired`, which names versions that servers do not have by the model configuration.
2. Replace the model configuration, so that nobody who read it before can name one of them in it.
3. Remove the objects. Whoever comes next removes those that are left, since the ledger says what is not kept.
"""

import logging

from components._release.base import BucketPath
from components._release.bucket_ledger import append_valid, remove_leftovers
from components._release.ledger import RETIRED
from components._release.releases import read_bucket, releases_of
from components._release.retention import versions_to_retire

logger = logging.getLogger(__name__)


def retire_in_bucket(base: BucketPath, keep: int) -> list[int]:
    """Removes all versions but the last ones; call it in turn.

    Args:
        base: The serving directory.
        keep: How many versions to keep in place; 0 for all. Those that the model configuration names stay in any case.

    Returns:
        The versions that went.

    Raises:
        DisturbedError: If another process was faster.
    """
    entries, configuration, _ = read_bucket(base)
    releases = releases_of(entries, base, configuration.claim)
    goes = [version for version in versions_to_retire(releases, keep) if version not in configuration.listed]
    if not goes:
        return []
    append_valid(base, RETIRED, lambda _: {"versions": goes, "keep": keep})
    logger.info("Version %s is not kept any more", ", ".join(map(str, goes)))
    remove_leftovers(base)
    return goes
