"""A person's answer to a candidate that waits: yes or no, with a name and a reason, as an entry of the ledger."""

import datetime
from collections.abc import Sequence

from components._release.approvals import Request, State
from components._release.base import Base
from components._release.candidates import append_end, remove_leftover_copies
from components._release.ledger import APPROVED, Entry
from components._release.lock import LOCK_SECONDS
from components._release.turns import check_existing, in_turn
from components._release.waiting import list_requests, why_pointless
from components._release.words import read_words
from components._shared.errors import UserError
from components._shared.times import to_people


def answer(
    base: Base,
    kind: str,
    *,
    model: str,
    by: str,
    reason: str,
    now: datetime.datetime,
    lock_seconds: float = LOCK_SECONDS,
) -> tuple[Request, Entry]:
    """Appends a person's answer; the next push carries a yes out. A no may also take back a yes until then.

    Args:
        base: The serving directory.
        kind: `approved` or `rejected`.
        model: How the model's digest begins, with or without `sha256:`; may be empty when only one candidate waits.
        by: Who answers.
        reason: Why.
        now: The time.
        lock_seconds: How long to wait for a push.

    Returns:
        The request as it was before, and the entry.

    Raises:
        UserError: If name or reason are empty, no candidate or more than one fits, or its deadline has passed; for a yes,
            also if its copy was changed or its baseline is not live any more.
    """
    by, reason = read_words("who answers", by), read_words("the reason", reason)
    check_existing(base)

    def answer_one(_: Entry | None) -> tuple[Request, Entry]:
        request = _find_request(list_requests(base), kind, model)
        if request.state is State.WAITING and now >= request.deadline:
            late = f"{request.short_digest} waited until {to_people(request.deadline)}"
            raise UserError("An answer comes before the deadline.", received=late, remedy="Run the pipeline again.")
        if kind == APPROVED and (pointless := why_pointless(base, request)):
            raise UserError("What is approved can be pushed.", received=f"{request.short_digest}: {pointless}")
        return request, append_end(base, kind, request, by=by, reason=reason)

    given = in_turn(base, answer_one, lock_seconds)
    in_turn(base, lambda _: remove_leftover_copies(base, list_requests(base)), lock_seconds)
    return given


def _find_request(requests: Sequence[Request], kind: str, model: str) -> Request:
    answerable = (State.WAITING,) if kind == APPROVED else (State.WAITING, State.APPROVED)
    beginning = model.removeprefix("sha256:").lower()
    named = [item for item in requests if item.model_digest.removeprefix("sha256:").startswith(beginning)]
    found = [item for item in named if item.state in answerable]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(f"{item.short_digest} until {to_people(item.deadline)}" for item in found)
        raise UserError("An answer is about one candidate.", received=listed, remedy="Name it by how its digest begins.")
    last = f"the last one, {named[-1].short_digest}, {_fate(named[-1])}" if named else "none was asked about"
    which = f"A candidate whose digest begins with {beginning} waits" if beginning else "A candidate waits"
    raise UserError(f"{which} for an answer.", received=last, remedy="`sluice releases PROJECT` lists what waits.")


def _fate(request: Request) -> str:
    if request.state is State.PUSHED:
        return f"was approved by {request.by} and is version {request.version}"
    if request.state is State.APPROVED:
        return f"was approved by {request.by}, and the next push takes it up"
    by = f" by {request.by}" if request.state is State.REJECTED else ""
    return f"{'has' if request.state is State.EXPIRED else 'was'} {request.state}{by}: {request.reason}"
