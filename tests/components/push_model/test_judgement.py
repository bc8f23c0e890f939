import json

import pytest

from components._shared.digest import digest_file
from components._shared.policy_documents import hash_policy, policy_to_json, read_policy
from components.push_model.executor import push_model

REPORTS = {"anomalies": "data", "evaluation": "performance", "serving_report": "serving"}
"""The artifacts that hold a report, with the first gate of each."""


def _edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _edit_decision(run, **changes):
    _edit(run / "decision/decision.json", **changes)


def _edit_gates(run, edit):
    _edit_decision(run, gates=edit(json.loads((run / "decision/decision.json").read_text())["gates"]))


def _say(gate, **fields):
    return lambda run: _edit_gates(run, lambda gates: [item | (fields if item["gate"] == gate else {}) for item in gates])


def _vouch(run, artifact):
    """Lets the decision hold the digest of a report as it is now."""
    file = f"{artifact}/gates.json"
    digest = {"evidence_digest": digest_file(run / file)}
    _edit_gates(run, lambda gates: [item | (digest if item["evidence_file"] == file else {}) for item in gates])


def _loosen(run):
    """Lets a decision hold looser bounds, with the hash of these, and all the files that name it."""
    policy = policy_to_json(read_policy({"regression": {"margin": 1.0}}))
    looser = {"policy": policy, "policy_hash": hash_policy(policy, {"options": {}})}
    _edit_decision(run, **looser)
    for artifact in REPORTS:
        report = run / artifact / "gates.json"
        _edit(report, evidence={**json.loads(report.read_text())["evidence"], "policy_hash": looser["policy_hash"]})
        _vouch(run, artifact)


def _evaluate_under(config):
    def edit(run):
        _edit(run / "evaluation/evaluation.json", eval_config=config)
        documents = json.loads((run / "decision/decision.json").read_text())["documents"]
        _edit_decision(run, documents=documents | {"evaluation.json": digest_file(run / "evaluation/evaluation.json")})

    return edit


def _report(artifact, gate, verdict, *, vouch=False):
    def edit(run):
        report = run / artifact / "gates.json"
        gates = json.loads(report.read_text())["gates"]
        _edit(report, gates=[item | ({"verdict": verdict} if item["gate"] == gate else {}) for item in gates])
        if vouch:
            _vouch(run, artifact)

    return edit


UNFOUNDED = {
    "looser bounds throughout": (_loosen, "under another policy than that of this run"),
    "looser bounds under the old hash": (
        lambda run: _edit_decision(run, policy=policy_to_json(read_policy({"parity": {"tolerance": 1.0}}))),
        "is not that of this run",
    ),
    "overrides that are not the run's": (
        lambda run: _edit_decision(run, overrides=[{"key": "regression.margin", "from": 0.01, "to": 0.005}]),
        "is not that of this run",
    ),
    "evaluated under other thresholds": (_evaluate_under({"options": {"x": 1}}), "under another configuration"),
    "evaluated under nothing": (_evaluate_under(None), "another configuration"),
    "a gate of another stage": (_say("parity", stage="train_model"), "as the source of the gate parity"),
    "a gate that the policy has on": (
        _say("parity", verdict="switched_off"),
        "gate parity is switched off, and the policy does not",
    ),
    "evidence that is switched off": (_say("evidence", verdict="switched_off"), "gate evidence is switched off"),
    "a gate that always applies": (_say("serving", verdict="not_applicable"), "gate serving does not apply, and it does"),
    "fairness without": (_say("fairness", verdict="not_applicable"), "'not_applicable' of the gate fairness"),
}
for _artifact, _gate in REPORTS.items():
    UNFOUNDED |= {
        f"another report in {_artifact}": (_report(_artifact, _gate, "failed"), f"gate {_gate} is not the one that was judged"),
        f"a no in {_artifact}": (
            _report(_artifact, _gate, "failed", vouch=True),
            f"'passed' of the gate {_gate}, and its report 'failed'",
        ),
        f"no report in {_artifact}": (
            lambda run, artifact=_artifact: (run / artifact / "gates.json").unlink(),
            f"report of the gate {_gate} cannot be read",
        ),
    }


@pytest.mark.parametrize("case", UNFOUNDED)
def test_decision_that_does_not_follow_from_policy_and_reports_is_a_no(make_artifacts, tmp_path, case):
    spoil, reason = UNFOUNDED[case]
    artifacts = make_artifacts()
    spoil(tmp_path / "run")
    result = push_model(**artifacts)
    assert not result.pushed
    assert reason in result.reason
    assert not (tmp_path / "serving").exists()


def test_regression_gate_applies_where_a_version_was_live(make_artifacts, tmp_path):
    first = push_model(**make_artifacts("one"))
    options = make_artifacts("run", weights="w2", baseline=("1", first.pushed_digest))
    _say("regression", verdict="not_applicable")(tmp_path / "run")
    assert "gate regression does not apply, and it does" in push_model(**options).reason


def test_approval_that_the_policy_requires_is_never_in_a_decision(make_artifacts, tmp_path):
    result = push_model(**make_artifacts(policy={"approval": {"required": True}}))
    assert "gate approval does not apply, and it does" in result.reason
    assert not (tmp_path / "serving").exists()


def test_gates_that_do_not_apply_or_are_off_by_the_policy_let_through(make_artifacts, tmp_path):
    options = make_artifacts(policy={"parity": {"off": "Not served yet."}, "calibration": {"off": "No probabilities."}})
    for gate, verdict in (("parity", "switched_off"), ("calibration", "switched_off"), ("business_rules", "not_applicable")):
        _say(gate, verdict=verdict)(tmp_path / "run")
    _report("serving_report", "business_rules", "not_applicable", vouch=True)(tmp_path / "run")
    assert push_model(**options).pushed
