"""Candidates that wait for a person's approval, in `<base>/.candidates/<model digest>/`; TF Serving skips names like these.

A candidate's folder is the later version, whole: the model and all that its release carries. Under the lock of the serving
directory:

- A request copies the candidate as a push does (staged, synced, renamed), then appends `approval_requested`. So every
  request of the ledger has its copy; a copy without a request is a leftover, and the next push removes it.
- An end (rejected, expired, withdrawn) is appended first, and the copy removed after.
- An approved candidate is pushed by the push protocol; its commit renames this very folder to the version's number. A claim
  that is interrupted before that leaves the approval standing, and the next push claims another number.

In a bucket, `bucket_candidates` does the same without a lock.
"""

import dataclasses
import datetime
import logging
from collections.abc import Sequence

from components._release.approvals import Request, State, requests_of
from components._release.base import Base, BucketPath
from components._release.candidates import append_end, keep_copy, push_copy, remove_leftover_copies
from components._release.claims import Candidate, Outcome, explain_stale, find_earlier_push
from components._release.copies import has_copy
from components._release.durable import ensure_folder
from components._release.ledger import (
    ABANDONED,
    APPROVAL_EXPIRED,
    APPROVAL_REQUESTED,
    APPROVAL_WITHDRAWN,
    PUSH_INTENT,
    PUSHED,
    WITHDRAWN,
    Entry,
    read_ledger,
)
from components._release.lock import LOCK_SECONDS
from components._release.releases import list_releases, live_release, live_version
from components._release.store import CANDIDATES_DIR, explain_write_errors
from components._release.turns import in_turn
from components._shared.times import from_text, to_people, to_text

logger = logging.getLogger(__name__)

_NEWER = "A newer decision about the same model takes its place."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settled:
    """What became of a candidate that had waited.

    Attributes:
        kind: `pushed`, `abandoned`, `withdrawn`, `approval_expired` or `approval_withdrawn`, as in the ledger.
        model_digest: Digest of the model as trained.
        version: The version that it became; empty if it did not.
        reason: Why, in a sentence.
    """

    kind: str
    model_digest: str
    version: str = ""
    reason: str


def list_requests(base: str | Base) -> list[Request]:
    """Returns every candidate that a person was ever asked about, oldest first.

    Raises:
        UserError: If the ledger is broken or tells something that this program does not know.
    """
    pushed = [(item.version, item.record) for item in list_releases(base) if item.state == PUSHED]
    return requests_of(read_ledger(base), pushed)


def request_approval(
    base: Base, candidate: Candidate, deadline: str, *, now: datetime.datetime, lock_seconds: float = LOCK_SECONDS
) -> Outcome:
    """Keeps a candidate until a person has said yes or no, or answers with what was said before.

    The same model under the same policy, compared with the same live version, is one request however often it is made.

    Args:
        base: The serving directory; it is made if it is not there.
        candidate: The model; its decision lets it through but for the approval.
        deadline: Until when it may be approved, in ISO 8601.
        now: The time.
        lock_seconds: How long to wait for another push.

    Raises:
        UserError: As `push`.
    """
    if not isinstance(base, BucketPath):
        with explain_write_errors(base):
            ensure_folder(base)

    def request(_: Entry | None) -> Outcome:
        remove_leftover_copies(base, list_requests(base))
        answer = _find_answer(base, candidate, from_text(deadline), now)
        if answer is None:
            entry = keep_copy(base, candidate, to_text(from_text(deadline)))
            answer = _waits(candidate.model_digest, entry.payload["deadline"], entry.hash)
        return answer

    return in_turn(base, request, lock_seconds)


def settle_waiting(base: Base, *, now: datetime.datetime, lock_seconds: float = LOCK_SECONDS) -> list[Settled]:
    """Pushes what was approved, in the order of the approvals, and ends what expired or cannot be pushed any more.

    Args:
        base: The serving directory; it need not exist.
        now: The time.
        lock_seconds: How long to wait for another push.

    Raises:
        UserError: As `push`.
    """
    asked = any(entry.kind == APPROVAL_REQUESTED for entry in read_ledger(base))
    if not asked and (isinstance(base, BucketPath) or not (base / CANDIDATES_DIR).is_dir()):
        return []
    settled: list[Settled] = []  # what is settled stays so, even if the rest has to begin anew

    def settle_all(_: Entry | None) -> None:
        requests = list_requests(base)
        approved = (item for item in requests if item.state is State.APPROVED)
        for request in sorted(approved, key=lambda item: item.answer):
            settled.append(_take_up(base, request))  # noqa: PERF401 (the next one may be disturbed)
        for request in requests:
            if request.state is State.WAITING and (end := _end_if_due(base, request, now)):
                settled.append(end)  # noqa: PERF401
        remove_leftover_copies(base, list_requests(base))

    in_turn(base, settle_all, lock_seconds)
    for item in settled:
        logger.info("%s: %s", describe(item), item.reason)
    return settled


def describe(settled: Settled) -> str:
    """Returns in a few words what became of a candidate."""
    model = f"Candidate {settled.model_digest.removeprefix('sha256:')[:12]}"
    if settled.kind == PUSHED:
        return f"{model} is version {settled.version}"
    words = {
        WITHDRAWN: "was pushed and failed in the server",
        ABANDONED: "was approved and cannot be pushed any more",
        APPROVAL_EXPIRED: "was not approved in time",
    }
    return f"{model} {words.get(settled.kind, 'does not wait any more')}"


def _find_answer(base: Base, candidate: Candidate, deadline: datetime.datetime, now: datetime.datetime) -> Outcome | None:
    """Returns what follows from the ledger without asking anybody; None if a person has to be asked."""
    entries, requests, releases = read_ledger(base), list_requests(base), list_releases(base)
    if (earlier := find_earlier_push(candidate, releases, entries)) and not earlier.pushed:
        return earlier
    withdrawn = {str(release.version) for release in releases if release.state == WITHDRAWN}
    policy_hash = candidate.record["policy_hash"]
    key = (candidate.model_digest, policy_hash, candidate.baseline_version, candidate.baseline_digest)
    for request in reversed(requests):
        same_model = (request.model_digest, request.record["policy_hash"]) == key[:2]
        still_there = request.version and request.version not in withdrawn
        if same_model and still_there and (request.key == key or request.version == candidate.baseline_version):
            return _pushed_before(base, request, entries)
        if request.key == key and (outcome := _outcome_of(base, request, candidate, entries)):
            return outcome
    if stale := explain_stale(live_release(base), candidate.baseline_version, candidate.baseline_digest):
        return _no(stale)
    if now >= deadline:
        return _no(f"Nobody was asked before the decision's deadline, {to_people(deadline)}. Run the pipeline again.")
    for request in requests:
        if request.open and request.model_digest == candidate.model_digest:
            append_end(base, APPROVAL_WITHDRAWN, request, reason=_NEWER)
            remove_leftover_copies(base, list_requests(base))
    return None


def _outcome_of(base: Base, request: Request, candidate: Candidate, entries: Sequence[Entry]) -> Outcome | None:
    """Returns what an earlier request for the same approval came to; None if it does not keep anybody from asking again."""
    head = next(entry.hash for entry in entries if entry.sequence == (request.answer or request.sequence))
    if request.state is State.WAITING and has_copy(base, request):
        return _waits(request.model_digest, request.record["deadline"], head)
    if request.state is State.APPROVED and has_copy(base, request):
        return push_copy(base, request)
    if request.state is State.REJECTED:
        return _no(f"{request.by} rejected it: {request.reason}", head)
    if request.state is State.EXPIRED and request.record["decision_digest"] == candidate.decision_digest:
        return _no(request.reason, head)
    return None


def _pushed_before(base: Base, request: Request, entries: Sequence[Entry]) -> Outcome:
    kinds = (PUSH_INTENT, PUSHED)
    told = [entry for entry in entries if entry.kind in kinds and entry.payload["version"] == int(request.version)][-1]
    state = "is live" if live_version(base) == request.version else "is not live any more"
    reason = f"The model is version {request.version} and {state}. {request.by} approved it: {request.reason}"
    return Outcome(
        pushed=True,
        version=request.version,
        pushed_digest=told.payload["pushed_digest"],
        reason=reason,
        head=told.hash,
        unchanged=True,
    )


def _no(reason: str, head: str = "") -> Outcome:
    return Outcome(pushed=False, version="", pushed_digest="", reason=reason, head=head)


def _waits(model_digest: str, deadline: str, head: str) -> Outcome:
    release = f"PROJECT@{model_digest.removeprefix('sha256:')[:12]}"
    reason = (
        f"It waits for a person's approval until {to_people(from_text(deadline))}. `sluice approve {release}` or "
        f"`sluice reject {release}` answers, and `sluice push` or the next run pushes what was approved."
    )
    return Outcome(pushed=False, version="", pushed_digest="", reason=reason, head=head, deadline=deadline)


def _take_up(base: Base, request: Request) -> Settled:
    """Pushes an approved candidate, unless its copy is not what was approved or its baseline is not live any more."""
    if damage := _damage(base, request):
        return _end(base, APPROVAL_WITHDRAWN, request, damage)
    outcome = push_copy(base, request)
    kind = PUSHED if outcome.pushed else ABANDONED
    if not outcome.pushed and not outcome.stale:
        return _end(base, APPROVAL_WITHDRAWN, request, outcome.reason)
    return Settled(kind=kind, model_digest=request.model_digest, version=outcome.version, reason=outcome.reason)


def _end_if_due(base: Base, request: Request, now: datetime.datetime) -> Settled | None:
    if now >= request.deadline:
        reason = f"Nobody approved it before {to_people(request.deadline)}. Run the pipeline again."
        return _end(base, APPROVAL_EXPIRED, request, reason)
    # A copy in a bucket is downloaded to be compared, when somebody has approved it.
    reason = _why_stale(base, request) if isinstance(base, BucketPath) else why_pointless(base, request)
    return _end(base, APPROVAL_WITHDRAWN, request, reason) if reason else None


def why_pointless(base: Base, request: Request) -> str:
    """Returns why a candidate cannot be pushed even with an approval, as a sentence; empty if it can."""
    return _why_stale(base, request) or _damage(base, request)


def _why_stale(base: Base, request: Request) -> str:
    return explain_stale(live_release(base), request.record["expects_live"], request.record["baseline_digest"])


def _damage(base: Base, request: Request) -> str:
    if has_copy(base, request):
        return ""
    return "The copy that waited is missing, or is not what was asked about. Run the pipeline again."


def _end(base: Base, kind: str, request: Request, reason: str) -> Settled:
    append_end(base, kind, request, reason=reason)
    return Settled(kind=kind, model_digest=request.model_digest, reason=reason)
