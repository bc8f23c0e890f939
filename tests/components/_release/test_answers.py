import datetime

import pytest

from components._release.answers import answer
from components._release.ledger import read_ledger
from components._release.push import push
from components._release.waiting import request_approval, settle_waiting
from components._shared.errors import UserError

NOW = datetime.datetime(2026, 3, 2, 12, 0, tzinfo=datetime.UTC)
LATER = datetime.datetime(2026, 3, 9, 12, 0, tzinfo=datetime.UTC)


@pytest.fixture
def waiting(base, make_candidate):
    """Returns the digests of two candidates that wait, without their prefix."""
    candidates = [make_candidate(name, record={"policy_hash": "sha256:p"}) for name in ("one", "two")]
    for candidate in candidates:
        request_approval(base, candidate, "2026-03-09T12:00:00+00:00", now=NOW)
    return [candidate.model_digest.removeprefix("sha256:") for candidate in candidates]


def give(base, kind="approved", **options):
    return answer(base, kind, **{"model": "", "by": "Ada", "reason": "Fine.", "now": NOW, **options})


@pytest.mark.parametrize("kind", ["approved", "rejected"])
@pytest.mark.parametrize("write", [str, str.upper, "sha256:{}".format, lambda digest: digest[:12]])
def test_answer_says_who_and_why(base, waiting, kind, write):
    request, entry = give(base, kind, model=write(waiting[1]), by=" Ada \n Lovelace", reason="Slices  reviewed.")
    assert request.model_digest == f"sha256:{waiting[1]}"
    assert (entry.kind, entry.payload["by"], entry.payload["reason"]) == (kind, "Ada Lovelace", "Slices reviewed.")
    assert (entry.payload["request"], entry.payload["decision_digest"]) == (2, "sha256:two")


@pytest.mark.parametrize(("by", "reason"), [("", "Fine."), ("  ", "Fine."), ("Ada", "\n"), ("\x1b[2J", "x"), ("\udc80", "x")])
def test_answer_without_a_readable_name_and_reason_is_refused(base, waiting, by, reason):
    with pytest.raises(UserError, match="in text that people can read"):
        give(base, model=waiting[0], by=by, reason=reason)
    assert len(read_ledger(base)) == 2


@pytest.mark.parametrize("kind", ["approved", "rejected"])
def test_answer_must_name_one_candidate(base, waiting, kind):
    with pytest.raises(UserError, match=f"is about one candidate. Received: {waiting[0][:12]} until 2026-03-09 12:00 UTC, "):
        give(base, kind)
    with pytest.raises(UserError, match="begins with 123456 waits"):
        give(base, kind, model="123456")


@pytest.mark.parametrize("kind", ["approved", "rejected"])
def test_answer_where_nothing_waits_is_refused(base, make_candidate, kind):
    with pytest.raises(UserError, match="nothing was ever released into"):
        give(base, kind)
    push(base, make_candidate())
    with pytest.raises(UserError, match="none was asked about"):
        give(base, kind)


@pytest.mark.parametrize("kind", ["approved", "rejected"])
def test_answer_at_the_deadline_is_too_late(base, waiting, kind):
    with pytest.raises(UserError, match="before the deadline"):
        give(base, kind, model=waiting[0], now=LATER)
    settle_waiting(base, now=LATER)
    with pytest.raises(UserError, match="has expired: Nobody approved it"):
        give(base, kind, model=waiting[0])


def test_nothing_is_approved_twice_or_after_a_no(base, waiting):
    give(base, model=waiting[0])
    with pytest.raises(UserError, match="was approved by Ada, and the next push takes it up"):
        give(base, model=waiting[0])
    give(base, "rejected", model=waiting[1], by="Bob", reason="Too slow.")
    for kind in ("approved", "rejected"):
        with pytest.raises(UserError, match="was rejected by Bob: Too slow"):
            give(base, kind, model=waiting[1])


@pytest.mark.parametrize("kind", ["approved", "rejected"])
def test_nothing_is_answered_after_it_was_pushed(base, waiting, kind):
    give(base, model=waiting[0])
    settle_waiting(base, now=NOW)
    with pytest.raises(UserError, match="was approved by Ada and is version 1"):
        give(base, kind, model=waiting[0])


def test_nothing_is_approved_whose_baseline_is_not_live_any_more(base, waiting, make_candidate):
    push(base, make_candidate("three"))
    with pytest.raises(UserError, match="Stale baseline"):
        give(base, model=waiting[0])
