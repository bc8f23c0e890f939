import json
import logging
import signal

import pytest
from kfp import compiler, dsl, kubernetes
from kfp.local import task_dispatcher

from components._shared.errors import UserError
from pipelines import local_runner
from pipelines.compiler import read_pipeline_spec
from pipelines.launchers import PlainLauncher
from pipelines.local_runner import run_pipeline
from pipelines.stage_run import StageFailed

WRITE = """
import json, pathlib, sys
from components._shared import cli, outputs

parser = cli.make_parser("Writes.")
for flag in ("number", "options", "text", "report"):
    parser.add_argument("--" + flag)

def main(args):
    outputs.write_text(args.report, "<p>" + args.options)
    outputs.write_parameter(args.text, "number " + args.number)
    outputs.write_metadata(args.executor_input, {"report": {"rows": 7}})

cli.run(parser, main)
"""
READ = "import pathlib, sys; pathlib.Path(sys.argv[3]).write_text(sys.argv[1] + pathlib.Path(sys.argv[2]).read_text())"


@dsl.container_component
def write_page(number: int, options: dict, report: dsl.Output[dsl.HTML], text: dsl.OutputPath(str)):
    args = ["--number", number, "--options", options, "--text", text, "--report", report.path]
    return dsl.ContainerSpec(
        image="none",
        command=["python", "-m", "fake_stages.write_page"],
        args=[*args, "--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER],
    )


@dsl.container_component
def read_page(text: str, report: dsl.Input[dsl.HTML], copy: dsl.Output[dsl.Markdown]):
    return dsl.ContainerSpec(
        image="none", command=["python", "-m", "fake_stages.read_page"], args=[text, report.path, copy.path]
    )


@dsl.pipeline(name="two-stages")
def two_stages(number: int = 5, options: dict = {"a": [1]}):  # noqa: B006
    written = write_page(number=number, options=options)
    read_page(text=written.outputs["text"], report=written.outputs["report"])


@dsl.pipeline(name="twins")
def twins():
    write_page(number=1, options={})
    write_page(number=2, options={})


@pytest.fixture
def run(make_stage, tmp_path):
    def run(pipeline=two_stages, arguments=None, write=WRITE, read=READ, observe=lambda stage: None, launcher=None):
        make_stage("write_page", write)
        make_stage("read_page", read)
        compiler.Compiler().compile(pipeline, str(tmp_path / "ir.yaml"))
        spec = read_pipeline_spec(tmp_path / "ir.yaml")
        folder = tmp_path / "run"
        return run_pipeline(spec, arguments or {}, run_folder=folder, launcher=launcher or PlainLauncher(), observe=observe)

    return run


def test_parameters_and_artifacts_flow(run):
    stages = run(arguments={"number": 6})
    assert [stage.stage for stage in stages] == ["write_page", "read_page"]
    assert (stages[1].folder / "copy").read_text() == 'number 6<p>{"a": [1]}'


def test_outputs_are_known_afterwards(run):
    stage = run()[0]
    assert stage.parameters == {"text": "number 5"}
    assert stage.metadata["report"]["rows"] == 7
    assert stage.pages == {"report": "system.HTML"}
    assert stage.seconds > 0


def test_two_tasks_of_one_component_share_nothing(run):
    stages = run(twins)
    assert {stage.stage for stage in stages} == {"write_page", "write_page_2"}
    assert {stage.parameters["text"] for stage in stages} == {"number 1", "number 2"}


def test_a_component_that_runs_twice_gets_a_second_folder(tmp_path):
    tasks = local_runner._Tasks(tmp_path, PlainLauncher(), lambda stage: None)
    assert [tasks._new_run("twice").folder.name for _ in range(3)] == ["twice", "twice_2", "twice_3"]


@pytest.mark.parametrize(
    ("body", "exit_code", "reason"),
    [
        ("from components._shared.errors import UserError as E", 2, "A rule. Received: 7."),
        ("from components._shared.errors import Refusal as E", 3, "A rule. Received: 7."),
        ("E = RuntimeError", 1, "TypeError: RuntimeError() takes no keyword arguments (exit code 1)"),
        ("import sys; sys.exit(5)", 1, "it wrote no log (exit code 5)"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 1, "it was killed by SIGTERM"),
        ("import os; os.kill(os.getpid(), 9)", 1, "it was killed by SIGKILL, as it is when memory runs out"),
        ("import sys; sys.exit(0)", 1, "it exited with 0 but did not write its outputs ['report', 'text']"),
    ],
)
def test_failure_says_why_and_passes_the_exit_code_on(run, body, exit_code, reason):
    fail = "from components._shared import cli\ndef main(args): raise E('A rule.', received=7)\n"
    parse = "import sys; sys.argv = sys.argv[:1]\ncli.run(cli.make_parser('x'), main)\n"
    with pytest.raises(StageFailed) as raised:
        run(write=f"{body}\n{fail}{parse}")
    assert raised.value.exit_code == exit_code
    assert str(raised.value) == f"write_page failed: {reason}"


def test_nothing_runs_after_a_failure(run):
    with pytest.raises(StageFailed) as raised:
        run(write="raise SystemExit(1)")
    assert raised.value.run.stage == "write_page"
    assert not (raised.value.run.folder.parent / "read_page").exists()


def test_unreadable_metadata_is_a_failure(run):
    bad = WRITE.replace('outputs.write_metadata(args.executor_input, {"report": {"rows": 7}})', "spoil(args)")
    spoil = (
        "def spoil(args):\n"
        "    pathlib.Path(json.loads(args.executor_input)['outputs']['outputFile']).write_text('{\"unknown\": 1}')\n"
    )
    with pytest.raises(StageFailed, match="outputs that KFP cannot read"):
        run(write=bad.replace("def main", f"{spoil}\ndef main"))


def test_observer_sees_start_and_end(run):
    seen = []
    run(observe=lambda stage: seen.append((stage.stage, stage.exit_code)))
    assert list(dict.fromkeys(seen)) == [("write_page", None), ("write_page", 0), ("read_page", None), ("read_page", 0)]


def test_kfp_stays_quiet_and_leaves_logging_alone(run, capfd):
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    run()
    assert capfd.readouterr() == ("", "")
    assert (root.level, list(root.handlers)) == before


def test_seam_is_restored_even_after_a_failure(run):
    original = task_dispatcher.run_single_task_implementation
    with pytest.raises(StageFailed):
        run(write="raise SystemExit(1)")
    assert task_dispatcher.run_single_task_implementation is original


def test_changed_kfp_fails_before_anything_runs(run, monkeypatch, tmp_path):
    monkeypatch.setattr(task_dispatcher, "run_single_task_implementation", lambda component_name, something_new: None)
    with pytest.raises(UserError, match="something_new"):
        run()
    assert not (tmp_path / "run").exists()


def test_installed_kfp_is_known():
    local_runner.check_kfp()


@pytest.mark.usefixtures("usual_signals")
def test_interruption_goes_through(run):
    class Interrupted:
        python = "python"

        def run(self, *_):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(launcher=Interrupted())


def test_executor_input_is_kept_for_running_a_stage_by_hand(run):
    stage = run()[0]
    document = json.loads((stage.folder / "executor_input.json").read_text())
    assert document["inputs"]["parameterValues"]["number"] == 5


@dsl.pipeline(name="on-a-cluster")
def on_a_cluster():
    written = write_page(number=1, options={}).set_retry(3, backoff_duration="0s").set_cpu_limit("1").set_memory_limit("1Gi")
    kubernetes.mount_pvc(written, "data", "/data")


def test_what_is_meant_for_a_cluster_has_no_effect_here(run):
    assert [stage.succeeded for stage in run(on_a_cluster)] == [True]


def test_a_laptop_does_not_retry_in_silence(run, tmp_path):
    with pytest.raises(StageFailed):
        run(on_a_cluster, write=f"open({str(tmp_path / 'attempts')!r}, 'a').write('x')\nraise SystemExit(2)")
    assert (tmp_path / "attempts").read_text() == "x"
