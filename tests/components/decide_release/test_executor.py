import json
import shutil

import pytest

from components._shared.digest import digest_file
from components._shared.errors import UserError
from components._shared.gates import Verdict
from components._shared.policy_documents import hash_policy
from components._shared.required import DOCUMENTS as NAMED
from components.decide_release.executor import decide_release

LIVE_REPORTS = ("anomalies", "evaluation", "serving_report")
GATES = ("data", "performance", "fairness", "regression", "calibration", "serving", "parity", "robustness", "business_rules")
ARTIFACT = {
    "data": "anomalies",
    "performance": "evaluation",
    "fairness": "evaluation",
    "regression": "evaluation",
    "calibration": "evaluation",
    "serving": "serving_report",
    "parity": "serving_report",
    "robustness": "serving_report",
    "business_rules": "serving_report",
}


def decide(run):
    """Returns the decision, by gate: verdict and reason; and whether the files agree with it."""
    decision = decide_release(**run.arguments)
    on_disk = json.loads((run.root / "decision" / "decision.json").read_text())
    assert on_disk == json.loads(json.dumps(decision))
    assert (run.root / "decision" / "BLESSED").exists() is decision["approved"]
    assert (run.root / "decision" / "NOT_BLESSED").exists() is not decision["approved"]
    return decision, {gate["gate"]: (gate["verdict"], gate["reason"]) for gate in decision["gates"]}


def refused(run, gate, words):
    """Asserts that exactly this gate says no, with these words in its reason."""
    decision, gates = decide(run)
    assert not decision["approved"]
    assert [name for name, (verdict, _) in gates.items() if verdict == "failed"] == [gate]
    assert words in gates[gate][1]


def failures(run, words):
    """Returns the gates that say no with these words; the run is refused if there is one."""
    decision, gates = decide(run)
    failed = {name for name, (verdict, reason) in gates.items() if verdict == "failed" and words in reason}
    assert decision["approved"] is not bool(failed)
    return failed


def test_a_clean_run_is_approved(run):
    decision, gates = decide(run)

    assert decision["approved"]
    assert list(gates) == [*GATES, "evidence", "approval"]
    assert decision["model_digest"] == run.digest


def test_the_decision_carries_what_a_push_needs(run):
    decision, _ = decide(run)

    assert decision["baseline_version"] == "3"
    assert decision["baseline_pushed_digest"] == "sha256:p"
    assert decision["lineage"]["metrics"] == {"auc": 0.75}
    assert decision["lineage"]["spans"] == [1, 2]
    assert decision["lineage"]["seed"] == 17
    assert decision["policy"] == run.policy
    assert decision["policy_hash"] == run.policy_hash
    assert decision["overrides"] == []


def test_every_gate_names_its_evidence_with_digest_numbers_and_bounds(run):
    for gate in decide(run)[0]["gates"]:
        if gate["gate"] not in ARTIFACT:  # the decision's own: evidence and approval
            continue
        assert gate["evidence_file"] == f"{ARTIFACT[gate['gate']]}/gates.json"
        assert gate["evidence_digest"] == digest_file(run.root / gate["evidence_file"])
        (measurement,) = gate["measurements"]
        assert (measurement["value"], measurement["lower_bound"]) == (0.5, 0.1)


@pytest.mark.parametrize("gate", GATES)
def test_one_failed_gate_refuses(run, gate):
    run.change_gate(ARTIFACT[gate], gate, verdict="failed", reason="too bad")

    refused(run, gate, "too bad")


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_that_was_not_judged_refuses(run, gate):
    def drop(document):
        document["gates"] = [item for item in document["gates"] if item["gate"] != gate]

    run.change(f"{ARTIFACT[gate]}/gates.json", drop)

    refused(run, gate, "does not mention this gate")


@pytest.mark.parametrize("artifact", LIVE_REPORTS)
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is missing"),
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[]", "cannot be read"),
        (b'{"format": "sluice/gates/1"}', "cannot be read"),
        (b'{"format": "else/1", "stage": "x", "evidence": {}, "gates": []}', "cannot be read"),
    ],
)
def test_a_report_that_cannot_be_read_refuses(run, artifact, content, words):
    file = run.root / artifact / "gates.json"
    file.unlink() if content is None else file.write_bytes(content)

    decision, gates = decide(run)

    failed = {name for name, (verdict, reason) in gates.items() if verdict == "failed" and words in reason}
    assert failed == {gate for gate in GATES if ARTIFACT[gate] == artifact}
    assert not decision["approved"]


@pytest.mark.parametrize("artifact", LIVE_REPORTS)
def test_a_report_that_was_cut_short_refuses(run, artifact):
    file = run.root / artifact / "gates.json"
    file.write_bytes(file.read_bytes()[:-100])

    assert failures(run, "cannot be read") == {gate for gate in GATES if ARTIFACT[gate] == artifact}


@pytest.mark.parametrize("artifact", LIVE_REPORTS)
@pytest.mark.parametrize("other", LIVE_REPORTS)
def test_a_report_in_the_place_of_another_refuses(run, artifact, other):
    report = (run.root / other / "gates.json").read_bytes()
    (run.root / artifact / "gates.json").write_bytes(report)

    expected = {gate for gate in GATES if ARTIFACT[gate] == artifact} if artifact != other else set()
    assert failures(run, "was written by") == expected


@pytest.mark.parametrize("artifact", LIVE_REPORTS)
@pytest.mark.parametrize("change", ["model", "data", "policy", "overrides"])
def test_a_report_of_an_earlier_run_refuses(run, make_run, artifact, change):
    shutil.copyfile(make_run("earlier", change).root / artifact / "gates.json", run.root / artifact / "gates.json")

    expected = {gate for gate in GATES if ARTIFACT[gate] == artifact}
    knows_no_model = artifact == "anomalies" and change == "model"
    assert failures(run, "is about another") == (set() if knows_no_model else expected)


@pytest.mark.parametrize("artifact", LIVE_REPORTS)
def test_reports_made_without_the_overrides_of_this_run_refuse(run, artifact):
    run.tighten({"parity": {"tolerance": 1e-6}})
    assert decide(run)[0]["approved"]
    run.change(f"{artifact}/gates.json", lambda document: document["evidence"].update(policy_hash=run.compiled_hash))

    assert failures(run, "is about another policy") == {gate for gate in GATES if ARTIFACT[gate] == artifact}


def test_the_decision_names_what_a_run_tightened(run):
    run.tighten({"parity": {"tolerance": 1e-6}, "serving": {"max_p99_ms": {"64": 7}}})

    decision, _ = decide(run)

    assert decision["approved"]
    assert decision["overrides"] == [
        {"key": "parity.tolerance", "from": 1e-5, "to": 1e-6},
        {"key": "serving.max_p99_ms.64", "from": None, "to": 7},
    ]
    assert decision["policy"]["parity"]["tolerance"] == 1e-6
    evaluation = json.loads((run.root / "evaluation" / "evaluation.json").read_text())
    assert decision["policy_hash"] == hash_policy(decision["policy"], evaluation["eval_config"]) != run.compiled_hash
    page = (run.root / "report").read_text()
    assert "Bounds that this run tightened" in page
    assert "serving.max_p99_ms.64" in page
    assert "- tightened by this run: parity.tolerance from 1e-05 to 1e-06\n" in (run.root / "summary").read_text()


def test_a_gate_that_a_run_switches_on_needs_its_report(run):
    run.switch_off("fairness", "no protected group in this data")
    run.change_gate("evaluation", "fairness", verdict="failed", reason="too far apart")
    assert decide(run)[0]["approved"]
    run.tighten({"fairness": {"off": ""}})

    refused(run, "fairness", "too far apart")


def test_an_override_that_loosens_leaves_no_decision(run):
    assert decide(run)[0]["approved"]
    with pytest.raises(UserError, match=r"parity\.tolerance may only be lowered"):
        decide_release(**{**run.arguments, "overrides": {"parity": {"tolerance": 1.0}}})
    assert not (run.root / "decision" / "BLESSED").exists()


def test_an_evaluation_without_the_overrides_of_this_run_refuses(run):
    run.eval_config["metrics_specs"] = [metrics(0.62)]
    run.make_evaluation()
    run.tighten({"evaluation": {"AUC": {"lower_bound": 0.7}}})
    assert decide(run)[0]["approved"]
    run.change("evaluation/evaluation.json", lambda document: document["eval_config"].update(metrics_specs=[metrics(0.62)]))

    refused(run, "evidence", "not those that the policy's hash stands for")


def metrics(bound):
    return {"metrics": [{"class_name": "AUC", "threshold": {"value_threshold": {"lower_bound": bound}}}]}


def test_a_report_that_is_a_folder_refuses(run):
    (run.root / "anomalies" / "gates.json").unlink()
    (run.root / "anomalies" / "gates.json").mkdir()

    refused(run, "data", "cannot be read")


def test_a_report_of_another_stage_refuses(run):
    run.change("anomalies/gates.json", lambda document: document.update(stage="evaluate_model"))

    refused(run, "data", "written by 'evaluate_model'")


@pytest.mark.parametrize("artifact", LIVE_REPORTS)
@pytest.mark.parametrize("field", ["model_digest", "data_version", "policy_hash", "baseline_version"])
def test_evidence_of_another_run_refuses(run, artifact, field):
    run.change(f"{artifact}/gates.json", lambda document: document["evidence"].update({field: "sha256:other"}))

    decision, gates = decide(run)

    failed = {name for name, (verdict, reason) in gates.items() if verdict == "failed" and "another" in reason}
    assert failed == {gate for gate in GATES if ARTIFACT[gate] == artifact}
    assert not decision["approved"]


def test_a_model_changed_after_its_evaluation_refuses(run):
    (run.root / "model" / "Format-Serving" / "saved_model.pb").write_bytes(b"another model")

    decision, gates = decide(run)

    assert not decision["approved"]
    assert "training.json is about another model" in gates["evidence"][1]
    assert gates["performance"][0] == gates["parity"][0] == "failed"


def test_what_a_push_adds_does_not_change_the_digest(run):
    added = run.root / "model" / "Format-Serving" / "assets.extra" / "sluice" / "decision.json"
    added.parent.mkdir(parents=True)
    added.write_text("{}")

    assert decide(run)[0]["approved"]


@pytest.mark.parametrize("gate", GATES)
def test_an_unknown_verdict_refuses(run, gate):
    run.change_gate(ARTIFACT[gate], gate, verdict="probably")

    assert decide(run)[1][gate][0] == "failed"


def test_a_gate_reported_twice_refuses(run):
    run.change("anomalies/gates.json", lambda document: document["gates"].append(document["gates"][0]))

    refused(run, "data", "2 times")


@pytest.mark.parametrize("gate", GATES)
def test_switched_off_counts_only_when_the_policy_says_so(run, gate):
    run.change_gate(ARTIFACT[gate], gate, verdict="switched_off", reason="no time")

    refused(run, gate, "the policy does not switch it off")


def test_switching_one_gate_off_leaves_the_others_on(run):
    run.switch_off("fairness", "no protected group in this data")
    run.change_gate("evaluation", "regression", verdict="switched_off", reason="no time")

    refused(run, "regression", "does not switch it off")


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_that_the_policy_switches_off_needs_no_report(run, gate):
    run.switch_off(gate, "agreed with the data office")
    for name in [name for name in GATES if ARTIFACT[name] == ARTIFACT[gate]]:
        run.switch_off(name, "agreed with the data office")
    (run.root / ARTIFACT[gate] / "gates.json").unlink()

    decision, gates = decide(run)

    assert decision["approved"]
    assert gates[gate] == ("switched_off", f"agreed with the data office. The report of {stage_of(gate)} is missing.")


def stage_of(gate):
    return {"anomalies": "validate_examples", "evaluation": "evaluate_model", "serving_report": "validate_serving"}[
        ARTIFACT[gate]
    ]


@pytest.mark.parametrize("gate", ["data", "performance", "calibration", "serving", "parity", "robustness"])
def test_a_gate_that_always_applies_cannot_be_not_applicable(run, gate):
    run.change_gate(ARTIFACT[gate], gate, verdict="not_applicable", reason="nothing to do")

    refused(run, gate, "does not apply, and it does")


def test_regression_applies_while_a_version_is_live(run):
    run.change_gate("evaluation", "regression", verdict="not_applicable", reason="no live version")

    refused(run, "regression", "and it does")


def test_fairness_applies_while_a_feature_is_protected(run):
    run.change_gate("evaluation", "fairness", verdict="not_applicable", reason="none protected")

    refused(run, "fairness", "and it does")


def test_business_rules_apply_only_where_the_policy_has_some(run):
    run.change_gate("serving_report", "business_rules", verdict="not_applicable", reason="no rule", measurements=[])
    decision, gates = decide(run)
    assert decision["approved"]
    assert gates["business_rules"] == (Verdict.NOT_APPLICABLE, "no rule")

    run.policy["business_rules"]["rules"] = [{"name": "bound", "prediction": {"at_most": 1}}]
    run.switch_off("parity", "so that the reports are of the new policy")
    refused(run, "business_rules", "and it does")


def test_regression_does_not_apply_to_a_first_version(run):
    run.change("baseline/baseline.json", lambda document: document.update(version="", model_digest="", pushed_digest=""))
    run.change("evaluation/evaluation.json", lambda document: document.update(baseline_model_digest=""))
    for artifact in LIVE_REPORTS:
        run.change(f"{artifact}/gates.json", lambda document: document["evidence"].update(baseline_version=""))
    run.change_gate("evaluation", "regression", verdict="not_applicable", reason="no live version", measurements=[])

    decision, gates = decide(run)

    assert decision["approved"]
    assert gates["regression"] == (Verdict.NOT_APPLICABLE, "no live version")


MEASUREMENT = {"name": "auc", "slice": "origin=JFK", "value": 0.5, "lower_bound": 0.4, "upper_bound": 0.6}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"passed": False}, "auc (origin=JFK) failed"),
        ({"passed": True, "value": 0.3}, "outside its bounds"),
        ({"passed": True, "value": 0.7}, "outside its bounds"),
        ({"passed": True, "value": None}, "outside its bounds"),
        ({"passed": True, "value": 10**400}, "holds values"),
        ({"passed": "false"}, "holds values"),
        ({"passed": 0}, "holds values"),
        ({"passed": True, "value": "0.5"}, "holds values"),
    ],
)
def test_a_pass_that_its_numbers_contradict_refuses(run, wrong, words):
    run.change_gate("evaluation", "performance", measurements=[{"rows": 9, "note": "", **MEASUREMENT, **wrong}])

    refused(run, "performance", words)


def test_a_measurement_that_was_not_judged_does_not_refuse(run):
    run.change_gate("evaluation", "performance", measurements=[{**MEASUREMENT, "passed": True}, {**MEASUREMENT, "value": 0.1}])

    assert decide(run)[0]["approved"]


@pytest.mark.parametrize("measurements", [[], [MEASUREMENT]])
@pytest.mark.parametrize("gate", GATES)
def test_a_pass_without_anything_judged_refuses(run, gate, measurements):
    run.change_gate(ARTIFACT[gate], gate, measurements=measurements)

    refused(run, gate, "no measurement that was judged")


def test_another_policy_under_the_same_hash_refuses(run):
    arguments = run.arguments
    arguments["policy"] = {**run.policy, "fairness": {**run.policy["fairness"], "off": "I say so"}}

    decision = decide_release(**arguments)

    assert not decision["approved"]
    (reason,) = (gate["reason"] for gate in decision["gates"] if gate["gate"] == "evidence")
    assert "not those that the policy's hash stands for" in reason


def test_an_evaluation_under_another_configuration_refuses(run):
    run.change("evaluation/evaluation.json", lambda document: document.update(eval_config={}))

    refused(run, "evidence", "not those that the policy's hash stands for")


def test_another_model_under_the_number_of_the_live_version_refuses(run):
    run.change("baseline/baseline.json", lambda document: document.update(model_digest="sha256:other"))

    refused(run, "evidence", "compares with another model than the live version")


@pytest.mark.parametrize(
    ("file", "edit", "words"),
    [
        ("model/training.json", {"data_version": "sha256:old"}, "training.json is about another data"),
        ("model/training.json", {"model_digest": "sha256:old"}, "training.json is about another model"),
        ("evaluation/evaluation.json", {"data_version": "sha256:old"}, "evaluation.json is about another data"),
        ("evaluation/evaluation.json", {"model_digest": "sha256:old"}, "evaluation.json is about another model"),
        ("model/training.json", {"data_version": None}, "has no data_version"),
        ("baseline/baseline.json", {"pushed_digest": ""}, "without its digest"),
    ],
)
def test_documents_that_do_not_fit_together_refuse(run, file, edit, words):
    run.change(file, lambda document: document.update(edit))

    decision, gates = decide(run)

    assert not decision["approved"]
    assert words in gates["evidence"][1]


DOCUMENTS = ["model/training.json", "examples/manifest.json", "baseline/baseline.json", "evaluation/evaluation.json"]


def test_decision_holds_the_digests_of_the_documents_it_judged(run):
    decision, _ = decide(run)

    assert decision["documents"] == {file.split("/")[1]: digest_file(run.root / file) for file in DOCUMENTS}


@pytest.mark.parametrize("file", DOCUMENTS)
@pytest.mark.parametrize("content", [None, "", "[1]", "{", '{"a": NaN}'])
def test_a_document_that_cannot_be_read_refuses(run, file, content):
    (run.root / file).unlink() if content is None else (run.root / file).write_text(content)

    decision, gates = decide(run)

    assert not decision["approved"]
    assert gates["evidence"][0] == "failed"


def test_a_model_without_a_saved_model_refuses(run):
    (run.root / "model" / "Format-Serving" / "saved_model.pb").unlink()

    decision, gates = decide(run)

    assert not decision["approved"]
    assert "holds no SavedModel" in gates["evidence"][1]


@pytest.mark.parametrize("field", ["model_digest", "data_version", "policy_hash"])
def test_reports_that_agree_on_knowing_nothing_refuse(run, field):
    for artifact in LIVE_REPORTS:
        run.change(f"{artifact}/gates.json", lambda document: document["evidence"].update({field: ""}))
    if field == "model_digest":
        (run.root / "model" / "Format-Serving" / "saved_model.pb").unlink()
    elif field == "data_version":
        run.change("examples/manifest.json", lambda document: document.update(data_version=""))
        run.change("model/training.json", lambda document: document.update(data_version=""))

    arguments = {**run.arguments, **({"policy_hash": ""} if field == "policy_hash" else {})}

    assert not decide_release(**arguments)["approved"]


def test_an_old_blessing_is_removed_first(run):
    assert decide(run)[0]["approved"]
    run.policy["surprise"] = {}

    with pytest.raises(Exception, match="known gates"):
        decide_release(**run.arguments)
    assert not (run.root / "decision" / "BLESSED").exists()


def test_the_page_escapes_what_reports_say(run):
    run.change_gate("anomalies", "data", verdict="failed", reason="<script>alert(1)</script>")

    decide_release(**run.arguments)

    page = (run.root / "report").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "http" not in page


def test_the_summary_keeps_its_table_whatever_reports_say(run):
    run.change_gate("anomalies", "data", verdict="failed", reason="a | b\n| c <img> *d* `e`")

    decide_release(**run.arguments)

    summary = (run.root / "summary").read_text()
    assert r"| data | ❌ failed | a \| b \| c \<img\> \*d\* \`e\` |" in summary.splitlines()


def test_the_reason_names_every_gate_that_failed(run):
    run.change_gate("anomalies", "data", verdict="failed", reason="A column is gone.")
    run.change_gate("serving_report", "parity", verdict="failed", reason="They differ.")

    assert decide(run)[0]["reason"] == "The gate data says no. A column is gone. Also failed: parity."


def test_the_page_shows_what_the_stages_show(run):
    (run.root / "evaluation" / "details.html").write_text("<h2>Slices by auc</h2>")
    run.renew_digests()

    decide(run)

    assert "<h2>Slices by auc</h2>" in (run.root / "report").read_text()


def test_details_that_cannot_be_read_change_nothing_in_the_decision(run):
    (run.root / "evaluation" / "details.html").write_bytes(b"\xff\xfe")
    run.renew_digests()

    assert decide(run)[0]["approved"]
    assert "The candidate on the test split" in (run.root / "report").read_text()


CHANGED_LATER = {
    "examples/manifest.json": GATES,
    "model/training.json": GATES[1:],
    "evaluation/evaluation.json": GATES[1:5],
    "evaluation/predictions.parquet": GATES[1:5],
    "evaluation/details.html": GATES[1:5],
    "serving_report/details.html": GATES[5:],
}


@pytest.mark.parametrize(("file", "gates"), CHANGED_LATER.items())
def test_a_document_that_changed_after_it_was_judged_refuses(run, file, gates):
    with (run.root / file).open("a") as document:
        document.write(" ")  # what was JSON still is, and says the same

    assert failures(run, f"is about another {file.partition('/')[2]}: sha256:") == set(gates)


@pytest.mark.parametrize("artifact", NAMED)
def test_a_report_that_names_no_digest_of_a_document_refuses(run, artifact):
    name = NAMED[artifact][-1]
    run.change(f"{artifact}/gates.json", lambda report: report["documents"].pop(name))

    gates = {gate for gate, place in ARTIFACT.items() if place == artifact}
    assert failures(run, f"is about another {name}: none instead of sha256:") == gates


def test_a_document_that_is_missing_refuses(run):
    (run.root / "serving_report" / "details.html").unlink()

    assert failures(run, "is about another details.html: sha256:") == set(GATES[5:])


@pytest.mark.parametrize("split", ["train", "eval", "test"])
def test_rows_exchanged_after_they_were_ingested_refuse(run, split):
    (run.root / "examples" / f"Split-{split}" / "part-00000.parquet").write_bytes(b"other rows")

    refused(run, "evidence", f"The rows of the split '{split}' are not those that were ingested")


@pytest.mark.parametrize("change", ["remove", "add", "unlist"])
def test_files_that_the_manifest_does_not_know_refuse(run, change):
    shard = run.root / "examples" / "Split-test" / "part-00000.parquet"
    if change == "remove":
        shard.unlink()
    if change == "add":
        shard.with_name("part-00001.parquet").write_bytes(b"more rows")
    if change == "unlist":
        run.change("examples/manifest.json", lambda document: document["splits"].pop("test"))

    assert not decide(run)[0]["approved"]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format": NaN}'])
def test_a_report_that_is_no_plain_json_refuses(run, text):
    (run.root / "evaluation" / "gates.json").write_text(text)

    assert not decide(run)[0]["approved"]
