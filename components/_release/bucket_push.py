"""The push protocol for a bucket: at every instant, what the model configuration names is complete, approved and claimed.

There is no lock, since a lock that a dead process holds helps nobody. Three objects are written under preconditions, and every
step may be repeated, by the same process or another one:

1. Settle what was interrupted: the claim that the model configuration carries out was pushed; claims that it calls void are
   abandoned, and their objects go; a rollback or withdrawal is completed.
2. If this very model was pushed under this very decision, that is the answer.
3. Claim: append `push_intent` with a number that no claim and no name ever had, or go on with the claim that an interrupted
   push of the same candidate left.
4. Upload to the final place. Each object is new; what lies there is listed and compared by size and MD5.
5. Read the model configuration, then the ledger. Unless the version that the decision compared with is live no more, or the
   claim is void, replace the model configuration by one that names the new version and calls all other open claims void.
   This is the commit: it fails if anybody replaced the model configuration meanwhile, and step 5 begins anew.
6. Append `pushed`.

Many may push at once: one replacement of a generation wins, and the others see in step 5 that their baseline is not live any
more. Nobody overwrites the name of a claim that is not in the ledger yet as pushed: that is the first thing step 5 does. A
rollback calls all open claims void before it is decided, and until it is carried out nobody can claim anew.
"""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from components._release.base import BucketPath
from components._release.bucket_ledger import (
    VOID,
    DisturbedError,
    FoundError,
    append_valid,
    end_of,
    record_carried_out,
    settle,
    settle_claim,
)
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
from components._release.ledger import ABANDONED, PUSH_INTENT, PUSHED, Entry
from components._release.model_configuration import Configuration, replace_configuration
from components._release.places import STABLE
from components._release.releases import Release, read_bucket, releases_of
from components._release.store import next_version
from components._shared.errors import UserError

logger = logging.getLogger(__name__)

_ATTEMPTS = 100
_IDENTITY = ("model_digest", "pushed_digest", "decision_digest", "expects_live")


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
    for _ in range(_ATTEMPTS):
        try:
            settle(base)
            return push_contents(base, candidate, contents, pushed_digest)
        except DisturbedError as error:
            logger.info("Beginning anew: %s", error)
    raise UserError("A push comes to its turn.", received=f"{_ATTEMPTS} others into {base} were faster", remedy="Push again.")


def push_contents(base: BucketPath, candidate: Candidate, contents: Mapping[str, Content], pushed_digest: str) -> Outcome:
    """Pushes what a version is to hold, when nothing is left to settle.

    Raises:
        DisturbedError: If its claim became void, or could not be made, and another attempt may do better.
        UserError: As `push_to_bucket`.
    """
    entries, configuration, _ = read_bucket(base)
    releases = releases_of(entries, base, configuration.claim)
    if earlier := find_earlier_push(candidate, releases, entries):
        return earlier
    claim = _claim(base, candidate, pushed_digest)
    is_whole, damage, own_damage = False, "", ""
    if not _explain_stale(candidate, releases):
        damage = upload_version(base / str(claim.payload["version"]), contents)
        is_whole = not damage
    for _ in range(_ATTEMPTS):
        entries, configuration, generation = read_bucket(base)
        end = end_of(entries, claim)
        if configuration.claim == claim.sequence or (end and end.kind == PUSHED):
            return _pushed(base, claim)
        stale = _explain_stale(candidate, releases_of(entries, base, configuration.claim))
        if end or claim.sequence in configuration.void:
            return _give_up(base, claim, stale, own_damage)
        record_carried_out(base, entries, configuration)
        goes_live = is_whole and not stale
        if replace_configuration(base, _next_configuration(configuration, entries, claim, goes_live), generation):
            if goes_live:
                return _pushed(base, claim)
            own_damage = damage
    raise DisturbedError("others were faster")


def _next_configuration(configuration: Configuration, entries: Sequence[Entry], claim: Entry, goes_live: bool) -> Configuration:
    """Returns the model configuration that lets a claim go live and no other open one, or that calls this one void."""
    others = {intent.sequence for intent in open_intents(entries)} - {claim.sequence, configuration.claim}
    if goes_live:
        new = dataclasses.replace(configuration, claim=claim.sequence, void=tuple(sorted(others)))
        version = claim.payload["version"]
        if not configuration.labels:
            return dataclasses.replace(new, version=version, beside=())
        # Where versions have labels, servers load the new one beside the others, and stable stays where it is.
        beside = {version, configuration.version, *configuration.beside} - {0}
        return dataclasses.replace(new, version=configuration.labels.get(STABLE, version), beside=tuple(sorted(beside)))
    return dataclasses.replace(configuration, void=tuple(sorted({claim.sequence, *(others & {*configuration.void})})))


def _claim(base: BucketPath, candidate: Candidate, pushed_digest: str) -> Entry:
    """Returns the claim of an interrupted push of the same candidate, or a new one."""
    about = {name: claim_payload(candidate, 0, pushed_digest)[name] for name in _IDENTITY}

    def make_payload(entries: list[Entry]) -> dict[str, Any]:
        for intent in open_intents(entries):
            if {name: intent.payload[name] for name in _IDENTITY} == about:
                raise FoundError(intent)
        return claim_payload(candidate, next_version(base, claimed_versions(entries)), pushed_digest)

    return append_valid(base, PUSH_INTENT, make_payload)


def _give_up(base: BucketPath, claim: Entry, stale: str, damage: str) -> Outcome:
    entry = settle_claim(base, claim, ABANDONED, reason=stale or damage or VOID, stale=bool(stale))
    remove_objects(base / str(claim.payload["version"]))
    if stale:
        return Outcome(pushed=False, version="", pushed_digest="", reason=stale, head=entry.hash, stale=True)
    if damage:
        raise UserError(
            "A version is never overwritten, and what was uploaded stays as it is.",
            received=damage,
            remedy="Find out who writes into the serving directory, and push again.",
        )
    raise DisturbedError(VOID)


def _pushed(base: BucketPath, claim: Entry) -> Outcome:
    entry = settle_claim(base, claim, PUSHED, recovered=False)
    version, digest = str(entry.payload["version"]), entry.payload["pushed_digest"]
    return Outcome(
        pushed=True, version=version, pushed_digest=digest, reason=str(entry.payload.get("reason", "")), head=entry.hash
    )


def _explain_stale(candidate: Candidate, releases: Sequence[Release]) -> str:
    live = next((release for release in releases if release.live), None)
    return explain_stale(live, candidate.baseline_version, candidate.baseline_digest)
