"""What the ledger tells about approvals: who was asked about which candidate, what they said, and what became of it.

    approval_requested ──► approved ──► pushed, or abandoned when its baseline is not live any more
                      │            └──► rejected, approval_withdrawn
                      └──► rejected, approval_expired, approval_withdrawn

Everything here works on entries that were read before.
"""

import dataclasses
import datetime
import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from components._release.ledger import (
    ABANDONED,
    APPROVAL_EXPIRED,
    APPROVAL_REQUESTED,
    APPROVAL_WITHDRAWN,
    APPROVED,
    PUSH_INTENT,
    PUSHED,
    REJECTED,
    Entry,
)
from components._shared.gates import APPROVAL_GATE, Verdict
from components._shared.times import from_text

APPROVAL_KINDS = (APPROVAL_REQUESTED, APPROVED, REJECTED, APPROVAL_EXPIRED, APPROVAL_WITHDRAWN)

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_REQUEST = {
    "model_digest": str,
    "copy_digest": str,
    "decision_digest": str,
    "policy_hash": str,
    "expects_live": str,
    "baseline_digest": str,
    "deadline": str,
}
"""What every request holds; the rest of its payload is what the ledger keeps of a push."""
_ANSWER = {"request": int, "model_digest": str, "decision_digest": str, "reason": str}


class State(enum.StrEnum):
    """How far a request is."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    PUSHED = "pushed"
    ABANDONED = "abandoned"


_STEPS = {
    APPROVED: ((State.WAITING,), State.APPROVED),
    REJECTED: ((State.WAITING, State.APPROVED), State.REJECTED),
    APPROVAL_EXPIRED: ((State.WAITING,), State.EXPIRED),
    APPROVAL_WITHDRAWN: ((State.WAITING, State.APPROVED), State.WITHDRAWN),
}
"""From which states each kind of entry leads, and where to."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """A candidate that a person was asked about.

    Attributes:
        sequence: Number of the entry that asks.
        state: How far it is.
        requested_at: When it was asked, by the clock of the pusher.
        record: The whole payload of the request.
        by: Who answered; empty while nobody has.
        reason: Why it was approved, rejected or withdrawn; empty while it waits.
        answered_at: When it was answered, by the clock of whoever did.
        answer: Number of the entry with the answer; 0 while there is none.
        version: The version that it became; empty if it did not.
    """

    sequence: int
    state: State
    requested_at: str
    record: dict[str, Any]
    by: str = ""
    reason: str = ""
    answered_at: str = ""
    answer: int = 0
    version: str = ""

    @property
    def open(self) -> bool:
        """Whether its candidate may still become a version."""
        return self.state in (State.WAITING, State.APPROVED)

    @property
    def model_digest(self) -> str:
        """Digest of the model as trained."""
        return self.record["model_digest"]

    @property
    def short_digest(self) -> str:
        """Enough of the model's digest to name it by."""
        return self.model_digest.removeprefix("sha256:")[:12]

    @property
    def copy_digest(self) -> str:
        """Digest of the folder that waits, which is that of the later version."""
        return self.record["copy_digest"]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What an approval is about: model, policy, and the live version with its digest."""
        return tuple(self.record[name] for name in ("model_digest", "policy_hash", "expects_live", "baseline_digest"))  # type: ignore[return-value]

    @property
    def deadline(self) -> datetime.datetime:
        """Until when it may be answered."""
        return from_text(self.record["deadline"])

    @property
    def push_record(self) -> dict[str, Any]:
        """What the ledger keeps of a push, with the approval."""
        approval = {"request": self.sequence, "answer": self.answer, "reason": self.reason, "approved_at": self.answered_at}
        kept = {name: value for name, value in self.record.items() if name not in (*_REQUEST, "copy") or name == "policy_hash"}
        return {**kept, "approver": self.by, "approval": approval, "reason": f"{self.by} approved it: {self.reason}"}


def requests_of(entries: Sequence[Entry], pushed: Iterable[tuple[int, dict[str, Any]]] = ()) -> list[Request]:
    """Returns every request that a checked history tells of, oldest first.

    Args:
        entries: The ledger.
        pushed: Versions that are in place, each with its record. A push that died after its commit has no outcome in the
            ledger yet, and its request is as good as carried out.
    """
    requests: dict[int, Request] = {}
    for entry in entries:
        _advance(requests, entry)
    for version, record in pushed:
        if request := requests.get(_request_number(record)):
            requests[request.sequence] = dataclasses.replace(request, state=State.PUSHED, version=str(version))
    return list(requests.values())


def check_approvals(entries: Sequence[Entry]) -> list[str]:
    """Returns every way in which entries do not make a history of approvals, as sentences."""
    requests: dict[int, Request] = {}
    found = [(entry, _advance(requests, entry)) for entry in entries]
    return [f"Entry {entry.sequence} ({entry.kind}) {problem}." for entry, problem in found if problem]


def _advance(requests: dict[int, Request], entry: Entry) -> str:
    """Takes an entry into account, and returns why it makes no sense where it stands; empty if it does."""
    if entry.kind == APPROVAL_REQUESTED:
        return _ask(requests, entry)
    if entry.kind in _STEPS:
        return _answer(requests, entry)
    if entry.kind == PUSH_INTENT:
        return _check_claim(requests, entry)
    request = requests.get(_request_number(entry.payload))
    if request and (entry.kind == PUSHED or (entry.kind == ABANDONED and entry.payload.get("stale") is True)):
        # A claim that was abandoned because its push was interrupted leaves the approval as it is.
        version = str(entry.payload.get("version")) if entry.kind == PUSHED else ""
        reason = request.reason if entry.kind == PUSHED else str(entry.payload.get("reason", ""))
        requests[request.sequence] = dataclasses.replace(request, state=State(entry.kind), version=version, reason=reason)
    return ""


def _ask(requests: dict[int, Request], entry: Entry) -> str:
    if wrong := _missing(entry, _REQUEST):
        return wrong
    if not _DIGEST.fullmatch(entry.payload["model_digest"]):
        return "does not name a model by its digest"
    try:
        from_text(entry.payload["deadline"])
    except ValueError:
        return "has no deadline in ISO 8601"
    same = [item for item in requests.values() if item.open and item.model_digest == entry.payload["model_digest"]]
    requests[entry.sequence] = Request(
        sequence=entry.sequence, state=State.WAITING, requested_at=entry.recorded_at, record=entry.payload
    )
    return f"asks about a model that entry {same[0].sequence} still asks about" if same else ""


def _answer(requests: dict[int, Request], entry: Entry) -> str:
    by_a_person = entry.kind in (APPROVED, REJECTED)
    if wrong := _missing(entry, _ANSWER | ({"by": str} if by_a_person else {})):
        return wrong
    payload = entry.payload
    if by_a_person and not (payload["by"].strip() and payload["reason"].strip()):
        return "names nobody, or no reason"
    before, after = _STEPS[entry.kind]
    request = requests.get(payload["request"])
    if request is None:
        return f"answers entry {payload['request']}, which asks nothing"
    if any(payload[name] != request.record[name] for name in ("model_digest", "decision_digest")):
        return f"is about something else than the request in entry {request.sequence}"
    if request.state not in before:
        return f"answers entry {request.sequence}, which is {request.state} already"
    requests[request.sequence] = dataclasses.replace(
        request,
        state=after,
        by=payload.get("by", request.by),
        reason=payload["reason"],
        answered_at=entry.recorded_at,
        answer=entry.sequence,
    )
    return ""


def _check_claim(requests: dict[int, Request], entry: Entry) -> str:
    payload = entry.payload
    if "approval" not in payload:
        waits = any(gate.get("gate") == APPROVAL_GATE and gate.get("verdict") == Verdict.PENDING for gate in _gates(payload))
        return "claims a version for a model that nobody approved" if waits else ""
    request = requests.get(_request_number(payload))
    if request is None or request.state is not State.APPROVED:
        return "claims a version by an approval that the ledger does not hold"
    about = {name: request.record[name] for name in ("model_digest", "decision_digest")}
    expected = {**about, "pushed_digest": request.copy_digest, "approver": request.by}
    if any(payload.get(name) != value for name, value in expected.items()):
        return f"is about something else than what entry {request.answer} approved"
    return ""


def _gates(payload: dict[str, Any]) -> list[dict[str, Any]]:
    gates = payload.get("gates")
    return [gate for gate in gates if isinstance(gate, dict)] if isinstance(gates, list) else []


def _request_number(payload: dict[str, Any]) -> int:
    approval = payload.get("approval")
    number = approval.get("request") if isinstance(approval, dict) else None
    return number if type(number) is int else 0


def _missing(entry: Entry, fields: Mapping[str, type]) -> str:
    wrong = [name for name, kind in fields.items() if type(entry.payload.get(name)) is not kind]
    return f"does not say {wrong[0]!r}" if wrong else ""
