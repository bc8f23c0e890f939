"""The push protocol: at every instant, each version in the serving directory is complete, approved and told by the ledger.

Under the lock of the serving directory:

1. Settle what an interrupted push has left: an intent without outcome becomes `pushed` if its version is in place with the
   right digest, else `abandoned`; a rollback is completed; staging folders go.
2. If this very model was pushed under this very decision, that is the answer. If a person withdrew this very model, no.
3. Stage: copy to `.staging-…`, which servers skip; set modes; sync.
4. Claim: append `push_intent` with a number that no intent and no folder ever had.
5. Abandon the claim if the version that the decision compared with is not live any more.
6. Rename the staging folder to the number. This is the commit: one step, whole or not at all.
7. Append `pushed`.

The copy is made before the claim so that the claim can name the digest of what will be in place; it gives nobody a right to
the number. A process that dies before 6 leaves the serving directory as it was; after 6, step 1 of the next push, or anybody
who reads the ledger, finds the version complete.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components._release.base import Base, BucketPath
from components._release.bucket_push import push_to_bucket
from components._release.claims import (
    Candidate,
    Outcome,
    claim_payload,
    claimed_versions,
    explain_stale,
    find_earlier_push,
    open_intents,
)
from components._release.durable import ensure_folder, sync_folder
from components._release.ledger import (
    ABANDONED,
    LEDGER_DIR,
    PUSH_INTENT,
    PUSHED,
    Entry,
    append_entry,
    read_ledger,
    remove_leftovers,
)
from components._release.lock import LOCK_SECONDS, hold_lock
from components._release.moves import settle_move
from components._release.releases import list_releases, releases_of, untrusted_versions
from components._release.retention import remove_what_is_retired
from components._release.store import (
    explain_write_errors,
    has_digest,
    move_into_place,
    next_version,
    remove_stale_staging,
    stage_version,
)
from components._shared.digest import digest_model, digest_tree
from components._shared.errors import UserError

logger = logging.getLogger(__name__)


def push(base: Base, candidate: Candidate, *, lock_seconds: float = LOCK_SECONDS) -> Outcome:
    """Pushes an approved model into a serving directory, exactly once however often it is tried.

    Args:
        base: The serving directory; it is made if it is not there.
        candidate: The model.
        lock_seconds: How long to wait for another push; a bucket needs no lock.

    Raises:
        UserError: If the ledger is broken, the disk is full or read-only, another push does not end, or the model changes
            while it is copied. The live version is untouched, and a retry goes on from there.
    """
    if isinstance(base, BucketPath):
        return push_to_bucket(base, candidate)
    with explain_write_errors(base):
        ensure_folder(base)
        with hold_lock(base, lock_seconds):
            recover(base)
            releases = list_releases(base)
            for name in untrusted_versions(base, releases):
                logger.warning("%s is no version that the ledger knows; it is never taken for the live one", base / name)
            return find_earlier_push(candidate, releases, read_ledger(base)) or _push_new(base, candidate)


def commit(base: Path, candidate: Candidate, folder: Path, pushed_digest: str) -> Outcome:
    """Gives a folder that is complete and durable its version number; call it under the lock.

    Args:
        base: The serving directory.
        candidate: What the folder holds, and what the ledger is to tell about it.
        folder: The folder, on the file system of the versions. It stays where it is if its baseline is not live any more.
        pushed_digest: Its digest.
    """
    intent = _claim(base, candidate, pushed_digest)
    version = intent.payload["version"]
    before = [entry for entry in read_ledger(base) if entry.sequence < intent.sequence]
    if stale := why_stale(base, candidate.baseline_version, candidate.baseline_digest, before):
        entry = _settle(base, intent, ABANDONED, reason=stale, stale=True)
        return Outcome(pushed=False, version="", pushed_digest="", reason=stale, head=entry.hash, stale=True)
    move_into_place(folder, base / str(version))
    sync_folder(base)
    entry = _settle(base, intent, PUSHED, recovered=False)
    reason = str(candidate.record.get("reason", ""))
    return Outcome(pushed=True, version=str(version), pushed_digest=pushed_digest, reason=reason, head=entry.hash)


def why_stale(base: Path, baseline_version: str, baseline_digest: str, entries: Sequence[Entry]) -> str:
    """Returns why a decision does not hold any more, as a sentence; empty while the version it compared with is live.

    Args:
        base: The serving directory.
        baseline_version: The version that the decision compared with; empty for none.
        baseline_digest: Digest of that version's folder; empty if the decision does not say.
        entries: The ledger.
    """
    live = next((release for release in releases_of(entries, base) if release.live), None)
    return explain_stale(live, baseline_version, baseline_digest)


def recover(base: Path) -> Entry | None:
    """Settles what interrupted pushes, rollbacks and withdrawals have left; call it under the lock.

    Returns:
        The outcome of a rollback or withdrawal that was completed; None if there was none.
    """
    if (base / LEDGER_DIR).is_dir():
        # What is read here may have been written by a process that died before it was durable.
        sync_folder(base / LEDGER_DIR)
    sync_folder(base)
    remove_leftovers(base)
    list_releases(base)  # refuses a ledger that cannot be trusted before anything is added to it
    for intent in open_intents(read_ledger(base)):
        claim = intent.payload
        if has_digest(base, claim["version"], claim["pushed_digest"]):
            logger.warning("Version %d was in place when its push was interrupted; recording it", claim["version"])
            _settle(base, intent, PUSHED, recovered=True)
        else:
            logger.warning("The push of version %d was interrupted before it was in place; abandoning it", claim["version"])
            _settle(base, intent, ABANDONED, reason="The push was interrupted before the version was in place.")
    completed = settle_move(base)
    remove_what_is_retired(base)
    remove_stale_staging(base)
    return completed


def _push_new(base: Path, candidate: Candidate) -> Outcome:
    with stage_version(base, _next_version(base, read_ledger(base)), candidate.model, candidate.attachments) as staging:
        if (digest := digest_model(staging)) != candidate.model_digest:
            raise UserError("The model does not change while it is pushed.", received=digest, remedy="Push again.")
        return commit(base, candidate, staging, digest_tree(staging))


def _claim(base: Path, candidate: Candidate, pushed_digest: str) -> Entry:
    def make_payload(entries: list[Entry]) -> dict[str, Any]:
        return claim_payload(candidate, _next_version(base, entries), pushed_digest)

    return append_entry(base, PUSH_INTENT, make_payload)


def _settle(base: Path, intent: Entry, kind: str, **details: Any) -> Entry:
    """Appends the outcome of an intent, with all that the intent says, so that one entry tells everything."""
    return append_entry(base, kind, lambda _: {**intent.payload, **details, "intent": intent.sequence})


def _next_version(base: Path, entries: Sequence[Entry]) -> int:
    return next_version(base, claimed_versions(entries))
