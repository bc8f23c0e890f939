"""A decision that is pending lets the model wait; a later run takes up what a person said."""

import datetime
import json

import pytest

from components._release.answers import answer
from components._release.ledger import read_ledger
from components._release.releases import live_version
from components._release.verify import verify_ledger
from components._release.waiting import list_requests
from components._shared.errors import Refusal, UserError
from components._shared.policy import Policy
from components._shared.policy_documents import hash_policy, policy_to_json
from components.push_model.executor import push_model
from components.resolve_baseline.executor import resolve_baseline

NOW = datetime.datetime(2026, 3, 2, 12, 0, tzinfo=datetime.UTC)
LATER = datetime.datetime(2026, 3, 9, 12, 0, tzinfo=datetime.UTC)
PENDING = {"status": "pending", "approved": False}


@pytest.fixture
def run_push(make_artifacts):
    """Returns a function that runs push_model on a decision, pending unless told otherwise."""

    def run(name="run", strict=False, now=NOW, **options):
        return push_model(**make_artifacts(name, **{**PENDING, **options}) | {"strict": strict}, now=now)

    return run


def say(base, kind="approved", model=""):
    answer(base, kind, model=model, by="Ada", reason="Reviewed.", now=NOW)


def test_pending_model_waits_even_under_strict(run_push, tmp_path):
    result = run_push(strict=True)
    assert (result.pushed, result.version, result.deadline) == (False, "", "2026-03-09T12:00:00+00:00")
    release = f"PROJECT@{result.model_digest.removeprefix('sha256:')[:12]}"
    assert f"waits for a person's approval until 2026-03-09 12:00 UTC. `sluice approve {release}`" in result.reason
    assert (live_version(tmp_path / "serving"), verify_ledger(tmp_path / "serving")) == ("", [])
    pushed = json.loads((tmp_path / "run/pushed/pushed.json").read_text())
    assert (pushed["deadline"], pushed["model_digest"]) == (result.deadline, result.model_digest)


def test_request_tells_what_a_push_would(run_push, tmp_path):
    run_push()
    payload = read_ledger(tmp_path / "serving")[0].payload
    found = {name: payload[name] for name in ("data_version", "policy_hash", "approver", "deadline", "spans")}
    assert found == {
        "data_version": "sha256:data",
        "policy_hash": hash_policy(policy_to_json(Policy()), {"options": {}}),
        "approver": None,
        "deadline": "2026-03-09T12:00:00+00:00",
        "spans": [1, 2],
    }


@pytest.mark.parametrize("later", [{"approved": False, "status": "refused"}, {"approved": False, "status": "pending"}])
def test_a_later_run_pushes_what_was_approved(run_push, tmp_path, later):
    waiting = run_push("one")
    say(tmp_path / "serving")
    result = run_push("two", weights="w2", **later)
    assert not result.pushed
    assert [(item.kind, item.version, item.model_digest) for item in result.settled] == [("pushed", "1", waiting.model_digest)]
    assert live_version(tmp_path / "serving") == "1"
    assert json.loads((tmp_path / "two/pushed/pushed.json").read_text())["settled"][0]["reason"] == "Ada approved it: Reviewed."


def test_what_was_approved_comes_before_the_runs_own_model(run_push, tmp_path):
    run_push("one")
    say(tmp_path / "serving")
    result = run_push("two", weights="w2", approved=True, status="approved")
    assert (result.pushed, [item.version for item in result.settled]) == (False, ["1"])
    assert "Stale baseline" in result.reason


def test_a_run_of_the_same_model_finds_its_approval(run_push, tmp_path):
    run_push("one")
    say(tmp_path / "serving")
    result = run_push("two", deadline="2026-03-20T12:00:00+00:00")
    assert (result.pushed, result.version) == (True, "1")
    assert "Ada approved it" in result.reason


def test_what_was_approved_is_pushed_even_if_the_run_has_lost_its_files(run_push, make_artifacts, tmp_path):
    run_push("one")
    say(tmp_path / "serving")
    artifacts = make_artifacts("two", weights="w2")
    (tmp_path / "two/model/training.json").unlink()
    with pytest.raises(UserError, match="A release carries"):
        push_model(**artifacts, now=NOW)
    assert live_version(tmp_path / "serving") == "1"


def test_a_rejection_is_a_no(run_push, tmp_path):
    run_push("one")
    say(tmp_path / "serving", "rejected")
    with pytest.raises(Refusal, match=r"Ada rejected it: Reviewed\."):
        run_push("two", strict=True)


def test_a_request_that_nobody_answered_expires_in_a_later_run(run_push, tmp_path):
    run_push("one")
    result = run_push("two", weights="w2", approved=False, status="refused", now=LATER)
    assert [item.kind for item in result.settled] == ["approval_expired"]
    assert [request.state for request in list_requests(tmp_path / "serving")] == ["expired"]


def test_the_card_of_a_version_that_had_to_be_approved_says_where_to_look(run_push, tmp_path):
    run_push()
    say(tmp_path / "serving")
    run_push("two")
    card = (tmp_path / "serving/1/assets.extra/sluice/model_card.md").read_text()
    assert "says who approved it" in card
    assert "| approval | pending |" in card


def _change_gate(decision, name, verdict):
    return [{**gate, "verdict": verdict} if gate["gate"] == name else gate for gate in decision["gates"]]


UNTRUSTED = {
    "approved by the decision itself": ({"approved": True, "status": "approved"}, ("approval", "passed"), "says 'passed'"),
    "approved and pending": ({"approved": True, "status": "pending"}, None, "contradicts itself"),
    "refused and approved": ({"approved": False, "status": "approved"}, None, "contradicts itself"),
    "another status": ({"status": "perhaps"}, None, "contradicts itself"),
    "no deadline": ({"deadline": ""}, None, "has a deadline"),
    "a deadline nowhere": ({"deadline": "2026-03-09T12:00:00"}, None, "has a deadline"),
    "pending, and another gate failed": ({}, ("parity", "failed"), "did not pass: parity"),
    "pending, and another gate is pending": ({}, ("parity", "pending"), "did not pass: parity"),
    "pending without the gate pending": ({}, ("approval", "not_applicable"), "says 'not_applicable'"),
}


@pytest.mark.parametrize("case", UNTRUSTED)
def test_decision_that_cannot_be_trusted_lets_nothing_wait(make_artifacts, tmp_path, case):
    changes, gate, words = UNTRUSTED[case]
    artifacts = make_artifacts(**PENDING)
    file = tmp_path / "run/decision/decision.json"
    decision = {**json.loads(file.read_text()), **changes}
    decision["gates"] = _change_gate(decision, *gate) if gate else decision["gates"]
    file.write_text(json.dumps(decision))
    blessing = "BLESSED" if decision["approved"] else "NOT_BLESSED"
    (tmp_path / "run/decision/NOT_BLESSED").rename(tmp_path / "run/decision" / blessing)
    result = push_model(**artifacts, now=NOW)
    assert (result.pushed, result.deadline) == (False, "")
    assert words in result.reason
    assert not (tmp_path / "serving").exists()


def test_resolve_baseline_says_that_an_approved_candidate_goes_first(run_push, tmp_path, caplog):
    run_push()
    say(tmp_path / "serving")
    assert resolve_baseline(serving_dir=str(tmp_path / "serving")).version == ""
    assert "approved and not pushed yet" in caplog.text
