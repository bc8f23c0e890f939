"""Candidates that wait for approval in a bucket, in `<base>/.candidates/<digest of the copy>/`.

- A request uploads the candidate, compares what is there, then appends `approval_requested`, which names the place. No two
  requests share one, so what is removed after one's end cannot be another's.
- An end that takes an approval back first calls the open claim void that may have begun to carry it out.
- An approved candidate is pushed by the push protocol; its objects are copied within the bucket, and compared.

A copy whose request never came, since its process died, stays; the same push finds it and goes on.
"""

import logging
from collections.abc import Sequence
from typing import Any

from components._release import gcs
from components._release.approvals import Request
from components._release.base import BucketPath
from components._release.bucket_ledger import DisturbedError, append_before_claims, append_valid
from components._release.bucket_push import push_contents
from components._release.bucket_versions import digests_of, read_contents, read_stored, upload_version
from components._release.claims import Candidate, Outcome
from components._release.ledger import APPROVAL_REQUESTED, Entry, read_ledger
from components._release.store import CANDIDATES_DIR
from components._shared.errors import UserError

logger = logging.getLogger(__name__)


def keep_in_bucket(base: BucketPath, candidate: Candidate, facts: dict[str, Any]) -> Entry:
    """Uploads a candidate and asks for its approval; call it in turn.

    Args:
        base: The serving directory.
        candidate: The model.
        facts: What the request says beside the copy.

    Raises:
        DisturbedError: If another process was faster.
        UserError: If the model changes meanwhile, or something else lies in its place.
    """
    contents = read_contents(candidate.model, candidate.attachments)
    copy_digest, model_digest = digests_of(contents)
    if model_digest != candidate.model_digest:
        raise UserError("The model does not change while it is copied.", received=model_digest, remedy="Push again.")
    name = _next_name(read_ledger(base), copy_digest)
    if damage := upload_version(base / CANDIDATES_DIR / name, contents):
        raise UserError("A copy that waits stays as it was uploaded.", received=damage, remedy="Find out who writes there.")

    def make_payload(entries: list[Entry]) -> dict[str, Any]:
        if _next_name(entries, copy_digest) != name:
            raise DisturbedError("the same candidate was asked about")
        return {**facts, "copy_digest": copy_digest, "copy": name}

    return append_valid(base, APPROVAL_REQUESTED, make_payload)


def push_copy_in_bucket(base: BucketPath, place: BucketPath, request: Request, candidate: Candidate) -> Outcome:
    """Pushes an approved candidate; call it in turn.

    Raises:
        DisturbedError: If another process was faster.
        UserError: If the copy was changed.
    """
    contents = read_stored(place)
    if digests_of(contents) != (request.copy_digest, request.model_digest):
        raise UserError("A copy that waits stays as it was uploaded.", received=str(place), remedy="Push again.")
    return push_contents(base, candidate, contents, request.copy_digest)


def append_end_in_bucket(base: BucketPath, kind: str, request: Request, payload: dict[str, Any]) -> Entry:
    """Appends an answer to a request, or its end, which no claim that carries it out can overtake; call it in turn."""

    def carries_out(intent: Entry) -> bool:
        approval = intent.payload.get("approval")
        return isinstance(approval, dict) and approval.get("request") == request.sequence

    return append_before_claims(base, kind, payload, carries_out)


def remove_ended_copies(base: BucketPath, requests: Sequence[Request]) -> None:
    """Removes the copies of requests that came to an end."""
    ended = {str(request.record.get("copy")) for request in requests if not request.open}
    for name in ended & {*gcs.list_names(base / CANDIDATES_DIR)} if ended else ():
        gcs.remove_objects(base / CANDIDATES_DIR / name)
        logger.info("Removed the copy %s, which does not wait any more", base / CANDIDATES_DIR / name)


def _next_name(entries: Sequence[Entry], copy_digest: str) -> str:
    same = [entry for entry in entries if entry.kind == APPROVAL_REQUESTED and entry.payload["copy_digest"] == copy_digest]
    return copy_digest.removeprefix("sha256:") + (f"-{len(same) + 1}" if same else "")
