"""How entries are appended in a bucket, where no lock keeps others away, and how what was interrupted is settled.

An append takes effect only as the next entry after those that it was made for. So each one is checked against the history that
it ends up in: what another process made senseless meanwhile is not written, and its command begins anew. An entry that no open
claim may overtake, such as the intent of a rollback, first has the model configuration call all of them void.

The model configuration is replaced only after the ledger tells what it carried out before.
"""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import Any

from components._release import gcs
from components._release.base import BucketPath
from components._release.claims import open_intents
from components._release.ledger import (
    ABANDONED,
    PUSH_INTENT,
    PUSHED,
    RETIRED,
    WITHDRAW_INTENT,
    Entry,
    append_entry,
    read_ledger,
)
from components._release.model_configuration import Configuration, replace_configuration
from components._release.places import OUTCOMES, STABLE, Places, advance
from components._release.releases import check_history, read_bucket
from components._release.store import version_folders

logger = logging.getLogger(__name__)

VOID = "Its claim was given up: another version went live first, a person stepped in, or what was uploaded was changed."


class DisturbedError(Exception):
    """Another process wrote something that asks for a new look; the text says what does not go together."""


class FoundError(Exception):
    """An entry that makes another one needless."""


def append_valid(base: BucketPath, kind: str, make_payload: Callable[[list[Entry]], dict[str, Any]]) -> Entry:
    """Appends an entry that makes sense after all that is there by then, or returns the one that makes it needless.

    Args:
        base: The serving directory.
        kind: What happened.
        make_payload: Returns the payload, given all entries before it; raises FoundError with an entry that says it already.

    Raises:
        DisturbedError: If it makes no sense any more.
    """

    def make_checked(entries: list[Entry]) -> dict[str, Any]:
        payload = make_payload(entries)
        entry = Entry(
            sequence=len(entries) + 1, previous=_hash_of_last(entries), recorded_at="", kind=kind, payload=payload, hash=""
        )
        if problems := check_history([*entries, entry]):
            raise DisturbedError(problems[-1])
        return payload

    try:
        return append_entry(base, kind, make_checked)
    except FoundError as found:
        return found.args[0]


def append_before_claims(
    base: BucketPath, kind: str, payload: dict[str, Any], blocks: Callable[[Entry], bool] = lambda intent: True
) -> Entry:
    """Appends an entry that no open claim can overtake: those that could are void before.

    Args:
        base: The serving directory.
        kind: What happened.
        payload: What there is to know about it.
        blocks: Returns whether the entry is not to be overtaken by a claim.

    Raises:
        DisturbedError: If claims had to be called void, or the entry makes no sense any more.
    """
    entries, configuration, generation = read_bucket(base)
    void = {*configuration.void}
    claims = {intent.sequence for intent in open_intents(entries) if blocks(intent)} - {configuration.claim}
    if claims - void:
        replace_configuration(base, dataclasses.replace(configuration, void=tuple(sorted(claims | void))), generation)
        raise DisturbedError("claims had to be called void")

    def make_payload(entries: list[Entry]) -> dict[str, Any]:
        if overtaking := {intent.sequence for intent in open_intents(entries) if blocks(intent)} - void:
            raise DisturbedError(f"entry {min(overtaking)} is a new claim")
        return payload

    return append_valid(base, kind, make_payload)


def settle(base: BucketPath) -> Entry | None:
    """Records and completes what interrupted commands have left, and removes what they uploaded for nothing.

    Returns:
        The outcome of a rollback or withdrawal that was completed; None if there was none.
    """
    entries, configuration, _ = read_bucket(base)
    record_carried_out(base, entries, configuration)
    for intent in open_intents(entries):
        version = intent.payload["version"]
        if intent.sequence in configuration.void:
            logger.warning("The push of version %d was interrupted and cannot go on; abandoning it", version)
            stale = intent.payload["expects_live"] != (str(configuration.version) if configuration.version else "")
            settle_claim(base, intent, ABANDONED, reason=VOID, stale=stale)
    move = _moving(entries)
    completed = carry_out(base, move) if move else None
    remove_leftovers(base)
    return completed


def settle_claim(base: BucketPath, intent: Entry, kind: str, **details: Any) -> Entry:
    """Appends the outcome of a claim unless it has one, and returns it."""

    def make_payload(entries: list[Entry]) -> dict[str, Any]:
        if end := end_of(entries, intent):
            raise FoundError(end)
        return {**intent.payload, **details, "intent": intent.sequence}

    return append_valid(base, kind, make_payload)


def end_of(entries: Sequence[Entry], intent: Entry) -> Entry | None:
    """Returns the outcome of a claim; None if it has none."""
    version = intent.payload["version"]
    return next((item for item in entries if item.kind in (PUSHED, ABANDONED) and item.payload["version"] == version), None)


def record_carried_out(base: BucketPath, entries: Sequence[Entry], configuration: Configuration) -> None:
    """Records what the model configuration carries out, so that it can be replaced."""
    for intent in open_intents(entries):
        if intent.sequence == configuration.claim:
            logger.warning("Version %d went live and was not recorded yet; recording it", intent.payload["version"])
            settle_claim(base, intent, PUSHED, recovered=True)
    move = _moving(entries)
    if move and move.sequence == configuration.claim:
        _record_move(base, move)


def carry_out(base: BucketPath, move: Entry) -> Entry:
    """Lets the model configuration say what the intent of a rollback or withdrawal decides, and records that it does.

    From its intent on a move is decided: no claim can go live and no other move can begin until its outcome is recorded.
    Whoever comes by carries it out, once.

    Returns:
        The outcome.
    """
    while True:
        entries, configuration, generation = read_bucket(base)
        moving = _moving(entries)
        if moving is None or moving.sequence != move.sequence or configuration.claim == move.sequence:
            return _record_move(base, move)
        what = "withdrawal" if move.kind == WITHDRAW_INTENT else "rollback"
        logger.info("Carrying out the %s that entry %d began", what, move.sequence)
        replace_configuration(base, _after_move(configuration, move), generation)


def take_note_of_retired(base: BucketPath) -> None:
    """Lets nobody who read the model configuration before name a version in it that is not kept any more."""
    while True:
        entries, configuration, generation = read_bucket(base)
        told = [entry for entry in entries if entry.kind == RETIRED]
        if not told or configuration.retired >= told[-1].sequence:
            return
        gone = {version for entry in told for version in entry.payload["versions"]}
        beside = tuple(version for version in configuration.beside if version not in gone)
        new = dataclasses.replace(configuration, beside=beside, retired=told[-1].sequence)
        replace_configuration(base, new, generation)


def remove_leftovers(base: BucketPath) -> None:
    """Removes the objects of claims that were abandoned and of versions that are not kept."""
    entries = read_ledger(base)
    if any(entry.kind == RETIRED for entry in entries):
        take_note_of_retired(base)
    ends = {str(entry.payload["version"]): entry.kind for entry in entries if entry.kind in (PUSH_INTENT, PUSHED, ABANDONED)}
    retired = {str(version) for entry in entries if entry.kind == RETIRED for version in entry.payload["versions"]}
    for name in version_folders(base):
        if name not in ends:
            logger.warning("%s is no version that the ledger knows; it is never taken for the live one", base / name)
        elif ends[name] == ABANDONED or name in retired:
            gcs.remove_objects(base / name)
            logger.info("Removed %s, which is %s", base / name, "not kept" if name in retired else "of a push that ended")


def _after_move(configuration: Configuration, move: Entry) -> Configuration:
    gone = set(move.payload["withdraws"])
    live = configuration.labels.get(STABLE) or int(move.payload["to"] or 0)
    beside = tuple(version for version in configuration.beside if version not in gone)
    return dataclasses.replace(configuration, version=live, claim=move.sequence, beside=beside)


def _record_move(base: BucketPath, move: Entry) -> Entry:
    def make_payload(entries: list[Entry]) -> dict[str, Any]:
        kind = OUTCOMES[move.kind]
        for entry in entries:
            if entry.kind == kind and entry.payload["intent"] == move.sequence:
                raise FoundError(entry)
        return {**move.payload, "intent": move.sequence}

    return append_valid(base, OUTCOMES[move.kind], make_payload)


def _moving(entries: Sequence[Entry]) -> Entry | None:
    places = Places()
    for entry in entries:
        advance(places, entry)
    return places.moving


def _hash_of_last(entries: Sequence[Entry]) -> str:
    return entries[-1].hash if entries else ""
