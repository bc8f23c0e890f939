import datetime
import json

import pytest

from components._shared.policy import ApprovalGate
from components.decide_release.approval import judge_approval
from components.decide_release.executor import decide_release

NOW = datetime.datetime(2026, 3, 2, 12, 0, tzinfo=datetime.UTC)


def decide(run, **approval):
    """Decides under a policy with this gate on approval; returns the decision and the gate."""
    run.change_policy("approval", **approval)
    decision = decide_release(**run.arguments, now=NOW)
    return decision, decision["gates"][-1]


def blessed(run):
    return sorted(path.name for path in (run.root / "decision").iterdir())


@pytest.mark.parametrize(
    ("settings", "others_pass", "verdict", "deadline"),
    [
        ({}, True, "not_applicable", ""),
        ({"required": True}, True, "pending", "2026-03-09T12:00:00+00:00"),
        ({"required": True, "deadline_hours": 1.5}, True, "pending", "2026-03-02T13:30:00+00:00"),
        ({"required": True}, False, "not_applicable", ""),
        ({"required": True, "off": "The board is on holiday."}, True, "switched_off", ""),
    ],
)
def test_the_gate_never_passes_by_itself(settings, others_pass, verdict, deadline):
    approval = judge_approval(ApprovalGate(**settings), others_pass=others_pass, now=NOW)
    assert (approval.result.verdict, approval.deadline) == (verdict, deadline)


def test_without_the_requirement_a_clean_run_is_approved(run):
    decision, gate = decide(run)
    assert (decision["approved"], decision["status"], decision["deadline"]) == (True, "approved", "")
    assert (gate["gate"], gate["verdict"], gate["reason"]) == ("approval", "not_applicable", "No approval is required.")


def test_a_required_approval_leaves_the_decision_pending(run):
    decision, gate = decide(run, required=True)
    assert (decision["approved"], decision["status"], gate["verdict"]) == (False, "pending", "pending")
    assert decision["deadline"] == "2026-03-09T12:00:00+00:00"
    assert decision["reason"].startswith("A person has to approve the release before 2026-03-09 12:00 UTC. No gate says no.")
    assert blessed(run) == ["NOT_BLESSED", "decision.json"]


def test_another_gate_that_says_no_refuses_and_asks_nobody(run):
    run.change_gate("anomalies", "data", verdict="failed", reason="A column is gone.")
    decision, gate = decide(run, required=True)
    assert (decision["status"], decision["deadline"], gate["verdict"]) == ("refused", "", "not_applicable")
    assert decision["reason"] == "The gate data says no. A column is gone."


def test_a_report_cannot_leave_its_gate_pending(run):
    run.change_gate("evaluation", "performance", verdict="pending")
    decision, _ = decide(run, required=True)
    assert decision["status"] == "refused"
    assert "which only the gate on approval may" in decision["reason"]


def test_the_requirement_is_part_of_the_policys_hash(run):
    arguments = run.arguments
    arguments["policy"] = {**run.policy, "approval": {**run.policy["approval"], "required": True}}
    assert decide_release(**arguments, now=NOW)["status"] == "refused"


def test_page_and_summary_say_what_to_do_and_until_when(run):
    decide(run, required=True)
    page, summary = (run.root / "report").read_text(), (run.root / "summary").read_text()
    command = f"sluice approve PROJECT@{run.digest.removeprefix('sha256:')[:12]} --by NAME --reason"
    assert '<div class="verdict pending"><strong>Not yet, this model waits for a person' in page
    assert command in page
    assert f"- approve: `{command}" in summary
    assert "| approval | ⏳ pending |" in summary
    assert "2026-03-09 12:00 UTC" in page


def test_a_decision_that_nobody_has_to_approve_says_nothing_of_it(run):
    decide(run)
    assert "sluice approve" not in (run.root / "report").read_text() + (run.root / "summary").read_text()


def test_the_clock_counts_when_no_time_is_given(run):
    run.change_policy("approval", required=True)
    decision = json.loads(json.dumps(decide_release(**run.arguments)))
    left = datetime.datetime.fromisoformat(decision["deadline"]) - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=6) < left <= datetime.timedelta(days=7)
