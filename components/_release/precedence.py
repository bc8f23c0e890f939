"""What a run should know before it starts: an approved candidate goes live first, and makes the run's own model stale."""

from components._release.approvals import State
from components._release.base import Base
from components._release.waiting import list_requests


def explain_precedence(base: Base) -> str:
    """Returns which approved candidates a run would push before its own model, in sentences; empty if there is none.

    Raises:
        UserError: If the ledger is broken, or a bucket does not answer.
    """
    approved = [request.short_digest for request in list_requests(base) if request.state is State.APPROVED]
    if not approved:
        return ""
    what = f"Candidate {approved[0]} is" if len(approved) == 1 else f"Candidates {', '.join(approved)} are"
    return (
        f"{what} approved and not pushed yet. push_model of this run pushes that first, and the run's own model, which was "
        "compared with the version before, is stale then. `sluice push PROJECT` before the run spares it that."
    )
