"""The gate on approval: whether a person has to agree, and until when."""

import dataclasses
import datetime

from components._shared.gates import APPROVAL_GATE, GateResult, Verdict
from components._shared.policy import ApprovalGate
from components._shared.times import to_people, to_text


@dataclasses.dataclass(frozen=True, kw_only=True)
class Approval:
    """What is known of the approval when the decision is made.

    Attributes:
        result: The gate; never "passed", since nobody was asked yet.
        deadline: Until when a person may agree, in ISO 8601; empty unless the gate is pending.
    """

    result: GateResult
    deadline: str = ""


def judge_approval(gate: ApprovalGate, *, others_pass: bool, now: datetime.datetime) -> Approval:
    """Returns the gate on approval.

    Args:
        gate: Its settings.
        others_pass: Whether every other gate lets the release through.
        now: The time of the decision, from which the deadline counts.
    """
    if gate.off:
        return Approval(result=_result(Verdict.SWITCHED_OFF, gate.off))
    if not gate.required:
        return Approval(result=_result(Verdict.NOT_APPLICABLE, "No approval is required."))
    if not others_pass:
        return Approval(result=_result(Verdict.NOT_APPLICABLE, "Another gate says no: there is nothing to approve."))
    deadline = now + datetime.timedelta(hours=gate.deadline_hours)
    reason = f"A person has to approve the release before {to_people(deadline)}."
    return Approval(result=_result(Verdict.PENDING, reason), deadline=to_text(deadline))


def _result(verdict: Verdict, reason: str) -> GateResult:
    return GateResult(gate=APPROVAL_GATE, verdict=verdict, reason=reason)
