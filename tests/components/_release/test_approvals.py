"""Histories of approvals that make no sense are not trusted."""

import datetime

import pytest

from components._release.answers import answer
from components._release.ledger import append_entry
from components._release.releases import list_releases
from components._release.verify import verify_ledger
from components._release.waiting import request_approval
from components._shared.errors import UserError

NOW = datetime.datetime(2026, 3, 2, 12, 0, tzinfo=datetime.UTC)
PENDING = [{"gate": "approval", "verdict": "pending"}]


@pytest.fixture
def approved(base, make_candidate):
    """Returns a serving directory with a candidate that waits (entry 1), and one that was approved (entries 2 and 3)."""
    for name in ("one", "two"):
        candidate = make_candidate(name, record={"policy_hash": "sha256:p", "gates": PENDING})
        request_approval(base, candidate, "2026-03-09T12:00:00+00:00", now=NOW)
    answer(base, "approved", model=candidate.model_digest, by="Ada", reason="Fine.", now=NOW)
    return base


def _request(entries, **changes):
    return {**entries[0].payload, "model_digest": f"sha256:{'a' * 64}", **changes}


def _about(entries, number, **changes):
    about = {name: entries[number - 1].payload[name] for name in ("model_digest", "decision_digest")}
    return {"request": number, "reason": "Why not.", **about, **changes}


def _claim(entries, **changes):
    asked = entries[1].payload
    about = {name: asked[name] for name in ("model_digest", "decision_digest", "expects_live")}
    approval = {"approver": "Ada", "approval": {"request": 2, "answer": 3}}
    return {**about, **approval, "version": 1, "pushed_digest": asked["copy_digest"], "gates": PENDING, **changes}


def _without(payload, name):
    return {key: value for key, value in payload.items() if key != name}


HISTORIES = {
    "request without a deadline": ("approval_requested", lambda e: _request(e, deadline=None), "does not say 'deadline'"),
    "deadline in no time zone": ("approval_requested", lambda e: _request(e, deadline="2026-03-09"), "has no deadline"),
    "digest that is a path": ("approval_requested", lambda e: _request(e, model_digest="sha256:../1"), "name a model"),
    "request while one waits": ("approval_requested", lambda e: e[0].payload, "that entry 1 still asks about"),
    "answer by nobody": ("approved", lambda e: _about(e, 1), "does not say 'by'"),
    "answer by a blank": ("rejected", lambda e: _about(e, 1, by=" "), "names nobody"),
    "answer without a reason": ("approved", lambda e: _about(e, 1, by="Eve", reason=""), "or no reason"),
    "answer to nothing": ("approved", lambda e: _about(e, 1, by="Eve", request=3), "entry 3, which asks nothing"),
    "answer about another model": ("approved", lambda e: _about(e, 1, by="Eve", model_digest="x"), "something else than"),
    "second approval": ("approved", lambda e: _about(e, 2, by="Eve"), "which is approved already"),
    "expiry of what was approved": ("approval_expired", lambda e: _about(e, 2), "which is approved already"),
    "claim that nobody approved": ("push_intent", lambda e: _without(_claim(e), "approval"), "that nobody approved"),
    "claim by another request": (
        "push_intent",
        lambda e: _claim(e, approval={"request": 1}),
        "by an approval that the ledger does not hold",
    ),
    "claim by no request": ("push_intent", lambda e: _claim(e, approval=True), "that the ledger does not hold"),
    "claim of another model": ("push_intent", lambda e: _claim(e, model_digest="x"), "than what entry 3 approved"),
    "claim of another copy": ("push_intent", lambda e: _claim(e, pushed_digest="x"), "than what entry 3 approved"),
    "claim by another person": ("push_intent", lambda e: _claim(e, approver="Eve"), "than what entry 3 approved"),
}


@pytest.mark.parametrize("case", HISTORIES)
def test_history_that_makes_no_sense_is_not_trusted(approved, case):
    kind, make_payload, problem = HISTORIES[case]
    append_entry(approved, kind, make_payload)
    assert problem in "\n".join(verify_ledger(approved))
    with pytest.raises(UserError, match="that this program knows"):
        list_releases(approved)


def test_claim_that_the_approval_covers_is_trusted(approved):
    append_entry(approved, "push_intent", _claim)
    assert verify_ledger(approved) == []
