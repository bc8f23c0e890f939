"""The push protocol for a bucket: at every instant, what the model configuration names is complete, approved and claimed.

There is no lock, since a lock that a dead process holds helps nobody. Three objects are written under preconditions, and every
step may be repeated, by the same process or another one:

1. Settle what interrupted pushes have left: the claim that the model configuration names was pushed; claims that it calls
   void are abandoned, and their objects go.
2. If this very model was pushed under this very decision, that is the answer.
3. Claim: append `push_intent` with a number that no claim and no name ever had, or go on with the claim that an interrupted
   push of the same candidate left.
4. Upload to the final place. Each object is new; what lies there is listed and compared by size and MD5.
5. Read the model configuration, then the ledger. Unless the version that the decision compared with is live no more, or the
   claim is void, replace the model configuration by one that names the new version and calls all other open claims void.
   This is the commit: it fails if anybody replaced the model configuration meanwhile, and step 5 begins anew.
6. Append `pushed`.

Many may push at once: one replacement of a generation wins, and the others see in step 5 that their baseline is not live any
more. Nobody overwrites the name of a claim that is not in the ledger yet as pushed: that is the first thing step 5 does.
"""

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from components._release.base import BucketPath
from components._release.bucket_versions import Content, digests_of, read_contents, upload_version
from components._release.claims import (
    Candidate,
    Outcome,
    claim_payload,
    claimed_versions,
    explain_stale,
    find_earlier_push,
    open_intents,
)
from components._release.gcs import remove_objects
from components._release.ledger import ABANDONED, PUSH_INTENT, PUSHED, Entry, append_entry, read_ledger
from components._release.model_configuration import Configuration, replace_configuration
from components._release.releases import Release, read_bucket, releases_of
from components._release.store import next_version, version_folders
from components._shared.errors import UserError

logger = logging.getLogger(__name__)

_ATTEMPTS = 100
_IDENTITY = ("model_digest", "pushed_digest", "decision_digest", "expects_live")
_VOID = "Another version went live first, or the upload did not hold what was approved."


class _FoundError(Exception):
    """An entry that makes another one needless."""


def push_to_bucket(base: BucketPath, candidate: Candidate) -> Outcome:
    """Pushes an approved model, exactly once however often and by how many processes it is tried.

    Args:
        base: The serving directory.
        candidate: The model.

    Raises:
        UserError: If the ledger or the model configuration is broken, the bucket cannot be reached or written, or the model
            or what was uploaded changes meanwhile. The live version is untouched, and a retry goes on from there.
    """
    contents = read_contents(candidate.model, candidate.attachments)
    pushed_digest, model_digest = digests_of(contents)
    if model_digest != candidate.model_digest:
        raise UserError("The model does not change while it is pushed.", received=model_digest, remedy="Push again.")
    settle(base)
    for _ in range(_ATTEMPTS):
        if outcome := _try_push(base, candidate, contents, pushed_digest):
            return outcome
    raise UserError("A push comes to its turn.", received=f"{_ATTEMPTS} others into {base} were faster", remedy="Push again.")


def settle(base: BucketPath) -> None:
    """Records what interrupted pushes have left, and removes what they uploaded for nothing."""
    entries, configuration, _ = read_bucket(base)
    for intent in open_intents(entries):
        version = intent.payload["version"]
        if intent.sequence == configuration.claim:
            logger.warning("Version %d was live when its push was interrupted; recording it", version)
            _settle(base, intent, PUSHED, recovered=True)
        elif intent.sequence in configuration.void:
            logger.warning("The push of version %d was interrupted and cannot go on; abandoning it", version)
            _settle(base, intent, ABANDONED, reason=_VOID, stale=intent.payload["expects_live"] != _live(configuration))
    _clean_up(base)


def _clean_up(base: BucketPath) -> None:
    ends = {
        str(entry.payload["version"]): entry.kind
        for entry in read_ledger(base)
        if entry.kind in (PUSH_INTENT, PUSHED, ABANDONED)
    }
    for name in version_folders(base):
        if name not in ends:
            logger.warning("%s is no version that the ledger knows; it is never taken for the live one", base / name)
        elif ends[name] == ABANDONED:
            remove_objects(base / name)
            logger.info("Removed %s, which an interrupted push had left", base / name)


def _try_push(base: BucketPath, candidate: Candidate, contents: Mapping[str, Content], pushed_digest: str) -> Outcome | None:
    """Returns what came of a push; None if its claim became void and another one may do better."""
    entries, configuration, _ = read_bucket(base)
    releases = releases_of(entries, base, configuration.version)
    if earlier := find_earlier_push(candidate, releases, entries):
        return earlier
    claim = _claim(base, candidate, pushed_digest)
    is_whole, damage, own_damage = False, "", ""
    if not _explain_stale(candidate, releases):
        damage = upload_version(base / str(claim.payload["version"]), contents)
        is_whole = not damage
    for _ in range(_ATTEMPTS):
        entries, configuration, generation = read_bucket(base)
        end = _end_of(entries, claim)
        if configuration.claim == claim.sequence or (end and end.kind == PUSHED):
            return _pushed(base, claim)
        stale = _explain_stale(candidate, releases_of(entries, base, configuration.version))
        if end or claim.sequence in configuration.void:
            return _give_up(base, claim, stale, own_damage)
        _record_live(base, entries, configuration)
        goes_live = is_whole and not stale
        if replace_configuration(base, _next_configuration(configuration, entries, claim, goes_live), generation):
            if goes_live:
                return _pushed(base, claim)
            own_damage = damage
    return None


def _next_configuration(configuration: Configuration, entries: Sequence[Entry], claim: Entry, goes_live: bool) -> Configuration:
    """Returns the model configuration that lets a claim go live and no other open one, or that calls this one void."""
    others = {intent.sequence for intent in open_intents(entries)} - {claim.sequence, configuration.claim}
    if goes_live:
        return Configuration(version=claim.payload["version"], claim=claim.sequence, void=tuple(sorted(others)))
    return dataclasses.replace(configuration, void=tuple(sorted({claim.sequence, *(others & {*configuration.void})})))


def _claim(base: BucketPath, candidate: Candidate, pushed_digest: str) -> Entry:
    """Returns the claim of an interrupted push of the same candidate, or a new one."""
    about = {name: claim_payload(candidate, 0, pushed_digest)[name] for name in _IDENTITY}

    def make_payload(entries: list[Entry]) -> dict[str, Any]:
        for intent in open_intents(entries):
            if {name: intent.payload[name] for name in _IDENTITY} == about:
                raise _FoundError(intent)
        return claim_payload(candidate, next_version(base, claimed_versions(entries)), pushed_digest)

    return _append_unless_found(base, PUSH_INTENT, make_payload)


def _settle(base: BucketPath, intent: Entry, kind: str, **details: Any) -> Entry:
    """Appends the outcome of a claim unless it has one, and returns it."""

    def make_payload(entries: list[Entry]) -> dict[str, Any]:
        if end := _end_of(entries, intent):
            raise _FoundError(end)
        return {**intent.payload, **details, "intent": intent.sequence}

    return _append_unless_found(base, kind, make_payload)


def _append_unless_found(base: BucketPath, kind: str, make_payload: Callable[[list[Entry]], dict[str, Any]]) -> Entry:
    try:
        return append_entry(base, kind, make_payload)
    except _FoundError as found:
        return found.args[0]


def _record_live(base: BucketPath, entries: Sequence[Entry], configuration: Configuration) -> None:
    """Records the live version as pushed, so that its name can be overwritten."""
    for intent in open_intents(entries):
        if intent.sequence == configuration.claim:
            _settle(base, intent, PUSHED, recovered=True)


def _give_up(base: BucketPath, claim: Entry, stale: str, damage: str) -> Outcome | None:
    entry = _settle(base, claim, ABANDONED, reason=stale or damage or _VOID, stale=bool(stale))
    remove_objects(base / str(claim.payload["version"]))
    if stale:
        return Outcome(pushed=False, version="", pushed_digest="", reason=stale, head=entry.hash)
    if damage:
        raise UserError(
            "A version is never overwritten, and what was uploaded stays as it is.",
            received=damage,
            remedy="Find out who writes into the serving directory, and push again.",
        )
    return None


def _end_of(entries: Sequence[Entry], intent: Entry) -> Entry | None:
    version = intent.payload["version"]
    return next((item for item in entries if item.kind in (PUSHED, ABANDONED) and item.payload["version"] == version), None)


def _pushed(base: BucketPath, claim: Entry) -> Outcome:
    entry = _settle(base, claim, PUSHED, recovered=False)
    version, digest = str(entry.payload["version"]), entry.payload["pushed_digest"]
    return Outcome(
        pushed=True, version=version, pushed_digest=digest, reason=str(entry.payload.get("reason", "")), head=entry.hash
    )


def _explain_stale(candidate: Candidate, releases: Sequence[Release]) -> str:
    live = next((release for release in releases if release.live), None)
    return explain_stale(live, candidate.baseline_version, candidate.baseline_digest)


def _live(configuration: Configuration) -> str:
    return str(configuration.version) if configuration.version else ""
