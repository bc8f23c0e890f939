"""Runs whose training was killed: a stage stands in that leaves a checkpoint, kills itself, and goes on when it finds it."""

import json

import pytest
from kfp import compiler, dsl
from rich.console import Console

import pipelines.compiler
from pipelines.config import load_project
from pipelines.progress import state_of
from pipelines.resume import find_run
from pipelines.run import run_project
from pipelines.summary import print_summary

TRAIN = """
import json, os, pathlib, signal, sys
checkpoint = pathlib.Path(sys.argv[1]) / "key" / "checkpoint"
if not checkpoint.exists():
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text("")
    os.kill(os.getpid(), signal.SIGKILL)
document = json.loads(sys.argv[2])["outputs"]
document["artifacts"]["metrics"]["artifacts"][0]["metadata"] = {"resumed_at_epoch": 3}
pathlib.Path(document.pop("outputFile")).write_text(json.dumps(document))
"""


@dsl.container_component
def train_model(checkpoint_dir: str, metrics: dsl.Output[dsl.Metrics]):
    args = [checkpoint_dir, dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER]
    return dsl.ContainerSpec(image="none", command=["python", "-m", "fake_stages.train_model"], args=args)


@dsl.pipeline(name="parcels-training")
def small_pipeline(project_dir: str, serving_dir: str, checkpoint_dir: str = "/volume/checkpoints"):
    train_model(checkpoint_dir=checkpoint_dir)


@pytest.fixture
def run(make_stage, project_dir, tmp_path, monkeypatch):
    def compile_small(project, output, image):
        compiler.Compiler().compile(small_pipeline, str(output))

    monkeypatch.setattr(pipelines.compiler, "compile_training_pipeline", compile_small)
    make_stage("train_model", TRAIN)

    def run(**options):
        options = {"runs_dir": tmp_path / "runs", "standby": False, "console": Console(quiet=True)} | options
        return run_project(load_project(project_dir), **options)

    return run


def record_of(done):
    return json.loads((done.folder / "run.json").read_text())


def resumed(run, done):
    return run(resume=find_run(str(done.folder), ""))


def test_a_killed_training_goes_on_in_the_resumed_run_which_says_so(run, project_dir, capsys):
    done = run()
    assert (done.state, "killed by SIGKILL" in done.error) == ("failed", True)
    assert [path.name for path in (done.folder / "checkpoints").iterdir()] == ["key"]
    again = resumed(run, done)
    assert again.state == "succeeded"
    assert record_of(again)["stages"][0]["resumed_at_epoch"] == 3
    assert state_of(again.stages[0]).plain == "done, resumed at epoch 3"
    assert "resumed at epoch 3" in (again.folder / "index.html").read_text()
    print_summary(again, load_project(project_dir), Console(width=200))
    assert "done, resumed at epoch 3" in capsys.readouterr().out
    assert not (done.folder / "checkpoints").exists()


def test_a_new_run_begins_its_training_anew(run):
    assert [run().state, run().state] == ["failed", "failed"]


def test_where_checkpoints_lie_is_no_part_of_what_a_result_rests_on(run):
    done = resumed(run, run())
    another = run()
    assert (another.state, another.stages[0].reused_from) == ("succeeded", done.folder.name)
    assert record_of(another)["parameters"]["checkpoint_dir"] == str(another.folder / "checkpoints")
    assert record_of(another)["stages"][0]["resumed_at_epoch"] == 0


def test_another_folder_may_be_set_and_is_left_alone(run, tmp_path):
    settings = [f"checkpoint_dir={tmp_path / 'volume'}"]
    assert [run(settings=settings).state, run(settings=settings).state] == ["failed", "succeeded"]
    assert (tmp_path / "volume" / "key" / "checkpoint").exists()


def test_a_resumed_run_keeps_its_first_start_and_records_each_resume(run):
    done = run()
    first = record_of(done)
    assert first["resumed_at"] == []
    records = [record_of(resumed(run, done)) for _ in range(2)]
    assert {record["started_at"] for record in records} == {first["started_at"]}
    assert [len(record["resumed_at"]) for record in records] == [1, 2]
    assert records[1]["resumed_at"][0] == records[0]["resumed_at"][0] >= first["started_at"]
