import json
import os
import subprocess
import sys

import pytest

from components.decide_release.__main__ import build_parser, main


def flags(run):
    texts = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in run.arguments.items()}
    return [text for name, value in texts.items() for text in (f"--{name}", value)]


def executor_input(tmp_path):
    artifact = {"name": "decision", "uri": str(tmp_path / "decision"), "type": {"schemaTitle": "system.Artifact"}}
    return json.dumps(
        {"outputs": {"artifacts": {"decision": {"artifacts": [artifact]}}, "outputFile": str(tmp_path / "out.json")}}
    )


def metadata(tmp_path):
    return json.loads((tmp_path / "out.json").read_text())["artifacts"]["decision"]["artifacts"][0]["metadata"]


def test_the_verdict_becomes_metadata(run, tmp_path):
    main(build_parser().parse_args([*flags(run), "--executor_input", executor_input(tmp_path)]))

    found = metadata(tmp_path)
    assert (found["approved"], found["blessed"]) == (True, 1)
    assert found["reason"].startswith("No gate says no. Passed: data,")


def test_a_no_is_no_failure_of_the_stage(run, tmp_path):
    (run.root / "anomalies" / "gates.json").unlink()
    command = [sys.executable, "-m", "components.decide_release", *flags(run), "--executor_input", executor_input(tmp_path)]

    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)

    assert done.returncode == 0, done.stderr
    assert (metadata(tmp_path)["approved"], metadata(tmp_path)["blessed"]) == (False, 0)


def test_a_policy_that_is_no_object_is_refused(run, capsys):
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args([*flags(run), "--policy", "[]"])
    assert "JSON object" in capsys.readouterr().err
