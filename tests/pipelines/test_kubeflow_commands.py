import json

import pytest
import yaml
from typer.testing import CliRunner

from pipelines.__main__ import app

DIGEST = "registry.example/sluice@sha256:" + "0" * 64

VERTEX = ["--backend", "vertex", "--project-id", "p", "--region", "r", "--staging-bucket", "gs://b"]


@pytest.fixture
def sluice(kfp_api, module_project_dir, monkeypatch):
    """Returns a function that runs `sluice COMMAND PROJECT …` against the tests' server."""
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", kfp_api.url)
    monkeypatch.setenv("COLUMNS", "200")

    def sluice(command, *arguments):
        project = [] if command == "status" else [str(module_project_dir)]
        image = ["--image", DIGEST] if command in ("submit", "schedule") and "--image" not in arguments else []
        return CliRunner().invoke(app, [command, *project, *image, *arguments])

    return sluice


@pytest.mark.parametrize("option", ["--param", "--set"])
def test_submit_prints_the_runs_id_and_its_page(sluice, kfp_api, option):
    done = sluice("submit", option, "epochs=2", "--name", "first", "--experiment", "trial")
    assert done.exit_code == 0, done.output
    (run_id,) = kfp_api.runs
    assert done.stdout.splitlines() == [run_id, f"{kfp_api.url}/#/runs/details/{run_id}"]
    assert done.stderr == "Submitted 'first' to 'trial'.\n"
    assert kfp_api.runs[run_id]["runtime_config"]["parameters"] == {"epochs": 2}


def test_submit_tightens_bounds_as_a_run_on_a_laptop_does(sluice, kfp_api):
    assert sluice("submit", "--tighten", "data.min_rows.train=200").exit_code == 0
    assert "tighten" in (refused := sluice("submit", "--tighten", "data.min_rows.train=1")).stderr
    assert refused.exit_code == 2
    (run,) = kfp_api.runs.values()
    assert run["runtime_config"]["parameters"] == {"overrides": {"data": {"min_rows": {"train": 200}}}}


@pytest.mark.parametrize(("state", "code"), [("SUCCEEDED", 0), ("FAILED", 1)])
def test_submit_waits_for_the_outcome(sluice, kfp_api, state, code):
    kfp_api.on_get_run = lambda run: run.update(state=state)
    assert sluice("submit", "--wait").exit_code == code


def test_submit_warns_of_an_image_without_a_digest(sluice):
    assert "Warning: sluice:latest has no digest" in sluice("submit", "--image", "sluice:latest").stderr


def test_submit_uploads_on_request(sluice, kfp_api):
    assert [sluice("submit", "--upload").exit_code for _ in range(2)] == [0, 0]
    assert [item["display_name"] for item in kfp_api.pipelines.values()] == ["parcels-training"]


def test_schedule_replaces_and_removes(sluice, kfp_api):
    assert sluice("schedule", "--cron", "0 0 6 * * *").stdout.startswith("Made the schedule 'parcels-training'")
    assert sluice("schedule", "--interval", "1d", "--end", "2027-01-01").stdout.startswith("Replaced the schedule")
    assert len(kfp_api.recurring_runs) == 1
    assert sluice("schedule", "--remove").stdout == "Removed 'parcels-training'.\n"
    assert sluice("schedule", "--remove").stdout == "There is no schedule 'parcels-training'.\n"


def test_status_lists_the_latest_runs(sluice, kfp_api):
    assert "No runs yet." in sluice("status").stdout
    for name in ("first", "second"):
        sluice("submit", "--name", name)
    lines = sluice("status").stdout.splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["second", "first"]
    assert all(" UTC " in line for line in lines[1:])
    assert [run["name"] for run in json.loads(sluice("status", "--json", "--experiment", "parcels").stdout)] == [
        "second",
        "first",
    ]


def test_status_shows_the_stages_of_a_run(sluice, kfp_api):
    sluice("submit", "--name", "first")
    (run,) = kfp_api.runs.values()
    done = {"state": "SUCCEEDED", "start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-01T00:00:09Z"}
    failed = {"display_name": "ingest-examples", "state": "FAILED", "error": {"message": "exit code 2"}}
    run["run_details"]["task_details"] = [{"display_name": "resolve-inputs", **done}, failed]
    lines = [line.split() for line in sluice("status", run["run_id"]).stdout.splitlines()]
    assert ["resolve_inputs", "9", "succeeded"] in lines
    assert ["ingest_examples", "failed", "exit", "code", "2"] in lines
    assert ["push_model", "pending"] in lines
    shown = json.loads(sluice("status", run["run_id"], "--json").stdout)
    assert shown["stages"][0] == {"stage": "resolve_inputs", "state": "SUCCEEDED", "seconds": 9.0, "message": ""}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--backend", "airflow"], "The backend is `kubeflow` or `vertex`"),
        (["--backend", "vertex", "--wait"], "followed in its own console"),
        (["--backend", "vertex", "--region", "r"], "no --project-id, --staging-bucket"),
        (["--backend", "vertex", "--project-id", "p", "--region", "r", "--staging-bucket", "b"], "is a gs:// URL"),
        ([*VERTEX, "--network", "default"], "A network has its full name"),
        (["--namespace", "team-a"], "has no namespaces"),
    ],
)
def test_what_cannot_be_submitted_is_one_message(sluice, kfp_api, arguments, problem):
    done = sluice("submit", *arguments)
    assert done.exit_code == 2
    assert problem in done.stderr
    assert not kfp_api.runs


def test_without_its_extra_vertex_says_what_to_install(sluice):
    try:
        from google.cloud import aiplatform  # noqa: F401
    except ImportError:
        assert "pip install 'sluice[vertex]'" in sluice("submit", *VERTEX).stderr
    else:
        pytest.skip("the extra is installed")


def test_compile_writes_manifests_on_request(sluice, tmp_path):
    output = tmp_path / "manifests.yaml"
    assert sluice("compile", "--kubernetes", "--namespace", "team-a", "-o", str(output)).exit_code == 0
    assert [item["kind"] for item in yaml.safe_load_all(output.read_text())] == ["Pipeline", "PipelineVersion"]
