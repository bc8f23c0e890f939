import _thread
import io

import pytest
from rich.console import Console

from components._shared.errors import UserError
from pipelines.config import load_project
from pipelines.kubeflow import Connection, connected
from pipelines.stage_policies import STAGE_POLICIES
from pipelines.submit import compiled, submit_run, wait_for_run
from pipelines.upload import package_of, upload_pipeline

DIGEST = "registry.example/sluice@sha256:" + "0" * 64
BEGIN, END, NEVER = "2026-01-01T00:00:00Z", "2026-01-01T00:00:09Z", "1970-01-01T00:00:00Z"


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200, emoji=False)


@pytest.fixture(scope="module")
def pipeline(cluster_project_dir):
    with compiled(load_project(cluster_project_dir), DIGEST, ["epochs=2"], Console(file=io.StringIO())) as (file, arguments):
        yield file, arguments


@pytest.fixture
def kubeflow(kfp_api):
    with connected(Connection(host=kfp_api.url)) as kubeflow:
        yield kubeflow


def task(stage, state, end=END):
    return {"display_name": stage.replace("_", "-"), "state": state, "start_time": BEGIN, "end_time": end}


@pytest.fixture
def follow(kfp_api, kubeflow, small_pipeline, console):
    """Submits a run that shows the given states one after the other, and follows it; returns the exit code and the text."""

    def follow(*steps):
        remaining = list(steps)

        def go_on(run):
            run["state"], run["run_details"] = remaining[0][0], {"task_details": remaining[0][1]}
            del remaining[: len(remaining) > 1]

        kfp_api.on_get_run = go_on
        run_id = submit_run(kubeflow, {"pipeline_package_path": str(small_pipeline)}, {}, experiment="parcels", name="first")
        code = wait_for_run(kubeflow, run_id, console, poll_seconds=0.01)
        return code, console.file.getvalue()

    return follow


def test_a_run_gets_the_pipeline_with_its_platform_and_the_parameters(kfp_api, kubeflow, pipeline):
    file, arguments = pipeline
    run_id = submit_run(kubeflow, {"pipeline_package_path": str(file)}, arguments, experiment="parcels", name="first")
    run = kfp_api.runs[run_id]
    assert run["runtime_config"]["parameters"] == {"epochs": 2}
    assert set(run["pipeline_spec"]) == {"pipeline_spec", "platform_spec"}
    assert kfp_api.experiments[run["experiment_id"]]["display_name"] == "parcels"


def cached_stages(run):
    tasks = run["pipeline_spec"]["pipeline_spec"]["root"]["dag"]["tasks"]
    return {name.replace("-", "_") for name, item in tasks.items() if item["cachingOptions"].get("enableCache")}


def test_what_is_never_cached_stays_so_when_a_run_uses_the_cache(kfp_api, kubeflow, pipeline):
    package = {"pipeline_package_path": str(pipeline[0])}
    with_cache = submit_run(kubeflow, package, {}, experiment="parcels", name="x")
    without = submit_run(kubeflow, package, {}, experiment="parcels", name="x", use_cache=False)
    assert cached_stages(kfp_api.runs[with_cache]) == {stage for stage, policy in STAGE_POLICIES.items() if policy.cached}
    assert cached_stages(kfp_api.runs[without]) == set()


@pytest.mark.parametrize(
    ("image", "settings", "problem"),
    [
        ("two words", [], "An image is"),
        ("sha256:" + "0" * 64, [], "pulls the image from a registry"),
        ("x", ["epoch=1"], "A setting is"),
        ("x", ['overrides={"data": {"min_rows": {"train": 1}}}'], "tight"),
    ],
)
def test_nothing_is_sent_when_a_setting_is_wrong(module_project_dir, console, image, settings, problem):
    with pytest.raises(UserError, match=problem), compiled(load_project(module_project_dir), image, settings, console):
        pytest.fail("it was compiled")


def test_an_image_without_a_digest_is_warned_about(module_project_dir, console):
    with compiled(load_project(module_project_dir), "sluice:latest", [], console):
        assert "Warning: sluice:latest has no digest" in console.file.getvalue()
    with compiled(load_project(module_project_dir), DIGEST, [], console):
        assert console.file.getvalue().count("Warning") == 1


def test_a_run_is_followed_to_its_end(follow):
    code, text = follow(
        ("PENDING", []),
        ("RUNNING", [task("root_driver", "SUCCEEDED"), task("resolve_inputs", "RUNNING", NEVER)]),
        ("SUCCEEDED", [task("resolve_inputs", "SUCCEEDED")]),
    )
    assert code == 0
    assert "root_driver" not in text
    lines = text.splitlines()
    assert lines[0].split() == ["resolve_inputs", "running"]
    assert lines[1].split() == ["resolve_inputs", "succeeded", "9", "s"]
    assert lines[-1] == "first: succeeded"


@pytest.mark.parametrize(("state", "code"), [("FAILED", 1), ("CANCELED", 4), ("SKIPPED", 1)])
def test_a_run_that_did_not_succeed_is_told_by_the_exit_code(follow, state, code):
    failed = task("ingest_examples", "FAILED") | {"error": {"message": "the pod [bold]was[/] evicted"}}
    assert follow((state, [failed]))[0] == code
    assert "the pod [bold]was[/] evicted" in follow((state, [failed]))[1]


@pytest.mark.usefixtures("usual_signals")
def test_ctrl_c_ends_the_waiting_and_not_the_run(kfp_api, kubeflow, small_pipeline, console):
    run_id = submit_run(kubeflow, {"pipeline_package_path": str(small_pipeline)}, {}, experiment="parcels", name="first")
    kfp_api.on_get_run = lambda run: _thread.interrupt_main()
    assert wait_for_run(kubeflow, run_id, console, poll_seconds=0.01) == 130
    assert f"The run goes on: `sluice status {run_id}`" in console.file.getvalue()


def test_a_terminal_shows_a_live_table(kfp_api, kubeflow, small_pipeline):
    run_id = submit_run(kubeflow, {"pipeline_package_path": str(small_pipeline)}, {}, experiment="parcels", name="first")
    kfp_api.on_get_run = lambda run: run.update(state="SUCCEEDED")
    terminal = Console(file=io.StringIO(), width=200, force_terminal=True)
    assert wait_for_run(kubeflow, run_id, terminal, poll_seconds=0.01) == 0
    assert "push_model" in terminal.file.getvalue()


def test_a_server_that_restarts_is_asked_again(follow, kfp_api):
    answers = iter([503, 502, None, None])
    kfp_api.interrupt = lambda method, path: next(answers) if "/runs/" in path else None
    assert follow(("SUCCEEDED", []))[0] == 0


def test_a_token_that_ends_before_the_run_is_told(follow, kfp_api):
    kfp_api.interrupt = lambda method, path: 401 if "/runs/" in path else None
    with pytest.raises(UserError, match=r"The run goes on\. Renew the token, then `sluice status run-\d+`"):
        follow(("SUCCEEDED", []))


def test_the_same_pipeline_is_uploaded_once(kfp_api, kubeflow, small_pipeline, capsys):
    first, second = (upload_pipeline(kubeflow, small_pipeline, "parcels-training") for _ in range(2))
    assert first == second
    assert len(kfp_api.pipelines) == 1
    assert kfp_api.versions[first[1]]["pipeline_spec"]["pipelineInfo"] == {"name": "small"}
    assert capsys.readouterr().out == ""


def test_another_pipeline_is_another_version(kubeflow, small_pipeline, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(small_pipeline.read_text().replace("image: none", "image: other"))
    first, second = (upload_pipeline(kubeflow, file, "parcels-training") for file in (small_pipeline, other))
    assert first[0] == second[0]
    assert first[1] != second[1]


def test_an_uploaded_version_can_be_run(kfp_api, kubeflow, small_pipeline):
    package = package_of(kubeflow, small_pipeline, upload=True, name="parcels-training")
    run_id = submit_run(kubeflow, package, {"epochs": 2}, experiment="parcels", name="x")
    assert kfp_api.runs[run_id]["pipeline_version_reference"]["pipeline_version_id"] == package["version_id"]


def test_an_uploaded_version_keeps_its_caching(kubeflow, pipeline):
    with pytest.raises(UserError, match="--upload --no-cache"):
        package_of(kubeflow, pipeline[0], upload=True, name="parcels-training", use_cache=False)


@pytest.mark.parametrize("parameters", [{"epoch": 2}, {"epochs": "two"}, {"epochs": True}])
def test_what_the_backend_refuses_is_one_message(kfp_api, small_pipeline, parameters):
    def submit():
        with connected(Connection(host=kfp_api.url)) as kubeflow:
            submit_run(kubeflow, {"pipeline_package_path": str(small_pipeline)}, parameters, experiment="parcels", name="x")

    with pytest.raises(UserError, match=rf"Kubeflow takes what it is sent\. .* 400: parameter {next(iter(parameters))} is"):
        submit()
    assert not kfp_api.runs
