import dataclasses
import datetime
import shutil

import pytest

from components._release.answers import answer
from components._release.ledger import read_ledger
from components._release.precedence import explain_precedence
from components._release.push import push
from components._release.releases import live_version
from components._release.verify import verify_ledger
from components._release.waiting import list_requests, request_approval, settle_waiting
from components._shared.digest import digest_tree
from components._shared.errors import UserError

NOW = datetime.datetime(2026, 3, 2, 12, 0, tzinfo=datetime.UTC)
LATER = datetime.datetime(2026, 3, 9, 12, 0, tzinfo=datetime.UTC)
DEADLINE = "2026-03-09T12:00:00+00:00"


@pytest.fixture
def ask(base, make_candidate):
    """Returns a function that asks for an approval of a small model, told apart by its name."""

    def make(name="one", baseline="", policy="sha256:p", again=None, deadline=DEADLINE, now=NOW, **options):
        if again:
            candidate = dataclasses.replace(again, **options)
        else:
            record = {"reason": "Nobody says no.", "policy_hash": policy, "gates": [], "approver": None}
            candidate = make_candidate(name, baseline, record=record, **options)
        return candidate, request_approval(base, candidate, deadline, now=now)

    return make


def approve(base, model="", **options):
    return answer(base, "approved", model=model, **{"by": "Ada", "reason": "Reviewed.", "now": NOW, **options})


def reject(base, model="", **options):
    return answer(base, "rejected", model=model, **{"by": "Bob", "reason": "Too slow.", "now": NOW, **options})


def states(base):
    assert verify_ledger(base) == []
    return [str(request.state) for request in list_requests(base)]


def copies(base):
    return [path.name for path in base.glob(".candidates/*")]


def kinds(base):
    return [entry.kind for entry in read_ledger(base)]


def test_candidate_is_kept_whole_under_its_digest(base, ask):
    candidate, outcome = ask()
    assert (outcome.pushed, outcome.deadline, live_version(base)) == (False, DEADLINE, "")
    assert copies(base) == [candidate.model_digest.removeprefix("sha256:")]
    folder = base / ".candidates" / copies(base)[0]
    assert (folder / "assets.extra/sluice/decision.json").read_bytes() == b"{}"
    assert digest_tree(folder) == read_ledger(base)[0].payload["copy_digest"]
    shutil.rmtree(candidate.model)  # as if the run's folder was cleaned
    approve(base)
    assert [item.version for item in settle_waiting(base, now=NOW)] == ["1"]


def test_the_same_request_is_made_once(base, ask):
    candidate, first = ask()
    _, second = ask(again=candidate, decision_digest="sha256:a-later-decision", deadline="2026-04-01T00:00:00+00:00")
    assert (second.deadline, second.head) == (DEADLINE, first.head)
    assert kinds(base) == ["approval_requested"]


def test_approved_candidate_becomes_a_version_and_the_ledger_names_who(base, ask):
    candidate, _ = ask()
    approve(base)
    (settled,) = settle_waiting(base, now=NOW)
    assert (settled.kind, settled.version, settled.reason) == ("pushed", "1", "Ada approved it: Reviewed.")
    payload = read_ledger(base)[-1].payload
    assert (payload["approver"], payload["approval"]["request"], payload["approval"]["answer"]) == ("Ada", 1, 2)
    assert payload["model_digest"] == candidate.model_digest
    assert (live_version(base), states(base), copies(base)) == ("1", ["pushed"], [])
    assert settle_waiting(base, now=NOW) == []


def test_what_nobody_approved_is_not_pushed(base, ask):
    ask()
    assert (settle_waiting(base, now=NOW), states(base)) == ([], ["waiting"])
    assert live_version(base) == ""


def test_an_approval_in_time_outlives_the_deadline(base, ask):
    ask()
    approve(base)
    assert [item.kind for item in settle_waiting(base, now=LATER)] == ["pushed"]


def test_at_its_deadline_a_request_expires_and_says_so(base, ask):
    ask()
    (settled,) = settle_waiting(base, now=LATER)
    assert settled.kind == "approval_expired"
    assert "Nobody approved it before 2026-03-09 12:00 UTC" in settled.reason
    assert (states(base), copies(base), kinds(base)[-1]) == (["expired"], [], "approval_expired")


def test_a_clock_that_goes_back_revives_nothing(base, ask):
    candidate, _ = ask()
    settle_waiting(base, now=LATER)
    _, outcome = ask(again=candidate, now=NOW)
    assert (outcome.pushed, outcome.deadline) == (False, "")
    assert "Nobody approved it" in outcome.reason
    with pytest.raises(UserError, match="has expired"):
        approve(base)


def test_after_an_expiry_a_new_decision_may_ask_again(base, ask):
    candidate, _ = ask()
    settle_waiting(base, now=LATER)
    _, outcome = ask(again=candidate, decision_digest="sha256:new", deadline="2026-03-16T12:00:00+00:00", now=LATER)
    assert (outcome.deadline, states(base)) == ("2026-03-16T12:00:00+00:00", ["expired", "waiting"])


def test_a_decision_that_is_too_old_asks_nobody(base, ask):
    _, outcome = ask(now=LATER)
    assert "Nobody was asked before the decision's deadline" in outcome.reason
    assert (kinds(base), copies(base)) == ([], [])


def test_a_rejection_stands_for_the_same_model_policy_and_baseline(base, ask):
    candidate, _ = ask()
    reject(base)
    assert copies(base) == []
    _, outcome = ask(again=candidate, decision_digest="sha256:new")
    assert (outcome.deadline, outcome.reason) == ("", "Bob rejected it: Too slow.")
    record = {**candidate.record, "policy_hash": "sha256:stricter"}
    _, outcome = ask(again=candidate, decision_digest="sha256:new", record=record)
    assert outcome.deadline == DEADLINE


def test_an_approval_can_be_taken_back_until_it_is_pushed(base, ask):
    ask()
    approve(base)
    reject(base)
    assert (settle_waiting(base, now=NOW), states(base), live_version(base)) == ([], ["rejected"], "")


def test_the_first_approved_is_pushed_and_the_others_are_stale(base, ask):
    names = {name: ask(name)[0].model_digest for name in ("one", "two", "three")}
    approve(base, names["two"])
    approve(base, names["one"])
    settled = settle_waiting(base, now=NOW)
    assert [(item.model_digest, item.kind) for item in settled] == [
        (names["two"], "pushed"),
        (names["one"], "abandoned"),
        (names["three"], "approval_withdrawn"),
    ]
    assert all("Stale baseline" in item.reason for item in settled[1:])
    assert (states(base), copies(base), live_version(base)) == (["abandoned", "pushed", "withdrawn"], [], "1")


def test_a_run_whose_baseline_went_stale_asks_nobody(base, ask, make_candidate):
    push(base, make_candidate("live"))
    _, outcome = ask("two")
    assert "Stale baseline" in outcome.reason
    assert copies(base) == []


def test_approval_is_taken_up_by_a_run_of_the_same_model(base, ask):
    candidate, _ = ask()
    approve(base)
    _, outcome = ask(again=candidate, decision_digest="sha256:new")
    assert (outcome.pushed, outcome.version, outcome.reason) == (True, "1", "Ada approved it: Reviewed.")
    _, again = ask(again=candidate, decision_digest="sha256:newer", baseline_version="1")
    assert (again.pushed, again.version) == (True, "1")
    assert again.reason == "The model is version 1 and is live. Ada approved it: Reviewed."
    assert states(base) == ["pushed"]


def test_an_approval_under_another_policy_does_not_count(base, ask):
    candidate, _ = ask()
    approve(base)
    _, outcome = ask(again=candidate, decision_digest="sha256:new", record={**candidate.record, "policy_hash": "sha256:q"})
    assert outcome.deadline == DEADLINE
    assert (states(base), live_version(base)) == (["withdrawn", "waiting"], "")


@pytest.mark.parametrize("approved", [False, True])
@pytest.mark.parametrize("damage", ["changed", "a file more", "missing"])
def test_a_copy_that_was_touched_is_never_pushed(base, ask, approved, damage):
    candidate, _ = ask()
    if approved:
        approve(base)
    folder = base / ".candidates" / copies(base)[0]
    if damage == "missing":
        shutil.rmtree(folder)
    else:
        (folder / ("saved_model.pb" if damage == "changed" else "more")).write_text("x")
    assert "its copy was changed" in verify_ledger(base)[0]
    if not approved:
        with pytest.raises(UserError, match="is missing, or is not what was asked about"):
            approve(base)
    assert [item.kind for item in settle_waiting(base, now=NOW)] == ["approval_withdrawn"]
    assert (live_version(base), states(base), copies(base)) == ("", ["withdrawn"], [])
    _, outcome = ask(again=candidate, decision_digest="sha256:new")
    assert outcome.deadline == DEADLINE


def test_interrupted_push_of_an_approved_candidate_goes_on(base, ask, make_candidate):
    ask()
    approve(base)
    settle_waiting(base, now=NOW)
    max((base / ".ledger").glob("*.json")).unlink()  # it died after the rename
    assert states(base) == ["pushed"]
    shutil.move(base / "1", base / ".candidates" / "x")  # it died before the rename
    folder = base / ".candidates" / read_ledger(base)[0].payload["model_digest"].removeprefix("sha256:")
    (base / ".candidates/x").rename(folder)
    assert states(base) == ["approved"]
    assert [item.version for item in settle_waiting(base, now=NOW)] == ["2"]
    assert kinds(base) == ["approval_requested", "approved", "push_intent", "abandoned", "push_intent", "pushed"]


def test_copies_that_nobody_asks_about_are_removed(base, ask):
    (base / ".candidates/leftover").mkdir(parents=True)
    ask()
    assert len(copies(base)) == 1
    (base / ".candidates/leftover").mkdir()
    settle_waiting(base, now=NOW)
    assert len(copies(base)) == 1


def test_nothing_is_made_where_nothing_waits(base):
    assert settle_waiting(base, now=NOW) == []
    assert not base.exists()


def test_model_that_changes_while_it_is_copied_is_an_error(base, ask):
    with pytest.raises(UserError, match="does not change while it is copied"):
        ask(model_digest=f"sha256:{'0' * 64}")
    assert (kinds(base), copies(base)) == ([], [])


def test_run_is_told_that_an_approved_candidate_goes_first(base, ask):
    assert explain_precedence(base) == ""
    candidate, _ = ask()
    assert explain_precedence(base) == ""
    approve(base)
    short = candidate.model_digest.removeprefix("sha256:")[:12]
    assert f"Candidate {short} is approved and not pushed yet." in explain_precedence(base)
    assert "`sluice push PROJECT` before the run" in explain_precedence(base)
    settle_waiting(base, now=NOW)
    assert explain_precedence(base) == ""
