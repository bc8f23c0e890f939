import json
import re

import pytest
from rich.console import Console

from components._shared.gates import Evidence, GateReport, GateResult, Verdict
from pipelines.config import load_project
from pipelines.outcome import read_outcome
from pipelines.run_folder import Run, write_run
from pipelines.stage_run import StageRun
from pipelines.summary import print_summary

GATE = {"stage": "evaluate_model", "gate": "performance", "verdict": "failed", "reason": "AUC is <low>."}


@pytest.fixture
def make_run(tmp_path):
    """A run whose last stages have written what the real ones write."""

    def make(*, approved, version, exit_code=0, pushed=(), **decided):
        stages = [
            StageRun(
                stage=name, folder=tmp_path / "artifacts" / name, log=tmp_path / "logs" / f"{name}.log", argv=[], exit_code=0
            )
            for name in ("validate_examples", "evaluate_model", "decide_release", "push_model")
        ]
        report = GateReport(
            stage="validate_examples",
            evidence=Evidence(model_digest="", data_version="", policy_hash="", baseline_version=""),
            gates=(GateResult(gate="data", verdict=Verdict.PASSED, reason="Fine."),),
        )
        report.write(stages[0].folder / "anomalies")
        stages[1].metadata = {"metrics": {"auc": 0.71234, "note": "text"}}
        decision = {"approved": approved, "reason": "Because.", "gates": [GATE], **decided}
        result = {"reason": "Pushed it.", **dict(pushed)}
        for stage, artifact, document in ((stages[2], "decision", decision), (stages[3], "pushed", result)):
            (stage.folder / artifact).mkdir(parents=True)
            (stage.folder / artifact / f"{artifact}.json").write_text(json.dumps(document))
        stages[3].parameters, stages[3].exit_code = {"pushed_version": version}, exit_code
        run = Run(folder=tmp_path, project="parcels", stages=stages, state="succeeded", stage_count=4)
        run.parameters = {"serving_dir": "/srv/parcels", "spans": "1-2", "pattern": "data/{SPAN}.csv"}
        return run

    return make


def printed(run, project_dir, capsys):
    print_summary(run, load_project(project_dir), Console(width=200))
    return capsys.readouterr().out


def test_outcome_of_a_release(make_run):
    outcome = read_outcome(make_run(approved=True, version="2").stages)
    assert (outcome.approved, outcome.pushed_version, outcome.reason) == (True, "2", "Pushed it.")
    assert outcome.metrics == {"auc": 0.71234}
    assert outcome.gates == (GATE,)


def test_without_a_decision_the_gates_are_those_reported(make_run):
    outcome = read_outcome(make_run(approved=True, version="2").stages[:2])
    assert outcome.approved is None
    assert [(gate["gate"], gate["verdict"]) for gate in outcome.gates] == [("data", "passed")]


def test_a_failed_push_pushed_nothing(make_run):
    assert read_outcome(make_run(approved=True, version="2", exit_code=3).stages).pushed_version == ""


@pytest.mark.parametrize("text", ["", "[]", "{", '{"gates": null}'])
def test_an_unreadable_decision_approves_nothing(make_run, text):
    run = make_run(approved=True, version="")
    (run.stages[2].folder / "decision" / "decision.json").write_text(text)
    assert read_outcome(run.stages).approved is None


def test_summary_of_a_release_says_where_it_is_and_what_next(make_run, project_dir, capsys):
    (project_dir / "data").mkdir()
    (project_dir / "data" / "3.csv").write_text("a")
    text = printed(make_run(approved=True, version="2"), project_dir, capsys)
    assert "Version 2 is pushed  /srv/parcels/2" in text
    assert "--spans 1-3  # with one more span" in text
    assert "\n\ngate " in text
    assert re.search(r"^auc +0\.7123$", text, re.MULTILINE)


def test_metrics_of_the_live_version_stand_beside_the_candidates(make_run, project_dir, capsys):
    run = make_run(approved=True, version="2")
    run.stages[1].metadata["metrics"]["baseline_auc"] = 0.65
    outcome = read_outcome(run.stages)
    assert (outcome.metrics, outcome.live_metrics) == ({"auc": 0.71234}, {"auc": 0.65})
    assert re.search(r"^auc +0\.7123 +0\.6500$", printed(run, project_dir, capsys), re.MULTILINE)
    write_run(run)
    page = (run.folder / "index.html").read_text()
    assert "baseline_auc" not in page
    assert re.search(r">auc<.*>0\.7123<.*>0\.65<", page)


@pytest.mark.parametrize("elsewhere", [True, False])
def test_commands_shown_name_another_serving_directory(make_run, project_dir, capsys, elsewhere):
    run = make_run(approved=True, version="2")
    if not elsewhere:
        run.parameters["serving_dir"] = str(load_project(project_dir).serving_dir)
    assert ("--serving-dir /srv/parcels" in printed(run, project_dir, capsys)) == elsewhere


def test_commands_shown_keep_what_the_run_was_asked_for(make_run, project_dir, capsys):
    run = make_run(approved=None, version="")
    run.state, run.error, run.isolation, run.settings = "failed", "Broken.", "fork", ("spans=1-2", "strict=true")
    text = printed(run, project_dir, capsys)
    assert f" --isolation fork --runs-dir {run.folder.parent} --set strict=true --spans 1-2  # all of it again" in text
    assert "sluice compile" not in text


def test_commands_shown_keep_engine_and_image(make_run, project_dir, capsys):
    run = make_run(approved=None, version="")
    run.state, run.isolation, run.engine, run.image = "failed", "containers", "podman", "sluice:dev"
    assert " --containers --engine podman --image sluice:dev --runs-dir" in printed(run, project_dir, capsys)


def test_summary_opens_no_page_where_there_is_no_desktop(make_run, project_dir, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(project_dir))
    text = printed(make_run(approved=True, version="2"), project_dir, capsys)
    assert "xdg-open" not in text
    assert "index.html" in text


def test_summary_suggests_no_span_that_is_not_there(make_run, project_dir, capsys):
    assert "one more span" not in printed(make_run(approved=True, version="2"), project_dir, capsys)


def test_summary_of_a_no_says_why(make_run, project_dir, capsys):
    text = printed(make_run(approved=False, version=""), project_dir, capsys)
    assert "Nothing was released. Pushed it." in text
    assert "AUC is <low>." in text


@pytest.fixture
def waiting(make_run):
    """A run whose model waits for approval, and which found that another one had waited too long."""
    expired = {"kind": "approval_expired", "model_digest": "sha256:0011", "version": "", "reason": "Nobody <b>."}
    pushed = {"reason": "It waits.", "deadline": "2026-03-09T12:00:00+00:00", "settled": [expired]}
    return make_run(approved=False, version="", status="pending", model_digest="sha256:abc123", pushed=pushed)


def test_outcome_of_a_run_that_waits(waiting):
    outcome = read_outcome(waiting.stages)
    assert (outcome.status, outcome.waits_until, outcome.reason) == ("pending", "2026-03-09T12:00:00+00:00", "It waits.")
    assert outcome.settled == ("Candidate 0011 was not approved in time. Nobody <b>.",)


def test_summary_of_a_run_that_waits_says_what_to_type(waiting, project_dir, capsys):
    text = printed(waiting, project_dir, capsys)
    assert "Not released yet. It waits." in text
    assert "Waited before. Candidate 0011 was not approved in time. Nobody <b>." in text
    assert f"approve {project_dir}@abc123 --serving-dir /srv/parcels --by NAME --reason" in text
    assert f"push {project_dir} --serving-dir /srv/parcels" in text
    assert "Nothing was released" not in text


def test_index_of_a_run_that_waits_says_so_first(waiting):
    write_run(waiting)
    page, record = (waiting.folder / "index.html").read_text(), json.loads((waiting.folder / "run.json").read_text())
    assert "Not released yet: the model waits for a person&#39;s approval" in page
    assert "Nobody &lt;b&gt;." in page
    assert (record["status"], record["waits_until"]) == ("pending", "2026-03-09T12:00:00+00:00")


def test_what_had_waited_is_told_even_if_the_run_is_refused(make_run):
    pushed = {"kind": "pushed", "model_digest": "sha256:0011", "version": "2", "reason": "Ada approved it."}
    run = make_run(approved=True, version="", exit_code=3, pushed={"settled": [pushed]})
    assert read_outcome(run.stages).settled == ("Candidate 0011 is version 2. Ada approved it.",)


@pytest.mark.parametrize("settled", [[1], [{"kind": "pushed"}], "text"])
def test_what_another_program_says_of_waiting_is_left_out(make_run, settled):
    assert read_outcome(make_run(approved=True, version="2", pushed={"settled": settled}).stages).settled == ()


@pytest.mark.parametrize(
    ("version", "state", "headline"),
    [
        ("2", "succeeded", "Version 2 was pushed"),
        ("", "succeeded", "Nothing was released"),
        ("", "running", "This run is not over"),
        ("", "stopped", "The run was stopped"),
    ],
)
def test_index_opens_with_what_happened(make_run, version, state, headline):
    run = make_run(approved=bool(version), version=version)
    run.state = state
    for stage in run.stages:
        stage.log = run.folder / "logs" / f"{stage.stage}.log"
    write_run(run)
    page = (run.folder / "index.html").read_text()
    assert headline in page
    assert "AUC is &lt;low&gt;." in page
    assert "<script" not in page
