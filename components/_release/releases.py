"""What the ledger tells about the versions of a serving directory: which were released, and which one is live.

Everything here only reads, and needs no lock.
"""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components._release.approvals import APPROVAL_KINDS, check_approvals, requests_of
from components._release.ledger import ABANDONED, PUSH_INTENT, PUSHED, Entry, foreign_files, read_chain, read_ledger
from components._release.store import has_copy, has_digest, version_folders
from components._shared.digest import digest_model
from components._shared.errors import UserError

logger = logging.getLogger(__name__)

_CLAIM = {"version": int, "model_digest": str, "pushed_digest": str, "decision_digest": str, "expects_live": str}
"""What every intent holds, and what its outcome repeats."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Release:
    """One version that was claimed, and what became of it.

    Attributes:
        version: Its number.
        state: "pushed", "abandoned", or "intended" while the ledger has no outcome and the version is not in place.
        live: Whether it is the version that serves.
        claimed_at: When it was claimed, by the clock of the pusher.
        settled_at: When it was pushed or abandoned; empty if no outcome is recorded.
        sequence: Number of the ledger's entry that says so.
        reason: Why it was approved, or why it was abandoned.
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


def list_releases(base: str | Path) -> list[Release]:
    """Returns every version that was ever claimed, oldest first.

    Raises:
        UserError: If the ledger is broken or tells something that this program does not know.
    """
    entries = read_ledger(base)
    if problems := check_history(entries):
        raise UserError(
            f"The ledger of {base} tells a story that this program knows.",
            received=problems[0].rstrip("."),
            remedy="Use the program that wrote it; `sluice releases PROJECT --verify` lists every problem.",
        )
    return releases_of(entries, Path(base))


def live_release(base: str | Path) -> Release | None:
    """Returns the live version: the last one that was pushed. None if there is none.

    Raises:
        UserError: As `list_releases`.
    """
    return next((release for release in list_releases(base) if release.live), None)


def live_version(base: str | Path) -> str:
    """Returns the number of the live version as text; empty if none is live."""
    release = live_release(base)
    return str(release.version) if release else ""


def releases_of(entries: Sequence[Entry], base: Path) -> list[Release]:
    """Returns the releases that a checked history tells of.

    An intent without an outcome belongs to a push that was interrupted. Its version is in place only if it was complete and
    allowed, since it comes there by one rename after every check; so it counts as pushed if its folder has the right digest.
    """
    outcomes = {entry.payload["version"]: entry for entry in entries if entry.kind in (PUSHED, ABANDONED)}
    intents = [entry for entry in entries if entry.kind == PUSH_INTENT]
    releases = [_release(intent, outcomes.get(intent.payload["version"]), base) for intent in intents]
    pushed = [release for release in releases if release.state == PUSHED]
    live = max(pushed, key=lambda release: release.sequence, default=None)
    return [dataclasses.replace(release, live=release is live) for release in releases]


def untrusted_versions(base: Path, releases: Sequence[Release]) -> list[str]:
    """Returns names that a server would take for versions though the ledger does not say that they were pushed."""
    pushed = {str(release.version) for release in releases if release.state == PUSHED}
    return [name for name in version_folders(base) if name not in pushed]


def check_history(entries: Sequence[Entry]) -> list[str]:
    """Returns every way in which entries do not make a history of pushes and approvals, as sentences."""
    problems = []
    claims: dict[int, Entry] = {}
    settled: set[int] = set()
    for entry in entries:
        if entry.kind in APPROVAL_KINDS:
            continue
        if problem := _check_entry(entry, claims, settled):
            problems.append(f"Entry {entry.sequence} ({entry.kind}) {problem}.")
        elif entry.kind == PUSH_INTENT:
            claims[entry.payload["version"]] = entry
        else:
            settled.add(entry.payload["version"])
    return problems + check_approvals(entries)


def verify_ledger(base: str | Path, head: str = "") -> list[str]:
    """Returns every problem of a ledger and of the versions it tells of, as sentences; none if all is well.

    Edits, gaps, swaps and torn entries show in the chain; a version that is missing, changed or that nobody pushed shows
    against its digest. Entries cut off at the end, and a chain written anew, show only against a head noted elsewhere.

    Args:
        base: The serving directory.
        head: Hash of an entry that is known to have been the last one once; empty for none.
    """
    base = Path(base)
    entries, problems = read_chain(base)
    if head and head not in {entry.hash for entry in entries}:
        problems.append(f"No entry has the hash {head}: the ledger was cut off or written anew since that was its head.")
    problems += [f"The file {name} does not belong in the ledger's folder." for name in foreign_files(base)]
    if history := check_history(entries):
        return problems + history
    releases = releases_of(entries, base)
    for release in releases:
        if release.state == PUSHED:
            problems += _check_version(base, release)
    pushed = [(release.version, release.record) for release in releases if release.state == PUSHED]
    problems += [
        f"The candidate {request.short_digest}, which is {request.state}, is not what was asked about: its copy was changed."
        for request in requests_of(entries, pushed)
        if request.open and not has_copy(base, request.model_digest, request.copy_digest)
    ]
    return problems + [
        f"{base / name} looks like a version to TF Serving, and the ledger does not say that it was pushed."
        for name in untrusted_versions(base, releases)
    ]


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


def _check_version(base: Path, release: Release) -> list[str]:
    folder = base / str(release.version)
    if not folder.is_dir():
        return [f"Version {release.version} was pushed, and its folder is missing."]
    if not has_digest(base, release.version, release.pushed_digest):
        return [f"Version {release.version} is not what was pushed: its folder has another digest."]
    if digest_model(folder) != release.model_digest:
        return [f"Version {release.version} is not the model that was approved."]
    return []


def _release(intent: Entry, outcome: Entry | None, base: Path) -> Release:
    record = intent.payload | (outcome.payload if outcome else {})
    in_place = outcome is None and has_digest(base, record["version"], record["pushed_digest"])
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
