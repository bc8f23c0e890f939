"""What the ledger tells about the versions of a serving directory: which were released, and which one is live.

Everything here only reads, and needs no lock.
"""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from components._release.approvals import APPROVAL_KINDS, check_approvals
from components._release.base import Base, BucketPath, to_base
from components._release.ledger import (
    ABANDONED,
    PUSH_INTENT,
    PUSHED,
    RETIRED,
    ROLLBACK_INTENT,
    ROLLED_BACK,
    WITHDRAWN,
    Entry,
    read_ledger,
)
from components._release.model_configuration import Configuration, check_configuration, read_with_configuration
from components._release.places import PLACE_KINDS, STABLE, Places, advance, places_of
from components._release.store import has_digest, version_folders
from components._shared.errors import UserError

logger = logging.getLogger(__name__)

_CLAIM = {"version": int, "model_digest": str, "pushed_digest": str, "decision_digest": str, "expects_live": str}
"""What every intent holds, and what its outcome repeats."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Release:
    """One version that was claimed, and what became of it.

    Attributes:
        version: Its number.
        state: "pushed", "abandoned", "withdrawn", "retired", or "intended" while the ledger has no outcome and the version is
            not in place.
        live: Whether it is the version that serves.
        claimed_at: When it was claimed, by the clock of the pusher.
        settled_at: When it was pushed, abandoned, withdrawn or retired; empty if no outcome is recorded.
        sequence: Number of the ledger's entry that says so.
        reason: Why it was approved, abandoned, withdrawn or retired.
        withdrawn_by: Who withdrew it; empty if nobody did, or if it failed its verification in a server.
        labels: Labels that name it.
        record: The whole payload: digests, data, code, parameters, metrics, gates, image, approver.
    """

    version: int
    state: str
    live: bool
    claimed_at: str
    settled_at: str
    sequence: int
    reason: str
    record: dict[str, Any]
    withdrawn_by: str = ""
    labels: tuple[str, ...] = ()

    @property
    def model_digest(self) -> str:
        """Digest of the model as trained."""
        return self.record["model_digest"]

    @property
    def pushed_digest(self) -> str:
        """Digest of the version's whole folder."""
        return self.record["pushed_digest"]

    @property
    def decision_digest(self) -> str:
        """Digest of the decision that approved it."""
        return self.record["decision_digest"]

    @property
    def baseline_version(self) -> str:
        """The version that was live when it was approved; empty for the first."""
        return self.record["expects_live"]

    @property
    def data_version(self) -> str:
        """Data version that it was trained on."""
        return str(self.record.get("data_version", ""))

    @property
    def metrics(self) -> dict[str, float]:
        """Its metrics over all test rows."""
        return dict(self.record.get("metrics") or {})

    @property
    def gates(self) -> list[dict[str, Any]]:
        """Every gate with its stage, verdict and reason."""
        return list(self.record.get("gates") or [])


def list_releases(base: str | Base) -> list[Release]:
    """Returns every version that was ever claimed, oldest first.

    Raises:
        UserError: If the ledger is broken or tells something that this program does not know, or the model configuration of
            a bucket contradicts it.
    """
    base = to_base(base)
    if isinstance(base, BucketPath):
        entries, configuration, _ = read_bucket(base)
        return releases_of(entries, base, configuration.claim)
    return releases_of(_checked(base, read_ledger(base)), base)


def read_bucket(base: BucketPath) -> tuple[list[Entry], Configuration, int]:
    """Returns the ledger, and the model configuration with its generation; they belong together.

    Raises:
        UserError: As `list_releases`.
    """
    entries, configuration, generation = read_with_configuration(base, read_ledger)
    if problems := check_configuration(base, configuration, _checked(base, entries)):
        raise UserError(
            "The ledger and the model configuration tell of the same live version.",
            received=f"{base}: {problems[0].rstrip('.')}",
            remedy="Restore what was changed by hand from an earlier generation.",
        )
    return entries, configuration, generation


def _checked(base: Base, entries: list[Entry]) -> list[Entry]:
    if problems := check_history(entries):
        raise UserError(
            f"The ledger of {base} tells a story that this program knows.",
            received=problems[0].rstrip("."),
            remedy="Use the program that wrote it; `sluice releases PROJECT --verify` lists every problem.",
        )
    return entries


def live_release(base: str | Base) -> Release | None:
    """Returns the live version: the one labelled stable, else the highest one in place. None if there is none.

    Raises:
        UserError: As `list_releases`.
    """
    return next((release for release in list_releases(base) if release.live), None)


def live_version(base: str | Base) -> str:
    """Returns the number of the live version as text; empty if none is live."""
    release = live_release(base)
    return str(release.version) if release else ""


def read_places(base: Base) -> Places:
    """Returns where the versions and the labels are.

    Raises:
        UserError: As `list_releases`.
    """
    if isinstance(base, BucketPath):
        entries, configuration, _ = read_bucket(base)
        return places_of(entries, base, configuration.claim)
    return places_of(read_ledger(base), base)


def releases_of(entries: Sequence[Entry], base: Base, claim: int = 0) -> list[Release]:
    """Returns the releases that a checked history tells of.

    An intent without an outcome belongs to a push that was interrupted. Its version is in place only if it was complete and
    allowed, since it comes there by one rename after every check; so it counts as pushed if its folder has the right digest.
    In a bucket it counts as pushed if the model configuration carries it out.

    Args:
        entries: The history.
        base: The serving directory.
        claim: In a bucket, the number of the entry that the model configuration carries out.
    """
    outcomes = {entry.payload["version"]: entry for entry in entries if entry.kind in (PUSHED, ABANDONED)}
    intents = [entry for entry in entries if entry.kind == PUSH_INTENT]
    places = places_of(entries, base, claim)

    def is_in_place(intent: Entry) -> bool:
        if isinstance(base, BucketPath):
            return intent.sequence == claim
        return has_digest(base, intent.payload["version"], intent.payload["pushed_digest"])

    releases = [_release(intent, outcomes.get(intent.payload["version"]), is_in_place, places) for intent in intents]
    pushed = [release for release in releases if release.state == PUSHED]
    stable = places.labels.get(STABLE)
    # A push that died before it was recorded may have made its version the highest.
    live = stable or max((release.version for release in pushed), default=None)
    return [
        dataclasses.replace(
            release,
            live=release.state == PUSHED and release.version == live,
            labels=tuple(label for label, version in sorted(places.labels.items()) if version == release.version),
        )
        for release in releases
    ]


def untrusted_versions(base: Base, releases: Sequence[Release]) -> list[str]:
    """Returns names that a server would take for versions though the ledger does not say that they were pushed.

    In a bucket, where no server looks for versions by itself, a claim is enough: the upload goes to the final place.
    """
    if isinstance(base, BucketPath):
        known = {str(release.version) for release in releases}
    else:
        known = {str(release.version) for release in releases if release.state == PUSHED or _leaves(base, release)}
    return [name for name in version_folders(base) if name not in known]


def check_history(entries: Sequence[Entry]) -> list[str]:
    """Returns every way in which entries do not make a history of pushes, approvals and moves, as sentences."""
    problems = []
    claims: dict[int, Entry] = {}
    settled: set[int] = set()
    places = Places()
    for entry in entries:
        if entry.kind in APPROVAL_KINDS:
            continue
        problem = "" if entry.kind in PLACE_KINDS else _check_entry(entry, claims, settled)
        if problem := problem or advance(places, entry):
            problems.append(f"Entry {entry.sequence} ({entry.kind}) {problem}.")
        elif entry.kind == PUSH_INTENT:
            claims[entry.payload["version"]] = entry
        elif entry.kind in (PUSHED, ABANDONED):
            settled.add(entry.payload["version"])
    return problems + check_approvals(entries)


def _check_entry(entry: Entry, claims: dict[int, Entry], settled: set[int]) -> str:
    if entry.kind not in (PUSH_INTENT, PUSHED, ABANDONED):
        return "is of a kind that this program does not know"
    if wrong := [name for name, kind in _CLAIM.items() if type(entry.payload.get(name)) is not kind]:
        return f"does not say {wrong[0]!r}"
    version = entry.payload["version"]
    claim = claims.get(version)
    if entry.kind == PUSH_INTENT:
        return f"claims version {version}, which entry {claim.sequence} claimed" if claim else ""
    if claim is None or version in settled:
        return f"settles version {version}{' a second time' if claim else ', which nobody claimed'}"
    # No next entry holds the hash of the last one: that it repeats its claim is what shows an edit of it.
    own = ("reason",) if entry.kind == ABANDONED else ()
    if any(entry.payload.get(name) != value for name, value in claim.payload.items() if name not in own):
        return f"is about something else than the claim in entry {claim.sequence}"
    return ""


def _told(intent: Entry, outcome: Entry | None, *, in_place: bool) -> Release:
    record = intent.payload | (outcome.payload if outcome else {})
    return Release(
        version=record["version"],
        state=outcome.kind if outcome else PUSHED if in_place else "intended",
        live=False,
        claimed_at=intent.recorded_at,
        settled_at=outcome.recorded_at if outcome else "",
        sequence=outcome.sequence if outcome else intent.sequence,
        reason=str(record.get("reason", "")),
        record=record,
    )


def _release(intent: Entry, outcome: Entry | None, is_in_place: Callable[[Entry], bool], places: Places) -> Release:
    release = _told(intent, outcome, in_place=outcome is None and is_in_place(intent))
    if move := places.withdrawn.get(release.version):
        release = _withdrawn(release, move, places.withdrawn_by.get(release.version, ""))
    if entry := places.retired.get(release.version):
        reason = f"Only {entry.payload.get('keep')} versions are kept."
        release = dataclasses.replace(
            release, state=RETIRED, settled_at=entry.recorded_at, sequence=entry.sequence, reason=reason
        )
    return release


def _leaves(base: Path, release: Release) -> bool:
    """Returns whether a retired version is still in place, since whoever retired it died."""
    return release.state == RETIRED and has_digest(base, release.version, release.pushed_digest)


def _withdrawn(release: Release, move: Entry, by: str) -> Release:
    rolled_back = move.kind in (ROLLBACK_INTENT, ROLLED_BACK)
    how = f"rolled back to version {move.payload['to']}" if rolled_back else "withdrew it"
    return dataclasses.replace(
        release,
        state=WITHDRAWN,
        settled_at=move.recorded_at,
        sequence=move.sequence,
        reason=f"{move.payload['by']} {how}: {move.payload['reason']}",
        withdrawn_by=by,
    )
