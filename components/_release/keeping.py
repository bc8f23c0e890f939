"""Keeps the last versions of a serving directory, wherever it lies."""

from components._release.base import Base, BucketPath
from components._release.bucket_retention import retire_in_bucket
from components._release.lock import LOCK_SECONDS
from components._release.retention import retire_versions
from components._release.turns import in_turn


def keep_last(base: Base, keep: int, *, lock_seconds: float = LOCK_SECONDS) -> list[int]:
    """Removes all versions but the last ones, and returns those that went.

    Args:
        base: The serving directory.
        keep: How many versions to keep in place; 0 keeps all. The live one and the one before it always stay.
        lock_seconds: How long to wait for another push; a bucket needs no lock.

    Raises:
        UserError: If the ledger is broken, or the directory cannot be written.
    """
    if not keep:
        return []

    def retire(_: object) -> list[int]:
        return retire_in_bucket(base, keep) if isinstance(base, BucketPath) else retire_versions(base, keep)

    return in_turn(base, retire, lock_seconds)
