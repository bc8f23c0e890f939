import json
import re
import signal
import time

import pytest
from kfp import compiler, dsl
from rich.console import Console

import pipelines.compiler
from components._shared.errors import UserError
from pipelines import bench
from pipelines.config import load_project
from pipelines.run import choose_isolation, run_project
from pipelines.run_folder import create_run_folder
from pipelines.summary import print_summary

PAGE = """
import pathlib, sys
project_dir, serving_dir, spans, page, note = sys.argv[1:]
pathlib.Path(page).write_text("<p>" + spans)
pathlib.Path(note).write_text("# " + serving_dir)
"""


@dsl.container_component
def show_page(project_dir: str, serving_dir: str, spans: str, report: dsl.Output[dsl.HTML], summary: dsl.Output[dsl.Markdown]):
    args = [project_dir, serving_dir, spans, report.path, summary.path]
    return dsl.ContainerSpec(image="none", command=["python", "-m", "fake_stages.show_page"], args=args)


@dsl.container_component
def end_run(page: dsl.Input[dsl.HTML]):
    return dsl.ContainerSpec(image="none", command=["python", "-m", "fake_stages.end_run"], args=[page.path])


@dsl.pipeline(name="parcels-training")
def small_pipeline(project_dir: str, serving_dir: str, spans: str = "1-9", strict: bool = False):
    page = show_page(project_dir=project_dir, serving_dir=serving_dir, spans=spans)
    end_run(page=page.outputs["report"])


@pytest.fixture
def run(make_stage, project_dir, tmp_path, monkeypatch):
    """Runs a pipeline of two small stages as the training pipeline of a project."""

    def compile_small(project, output, image):
        compiler.Compiler().compile(small_pipeline, str(output))

    monkeypatch.setattr(pipelines.compiler, "compile_training_pipeline", compile_small)
    make_stage("show_page", PAGE)

    def run(end="", **options):
        make_stage("end_run", end)
        options = {"runs_dir": tmp_path / "runs", "standby": False, "console": Console(quiet=True)} | options
        return run_project(load_project(project_dir), **options)

    return run


def record_of(done):
    return json.loads((done.folder / "run.json").read_text())


def test_run_leaves_its_record(run, project_dir):
    done = run(settings=["spans=2", "strict=true"])
    record = record_of(done)
    assert (record["state"], record["exit_code"]) == ("succeeded", 0)
    assert [stage["stage"] for stage in record["stages"]] == ["show_page", "end_run"]
    assert record["parameters"] == {
        "project_dir": str(project_dir),
        "serving_dir": str(project_dir / "served" / "parcels"),
        "spans": "2",
        "strict": True,
    }


def test_pages_lie_side_by_side_and_the_index_links_them(run):
    done = run(settings=["spans=<b>2</b>"])
    index = (done.folder / "index.html").read_text()
    links = re.findall('href="([^"]+)"', index)
    assert (done.folder / "show_page.html").read_text() == "<p><b>2</b>"
    assert {"show_page.html", "show_page.md", "logs/show_page.log", "logs/end_run.log"} <= set(links)
    assert all((done.folder / link).exists() for link in links)
    assert "<b>2</b>" not in index


@pytest.mark.parametrize(("code", "expected"), [(1, 1), (2, 2), (3, 3), (77, 1)])
def test_failed_run_keeps_its_pages_and_passes_the_exit_code_on(run, code, expected):
    done = run(f"import sys; print('no luck today'); sys.exit({code})")
    index = (done.folder / "index.html").read_text()
    assert (done.state, done.exit_code) == ("failed", expected)
    assert "The run failed" in index
    assert index.count("no luck today") == 1
    assert (done.folder / "show_page.html").exists()


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_stopped_run_says_so(run, number):
    def stop(stage):
        if stage.stage == "end_run" and stage.exit_code is None:
            signal.raise_signal(number)

    begin = time.monotonic()
    done = run("import time; time.sleep(500)", observe=stop)
    assert time.monotonic() - begin < 300
    assert (done.state, done.exit_code) == ("stopped", 130)
    assert "It was stopped while end_run ran" in record_of(done)["error"]


def test_a_signal_that_is_ignored_stays_ignored(run):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        done = run(observe=lambda stage: signal.raise_signal(signal.SIGHUP))
    finally:
        signal.signal(signal.SIGHUP, before)
    assert done.state == "succeeded"


def test_record_of_a_run_that_goes_on_is_there_already(run):
    states = []
    run(observe=lambda stage: states.extend(path.read_text() for path in stage.folder.parents[1].glob("run.json")))
    assert json.loads(states[0])["state"] == "running"


def test_serving_directory_of_the_run_goes_first(run, tmp_path):
    done = run(serving_dir=tmp_path / "other")
    assert (done.folder / "show_page.md").read_text() == f"# {tmp_path / 'other'}"


@pytest.mark.parametrize("setting", ["nothing=1", "spans", "strict=maybe", "strict=1", "=1"])
def test_wrong_setting_runs_nothing(run, tmp_path, setting):
    with pytest.raises(UserError, match="Received") as caught:
        run(settings=[setting])
    assert "BOOLEAN" not in str(caught.value)
    assert not list(tmp_path.glob("runs/*"))


def test_unknown_isolation_is_refused(run):
    with pytest.raises(UserError, match="Received: thread"):
        run(isolation="thread")


def test_containers_without_an_engine_run_nothing(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="A container engine answers"):
        run(isolation="containers")
    assert not list(tmp_path.glob("runs/*"))


def test_a_container_that_cannot_be_made_fails_the_run_with_its_reason(run, tmp_path, monkeypatch):
    script = '#!/bin/sh\ncase "$1" in create) echo "no space left" >&2; exit 125;; image) echo sha256:abc;; esac\n'
    (tmp_path / "docker").write_text(script)
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = run(isolation="containers", image="sluice:dev")
    assert (done.state, done.exit_code) == ("failed", 2)
    assert "no space left" in record_of(done)["error"]
    assert (record_of(done)["engine"], record_of(done)["image_id"]) == ("docker", "sha256:abc")
    assert "sluice:dev (sha256:abc), docker" in (done.folder / "index.html").read_text()


def test_options_for_containers_contradict_no_others():
    assert choose_isolation("process", containers=True, engine="", image="") == "containers"
    for options in ({"engine": "podman", "image": ""}, {"engine": "", "image": "sluice:dev"}):
        with pytest.raises(UserError, match="Add --containers"):
            choose_isolation("process", containers=False, **options)
    with pytest.raises(UserError, match="Received: --containers --isolation fork"):
        choose_isolation("fork", containers=True, engine="", image="")


def test_two_runs_of_one_second_get_two_folders(tmp_path):
    folders = [create_run_folder(tmp_path, "parcels") for _ in range(3)]
    assert len(set(folders)) == 3
    assert all(re.fullmatch(r"parcels-\d{8}T\d{6}Z(-\d)?", folder.name) for folder in folders)


@pytest.mark.parametrize("name", ["runs[1]", "a*", "b?", "c\\d"])
def test_a_run_folder_where_tensorflow_finds_no_model_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"holds no wildcards.*--runs-dir"):
        create_run_folder(tmp_path / name, "parcels")
    assert not (tmp_path / name).exists()


def test_a_run_folder_that_cannot_be_made_is_one_message(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"The folder of a run can be made\. Received: .*file.*--runs-dir"):
        run(runs_dir=tmp_path / "file" / "runs")


def test_progress_without_a_terminal_is_one_line_per_stage(run, tmp_path):
    with (tmp_path / "progress").open("w") as file:
        run(console=Console(file=file))
    lines = (tmp_path / "progress").read_text().splitlines()
    assert [re.sub(r" +\d+\.\d", " N", line) for line in lines] == [
        "[1/2] show_page N s  done",
        "[2/2] end_run N s  done",
    ]


def test_progress_on_a_terminal_is_a_table_that_goes_away(run, tmp_path):
    with (tmp_path / "progress").open("w") as file:
        run(console=Console(file=file, force_terminal=True, width=80))
    text = (tmp_path / "progress").read_text()
    assert "stage 2 of 2" in text
    assert text.count("\x1b[1A") > 2  # goes up, over what it wrote before


def summary_of(done, project_dir, capsys):
    print_summary(done, load_project(project_dir), Console(width=200))
    return capsys.readouterr().out


def test_summary_of_a_failure_shows_reason_and_log(run, project_dir, capsys):
    done = run("raise ValueError('[red] broken')")
    text = summary_of(done, project_dir, capsys)
    assert "end_run failed: ValueError: [red] broken (exit code 1)" in text
    assert "Traceback (most recent call last):" in text
    assert str(done.folder / "logs" / "end_run.log") in text


def test_summary_of_a_user_error_shows_no_traceback(run, project_dir, capsys):
    body = "from components._shared import cli, errors\ndef main(a): raise errors.UserError('Rule.', received=1)\n"
    done = run(body + "import sys; sys.argv[1:] = []; cli.run(cli.make_parser('x'), main)")
    text = summary_of(done, project_dir, capsys)
    assert "end_run failed: Rule. Received: 1." in text
    assert "The end of its log" not in text


def test_bench_measures_every_stage(run, project_dir, make_stage):
    make_stage("end_run", "block = b'x' * 50_000_000; import time; time.sleep(0.6)")
    done, figures = bench.measure(str(project_dir), spans="1", isolation="process", standby=False)
    assert done.state == "succeeded"
    assert [stage["stage"] for stage in figures["stages"]] == ["show_page", "end_run"]
    assert figures["wall_seconds"] >= sum(stage["wall_seconds"] for stage in figures["stages"])
    assert figures["peak_bytes"] > 50e6
    json.dumps(figures, allow_nan=False)
