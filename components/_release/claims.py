"""What a push into any store works with: the candidate, its claim of a version number, and what came of it."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components._release.ledger import ABANDONED, PUSH_INTENT, PUSHED, RETIRED, WITHDRAWN, Entry
from components._release.releases import Release


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model that a decision has approved.

    Attributes:
        model: Its SavedModel.
        model_digest: The digest that the decision approves.
        decision_digest: Digest of the decision itself.
        baseline_version: The live version that the decision compared with; empty for none.
        baseline_digest: Digest of that version's folder; empty if the decision does not say.
        attachments: What the release carries in `assets.extra/sluice/`, by relative POSIX path.
        record: What the ledger keeps beyond versions and digests; `reason` says why the model was approved.
    """

    model: Path
    model_digest: str
    decision_digest: str
    baseline_version: str
    baseline_digest: str
    attachments: Mapping[str, bytes]
    record: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a push did.

    Attributes:
        pushed: Whether the candidate is a version of the serving directory now.
        version: Its number; empty when nothing was pushed.
        pushed_digest: Digest of the version's folder; empty when nothing was pushed.
        reason: What happened, in a sentence.
        head: Hash of the ledger's last entry that speaks of it; noted elsewhere, it shows later whether the ledger was
            cut off.
        deadline: Until when the candidate waits for a person's approval, in ISO 8601; empty when it does not wait.
        stale: Whether its claim was abandoned since the version that its decision compared with is not live any more.
        unchanged: Whether the candidate was a version before, so that nothing was to be done.
    """

    pushed: bool
    version: str
    pushed_digest: str
    reason: str
    head: str
    deadline: str = ""
    stale: bool = False
    unchanged: bool = False


def claim_payload(candidate: Candidate, version: int, pushed_digest: str) -> dict[str, Any]:
    """Returns what an intent says."""
    return {
        **candidate.record,
        "version": version,
        "model_digest": candidate.model_digest,
        "pushed_digest": pushed_digest,
        "decision_digest": candidate.decision_digest,
        "expects_live": candidate.baseline_version,
    }


def claimed_versions(entries: Sequence[Entry]) -> list[int]:
    """Returns every version number that was ever claimed."""
    return [entry.payload["version"] for entry in entries if entry.kind == PUSH_INTENT]


def open_intents(entries: Sequence[Entry]) -> list[Entry]:
    """Returns the claims without an outcome."""
    settled = {entry.payload["version"] for entry in entries if entry.kind in (PUSHED, ABANDONED)}
    return [entry for entry in entries if entry.kind == PUSH_INTENT and entry.payload["version"] not in settled]


def find_earlier_push(candidate: Candidate, releases: Sequence[Release], entries: Sequence[Entry]) -> Outcome | None:
    """Returns what became of a model that was pushed before; None if it may be pushed.

    A decision is carried out once. Beyond that, a person's withdrawal of a model holds against every later decision about it,
    and a model that is live is not pushed once more.
    """
    identity = (candidate.model_digest, candidate.decision_digest)
    heads = {entry.sequence: entry.hash for entry in entries}
    for release in reversed(releases):
        same, head = (release.model_digest, release.decision_digest) == identity, heads.get(release.sequence, "")
        if release.state == PUSHED and same:
            state = "and is live" if release.live else "and is not live any more"
            reason = f"This decision was carried out before: the model is version {release.version} {state}."
            return _unchanged(release, reason, head)
        by_a_person = release.model_digest == candidate.model_digest and release.withdrawn_by
        if by_a_person or (release.state in (WITHDRAWN, RETIRED) and same):
            way_back = f" `sluice rollback PROJECT --to {release.version}` makes it live again."
            reason = f"The model was version {release.version} and is {release.state}. {release.reason.rstrip('.')}."
            reason += way_back if release.state == WITHDRAWN else ""
            return Outcome(pushed=False, version="", pushed_digest="", reason=reason, head=head)
    if live := next((item for item in releases if item.live and item.model_digest == candidate.model_digest), None):
        reason = f"This very model is live already, as version {live.version}: nothing was to be pushed."
        return _unchanged(live, reason, heads.get(live.sequence, ""))
    return None


def _unchanged(release: Release, reason: str, head: str) -> Outcome:
    return Outcome(
        pushed=True,
        version=str(release.version),
        pushed_digest=release.pushed_digest,
        reason=reason,
        head=head,
        unchanged=True,
    )


def explain_stale(live: Release | None, baseline_version: str, baseline_digest: str) -> str:
    """Returns why a decision does not hold any more, as a sentence; empty while the version it compared with is live.

    Args:
        live: The live version.
        baseline_version: The version that the decision compared with; empty for none.
        baseline_digest: Digest of that version's folder; empty if the decision does not say.
    """
    live_now = str(live.version) if live else ""
    if live_now != baseline_version:
        return (
            f"Stale baseline: the decision compared the model with {_name(baseline_version)}, "
            f"but {_name(live_now)} is live now. Run the pipeline again."
        )
    if live and baseline_digest and live.pushed_digest != baseline_digest:
        return f"Stale baseline: version {live_now} is live, but not the one that the decision compared with."
    return ""


def _name(version: str) -> str:
    return f"version {version}" if version else "no version"
