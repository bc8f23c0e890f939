"""The copy of a candidate that waits for approval, wherever the serving directory lies: made, pushed, removed."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from components._release.approvals import Request
from components._release.base import Base, BucketPath
from components._release.bucket_candidates import (
    append_end_in_bucket,
    keep_in_bucket,
    push_copy_in_bucket,
    remove_ended_copies,
)
from components._release.claims import Candidate, Outcome
from components._release.copies import copy_place
from components._release.durable import ensure_folder, sync_folder
from components._release.ledger import APPROVAL_REQUESTED, Entry, append_entry
from components._release.push import commit
from components._release.store import CANDIDATES_DIR, candidate_folder, move_into_place, next_version, stage_version
from components._shared.digest import digest_model, digest_tree
from components._shared.errors import UserError

logger = logging.getLogger(__name__)


def keep_copy(base: Base, candidate: Candidate, deadline: str) -> Entry:
    """Copies a candidate and asks for its approval; call it in turn.

    Args:
        base: The serving directory.
        candidate: The model; its decision lets it through but for the approval.
        deadline: Until when it may be approved, in ISO 8601.

    Returns:
        The entry that asks.
    """
    facts = {
        **candidate.record,
        "model_digest": candidate.model_digest,
        "decision_digest": candidate.decision_digest,
        "expects_live": candidate.baseline_version,
        "baseline_digest": candidate.baseline_digest,
        "deadline": deadline,
    }
    if isinstance(base, BucketPath):
        return keep_in_bucket(base, candidate, facts)
    copy_digest = _keep_in_folder(base, candidate)
    return append_entry(base, APPROVAL_REQUESTED, lambda _: {**facts, "copy_digest": copy_digest})


def push_copy(base: Base, request: Request) -> Outcome:
    """Pushes the copy of an approved candidate; call it in turn."""
    place = copy_place(base, request)
    candidate = Candidate(
        model=Path() if isinstance(place, BucketPath) else place,
        model_digest=request.model_digest,
        decision_digest=request.record["decision_digest"],
        baseline_version=request.record["expects_live"],
        baseline_digest=request.record["baseline_digest"],
        attachments={},
        record=request.push_record,
    )
    if isinstance(base, BucketPath) or isinstance(place, BucketPath):
        return push_copy_in_bucket(base, place, request, candidate)  # type: ignore[arg-type]  # both are
    outcome = commit(base, candidate, place, request.copy_digest)
    sync_folder(place.parent)
    return outcome


def append_end(base: Base, kind: str, request: Request, **details: str) -> Entry:
    """Appends an answer to a request, or its end; call it in turn."""
    payload = {
        "request": request.sequence,
        **{name: request.record[name] for name in ("model_digest", "decision_digest")},
        **details,
    }
    if isinstance(base, BucketPath):
        return append_end_in_bucket(base, kind, request, payload)
    return append_entry(base, kind, lambda _: payload)


def remove_leftover_copies(base: Base, requests: Sequence[Request]) -> None:
    """Removes copies that no open request speaks of; call it in turn."""
    if isinstance(base, BucketPath):
        remove_ended_copies(base, requests)
        return
    folder = base / CANDIDATES_DIR
    wanted = {candidate_folder(base, item.model_digest).name for item in requests if item.open}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name not in wanted:
            shutil.rmtree(path, ignore_errors=True)
            if path.exists():
                logger.warning("Could not remove the leftover %s; it does no harm but takes room", path)


def _keep_in_folder(base: Path, candidate: Candidate) -> str:
    folder = candidate_folder(base, candidate.model_digest)
    with stage_version(base, next_version(base, []), candidate.model, candidate.attachments) as staging:
        if (digest := digest_model(staging)) != candidate.model_digest:
            raise UserError("The model does not change while it is copied.", received=digest, remedy="Push again.")
        copy_digest = digest_tree(staging)
        ensure_folder(folder.parent)
        move_into_place(staging, folder)
    sync_folder(folder.parent)
    return copy_digest
