"""Changes one thing at a time and sees which stages run again."""

import dataclasses
import fcntl
import json
import os
import shutil

import pytest
from kfp import compiler, dsl
from rich.console import Console
from typer.testing import CliRunner

import pipelines.compiler
from components._shared.errors import UserError
from pipelines import stage_key
from pipelines.__main__ import app
from pipelines.config import load_project
from pipelines.resume import find_run, merge_settings
from pipelines.run import run_project
from pipelines.summary import print_summary

LOOK = "import pathlib, sys; pathlib.Path(sys.argv[2]).write_text((pathlib.Path(sys.argv[1]) / 'input').read_text())"
FIRST = """
import json, pathlib, sys
from fake_stages import _helper
text, page, folder, executor_input = sys.argv[1:]
pathlib.Path(page).write_text(_helper.shout(text))
pathlib.Path(folder).mkdir()
(pathlib.Path(folder) / "part").write_text(text)
document = json.loads(executor_input)["outputs"]
document["artifacts"]["report"]["artifacts"][0]["metadata"] = {"length": len(text)}
del document["artifacts"]["data"]
pathlib.Path(document.pop("outputFile")).write_text(json.dumps(document))
"""
SECOND = "import pathlib, sys; pathlib.Path(sys.argv[2]).write_text(pathlib.Path(sys.argv[1]).read_text())"
THIRD = (
    "import pathlib, sys; pathlib.Path(sys.argv[3]).write_text(sys.argv[1]); (pathlib.Path(sys.argv[2]) / 'part').read_text()"
)
HELPER = "def shout(text): return text.upper()"


def stage(name, *args):
    return dsl.ContainerSpec(image="none", command=["python", "-m", f"fake_stages.{name}"], args=list(args))


@dsl.container_component
def look(project_dir: str, text: dsl.OutputPath(str)):
    return stage("look", project_dir, text)


@dsl.container_component
def first(text: str, report: dsl.Output[dsl.HTML], data: dsl.Output[dsl.Dataset]):
    return stage("first", text, report.path, data.path, dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER)


@dsl.container_component
def second(report: dsl.Input[dsl.HTML], copy: dsl.Output[dsl.Artifact]):
    return stage("second", report.path, copy.path)


@dsl.container_component
def third(number: int, data: dsl.Input[dsl.Dataset], result: dsl.Output[dsl.Artifact]):
    return stage("third", number, data.path, result.path)


@dsl.pipeline(name="parcels-training")
def small_pipeline(project_dir: str, serving_dir: str, number: int = 1, note: str = ""):
    looked = look(project_dir=project_dir).set_caching_options(False)
    made = first(text=looked.outputs["text"])
    second(report=made.outputs["report"])
    third(number=number, data=made.outputs["data"])


@pytest.fixture
def code(tmp_path, make_stage):
    for name, body in (("look", LOOK), ("first", FIRST), ("second", SECOND), ("third", THIRD)):
        make_stage(name, body)
    package = tmp_path / "code" / "fake_stages"
    (package / "_helper").mkdir()
    (package / "_helper" / "__init__.py").write_text(HELPER)
    return package


@pytest.fixture
def run(code, project_dir, tmp_path, monkeypatch):
    """Runs a pipeline of four small stages; the first looks at an input file and is never cached."""

    def compile_small(project, output, image):
        compiler.Compiler().compile(small_pipeline, str(output))

    monkeypatch.setattr(pipelines.compiler, "compile_training_pipeline", compile_small)
    (project_dir / "input").write_text("some text")

    def run(**options):
        options = {"runs_dir": tmp_path / "runs", "standby": False, "console": Console(quiet=True)} | options
        return run_project(load_project(project_dir), **options)

    return run


def ran(done):
    """Returns the cached stages that ran; each of the others was reused."""
    assert done.stages[0].stage == "look"
    assert not done.stages[0].reused_from
    return {stage.stage for stage in done.stages[1:] if not stage.reused_from}


def resumed(run, done, **options):
    return run(resume=find_run(str(done.folder), ""), **options)


ALL = {"first", "second", "third"}


def set_number(run, done, code):
    return {"settings": ["number=2"]}


def set_what_no_stage_reads(run, done, code):
    return {"settings": ["number=2", "note=other"]}


def edit_the_input(run, done, code):
    (code.parents[1] / "project" / "input").write_text("other text")


def edit_a_stage(run, done, code):
    (code / "second" / "__main__.py").write_text(SECOND + "\n# edited")


def edit_a_module_of_a_stage(run, done, code):
    (code / "third" / "executor.py").write_text("# edited")


def edit_what_stages_share(run, done, code):
    (code / "_helper" / "__init__.py").write_text(HELPER + "\n# edited")


def change_a_library(run, done, code):
    stage_key._surroundings.cache_clear()
    library = code.parent / "some-packages" / "other-1.0.dist-info"
    library.mkdir(parents=True)
    (library / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")


def damage_a_file(run, done, code):
    (done.folder / "artifacts" / "first" / "data" / "part").write_text("damaged")


def damage_a_file_with_its_size_and_time(run, done, code):
    file = done.folder / "artifacts" / "first" / "data" / "part"
    before = file.stat()
    file.write_text(file.read_text().upper())
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def edit_metadata(run, done, code):
    file = done.folder / "artifacts" / "first" / "executor_output.json"
    file.write_text(file.read_text().replace('"length": ', '"length": 1'))


def add_a_file(run, done, code):
    (done.folder / "artifacts" / "third" / "more").write_text("")


def remove_an_output(run, done, code):
    (done.folder / "artifacts" / "second" / "copy").unlink()


def spoil_a_record(run, done, code):
    (done.folder / "results" / "third.json").write_text('{"format": "sluice/result/1", "key": ')


def stop_while_a_stage_runs(run, done, code):
    (done.folder / "results" / "second.json").unlink()


CHANGES = [
    (set_number, {"third"}),
    (set_what_no_stage_reads, set()),
    (edit_the_input, ALL),
    (edit_a_stage, {"second"}),
    (edit_a_module_of_a_stage, {"third"}),
    (edit_what_stages_share, ALL),
    (change_a_library, ALL),
    (damage_a_file, {"first"}),
    (damage_a_file_with_its_size_and_time, {"first"}),
    (edit_metadata, {"first"}),
    (add_a_file, {"third"}),
    (remove_an_output, {"second"}),
    (spoil_a_record, {"third"}),
    (stop_while_a_stage_runs, {"second"}),
]


@pytest.fixture
def libraries(tmp_path, monkeypatch):
    """Lets a folder of libraries that a test may change stand beside the real ones."""
    stage_key._surroundings.cache_clear()
    monkeypatch.syspath_prepend(str(tmp_path / "code" / "some-packages"))
    yield
    stage_key._surroundings.cache_clear()


@pytest.mark.usefixtures("libraries")
def test_resumed_run_does_again_what_has_changed_and_nothing_else(run, code):
    done = run()
    assert ran(done) == ALL
    options, found = {}, []
    for change, _ in CHANGES:
        options |= change(run, done, code) or {}
        again = resumed(run, done, **options)
        assert (again.state, again.folder) == ("succeeded", done.folder)
        found.append((change, ran(again)))
    assert found == CHANGES
    assert (done.folder / "artifacts" / "third" / "result").read_text() == "2"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (set_number, {"third"}),
        (damage_a_file, {"first"}),
        (edit_metadata, {"first"}),
        (add_a_file, set()),  # what a result does not name is left behind
    ],
)
def test_new_run_does_again_what_has_changed_and_nothing_else(run, code, change, expected):
    done = run()
    again = run(**(change(run, done, code) or {}))
    assert (again.state, ran(again)) == ("succeeded", expected)
    assert again.folder != done.folder
    assert not (again.folder / "artifacts" / "third" / "more").exists()
    assert (again.folder / "artifacts" / "first" / "data" / "part").read_text() == "some text"


def test_what_rests_on_a_changed_output_runs_again(run, code):
    done = run()
    other = "def shout(text): return text.capitalize()"  # of another size: within a second Python knows changes by nothing else
    (code / "_helper" / "__init__.py").write_text(other)
    again = resumed(run, done)
    assert (again.folder / "artifacts" / "second" / "copy").read_text() == "Some text"
    assert (again.folder / "first.html").read_text() == "Some text"


def test_failed_run_is_resumed_where_it_failed(run, code):
    (code / "second" / "__main__.py").write_text("raise SystemExit(3)")
    done = run()
    assert done.state == "failed"
    (code / "second" / "__main__.py").write_text(SECOND)
    again = resumed(run, done)
    assert (again.state, "first" in ran(again), "second" in ran(again)) == ("succeeded", False, True)


def test_a_failure_is_never_reused(run, code):
    (code / "second" / "__main__.py").write_text("raise SystemExit(3)")
    assert [run().state, run().state] == ["failed", "failed"]


def test_stage_whose_code_is_edited_while_it_runs_leaves_no_result(run, code):
    def edit(stage):
        if stage.stage == "third" and stage.seconds and stage.exit_code is None:
            (code / "third" / "executor.py").write_text("# edited")

    run(observe=edit)
    assert ran(run()) == {"third"}


def test_code_edited_since_the_run_began_is_no_code_to_rely_on(code):
    argv = ["python", "-m", "fake_stages.first"]
    assert stage_key.digest_stage(argv, started_with=stage_key.code_state())
    assert not stage_key.digest_stage(argv, started_with=())


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("variable", ["OMP_NUM_THREADS", "ONEDNN_MAX_CPU_ISA", "LD_LIBRARY_PATH", "TF_DETERMINISTIC_OPS"])
def test_other_arithmetic_is_other_code(code, variable, monkeypatch):
    argv = ["python", "-m", "fake_stages.first"]
    before = stage_key.digest_stage(argv, started_with=stage_key.code_state())
    stage_key._surroundings.cache_clear()
    monkeypatch.setenv(variable, "other")
    assert stage_key.digest_stage(argv, started_with=stage_key.code_state()) != before


@pytest.mark.usefixtures("libraries")
def test_keras_settings_of_the_user_are_other_code(code, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    argv = ["python", "-m", "fake_stages.first"]
    before = stage_key.digest_stage(argv, started_with=stage_key.code_state())
    stage_key._surroundings.cache_clear()
    (tmp_path / "keras.json").write_text('{"floatx": "float64"}')
    assert stage_key.digest_stage(argv, started_with=stage_key.code_state()) != before


def test_validate_serving_rests_on_the_server_that_it_starts(tmp_path, monkeypatch):
    for name in ("components/validate_serving", "components/evaluate_model", "serving"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "__main__.py").write_text("")
    monkeypatch.setattr(stage_key, "CODE_DIR", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    def digests():
        commands = (["python", "-m", f"components.{name}"] for name in ("validate_serving", "evaluate_model"))
        return [stage_key.digest_stage(command, started_with=stage_key.code_state()) for command in commands]

    seen = [digests()]
    for file in ("serving/__main__.py", "tensorflow_model_server"):
        (tmp_path / file).write_text("exit")
        (tmp_path / file).chmod(0o755)
        seen.append(digests())
    assert len({validated for validated, _ in seen}) == 3
    assert len({evaluated for _, evaluated in seen}) == 1


@pytest.mark.parametrize("argv", [["sh", "-c", "true"], ["python", "-m", "no_such.stage"], ["python", "-m", "stage"], []])
def test_command_of_unknown_code_has_no_digest(argv):
    assert not stage_key.digest_stage(argv, started_with=stage_key.code_state())


def test_command_that_names_its_run_has_no_key():
    options = {"env": {}, "inputs": {}, "code": "sha256:1", "contents": stage_key.Contents()}
    assert stage_key.stage_key(command=["a", "{{$.inputs.parameters['b']}}"], **options)
    assert not stage_key.stage_key(command=["a", "{{$.pipeline_job_name}}"], **options)


def test_run_folder_with_reused_results_is_whole_without_the_first(run):
    first_run = run()
    second_run = run()
    shutil.rmtree(first_run.folder)
    assert ran(second_run) == set()
    assert (second_run.folder / "first.html").read_text() == "SOME TEXT"
    assert (second_run.folder / "logs" / "first.log").exists()
    third_run = run()
    assert ran(third_run) == set()
    assert third_run.stages[1].reused_from == first_run.folder.name  # where it was computed


def test_no_cache_runs_everything_and_leaves_results(run):
    run()
    assert ran(run(cache=False)) == ALL
    assert ran(run()) == set()


def test_reused_stages_are_named_everywhere(run, project_dir, capsys):
    done = run()
    again = run()
    stages = json.loads((again.folder / "run.json").read_text())["stages"]
    assert [stage["reused_from"] for stage in stages] == ["", *[done.folder.name] * 3]
    assert (again.folder / "index.html").read_text().count(f"from {done.folder.name}") == 3
    print_summary(again, load_project(project_dir), Console(width=200))
    text = capsys.readouterr().out
    assert text.count(f"reused from {done.folder.name}") == 3
    assert "3 of 4 stages were reused" in text


def test_run_that_goes_on_is_not_resumed(run):
    done = run()
    with (done.folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="One process at a time"):
            resumed(run, done)


def test_resumed_run_keeps_what_it_was_asked_for(run, tmp_path):
    run(settings=["number=3", "note=a"], serving_dir=tmp_path / "other")
    earlier = find_run("latest", tmp_path / "runs")
    assert earlier.serving_dir == str(tmp_path / "other")
    assert merge_settings(earlier, ["note=b"]) == ["number=3", "note=b"]


@pytest.mark.parametrize("name", ["", "latest", "nothing-there", ".."])
def test_run_that_is_not_there_is_one_message(tmp_path, name):
    with pytest.raises(UserError, match=r"A run to resume is there.*Received: "):
        find_run(name, tmp_path)


def test_run_of_an_older_program_is_refused(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "run.json").write_text('{"project": "parcels", "parameters": {}}')
    with pytest.raises(UserError, match="what it was asked for"):
        find_run("old", tmp_path)


def test_resume_with_another_project_or_without_results_is_refused(run):
    done = run()
    earlier = find_run(str(done.folder), "")
    with pytest.raises(UserError, match="its own project"):
        run(resume=dataclasses.replace(earlier, project="letters"))
    with pytest.raises(UserError, match="--no-cache"):
        run(resume=earlier, cache=False)


@pytest.mark.parametrize(
    ("arguments", "words"), [([], "name the folder of a project"), (["--resume", "gone"], "A run to resume is there")]
)
def test_command_without_a_project_needs_a_run_to_resume(arguments, words, tmp_path):
    result = CliRunner().invoke(app, ["run", "--runs-dir", str(tmp_path), *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert words in result.output


def test_how_fast_an_input_was_made_does_not_count(tmp_path):
    (tmp_path / "data").write_text("rows")

    def key(**metadata):
        artifact = {"name": "data", "uri": str(tmp_path / "data"), "metadata": metadata}
        inputs = {"artifacts": {"data": {"artifacts": [artifact]}}}
        return stage_key.stage_key(command=["a"], env={}, inputs=inputs, code="sha256:1", contents=stage_key.Contents())

    assert key(rows=1, rows_per_second=5) == key(rows=1, rows_per_second=6) != key(rows=2, rows_per_second=5)


@pytest.mark.parametrize(
    ("name", "counts"), [("words.txt", True), ("project.yaml", False), ("README.md", False), ("data/words.txt", False)]
)
def test_what_lies_beside_a_projects_code_counts_where_the_code_runs(tmp_path, name, counts):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)

    def keys(text):
        file.write_text(text)
        given = {"project_dir": str(tmp_path)}
        more = {"command": ["a"], "env": {}, "code": "sha256:1", "contents": stage_key.Contents()}
        runs_code = stage_key.stage_key(inputs={"parameterValues": given | {"features_hash": "sha256:2"}}, **more)
        return runs_code, stage_key.stage_key(inputs={"parameterValues": given}, **more)

    (one, other), (one_later, other_later) = keys("a"), keys("b")
    assert all((one, other, one_later, other_later))
    assert (one != one_later, other != other_later) == (counts, False)
