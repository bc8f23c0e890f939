"""Rollbacks and withdrawals in a bucket: the model configuration lets servers load another version, and no object moves.

1. Call every open claim void, so that none can go live from here on.
2. Append `rollback_intent` or `withdraw_intent`, which says what is live before and after. It takes effect only as the next
   entry after what it was decided on; from here on the move is decided, and whoever comes next completes it.
3. Replace the model configuration by one that carries the intent out. This is the commit.
4. Append `rolled_back` or `withdrawn`.
"""

from collections.abc import Sequence
from typing import Any

from components._release.base import BucketPath
from components._release.bucket_ledger import DisturbedError, append_before_claims, carry_out
from components._release.bucket_versions import digest_version
from components._release.ledger import PUSHED, WITHDRAWN, Entry
from components._release.places import places_of
from components._release.releases import Release, read_bucket, releases_of
from components._shared.errors import UserError


def move_in_bucket(
    base: BucketPath,
    kind: str,
    *,
    decided_on: Sequence[Release] | None = None,
    withdraws: Sequence[int],
    restores: Sequence[int],
    **words: Any,
) -> Entry:
    """Lets servers load another version and records it; call it in turn.

    Args:
        base: The serving directory.
        kind: `rollback_intent` or `withdraw_intent`.
        decided_on: The versions as they were when it was chosen which ones move; None where that does not matter.
        withdraws: Versions that leave.
        restores: Versions that return.
        **words: `by`, `reason` and `automatic`; `undoes` if it takes a rollback back.

    Returns:
        The entry with the outcome.

    Raises:
        DisturbedError: If another process was faster.
        UserError: If the version that would be live afterwards is not whole, or one that leaves has a label.
    """
    entries, configuration, _ = read_bucket(base)
    releases = releases_of(entries, base, configuration.claim)
    if decided_on is not None and _placed(releases) != _placed(decided_on):
        raise DisturbedError("another version was pushed or moved")
    places = places_of(entries, base, configuration.claim)
    labelled = {*places.labels.values(), *configuration.labels.values()}
    if named := sorted(labelled & set(withdraws)):
        raise UserError(
            "A version that leaves has no label.",
            received=f"version {named[0]} has one",
            remedy="Roll back with the server of serving.server, where labels move.",
        )
    after = places.live_after(withdraws, restores)
    if after not in ("", places.live):
        _check_whole(base, next(item for item in releases if str(item.version) == after))
    payload = {"from": places.live, "to": after, "withdraws": sorted(withdraws), "restores": sorted(restores), **words}
    return carry_out(base, append_before_claims(base, kind, payload))


def _placed(releases: Sequence[Release]) -> list[tuple[int, str, bool]]:
    return [(item.version, item.state, item.live) for item in releases if item.state in (PUSHED, WITHDRAWN)]


def _check_whole(base: BucketPath, release: Release) -> None:
    if digest_version(base / str(release.version))[0] != release.pushed_digest:
        raise UserError(
            "A version that is to be live is whole.",
            received=f"version {release.version} is missing or was changed: {base / str(release.version)}",
            remedy="Name another version, or restore its objects.",
        )
