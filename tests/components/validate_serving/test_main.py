import json
import os
import subprocess
import sys

import pytest

from components._shared.policy_documents import hash_policy
from components.validate_serving.__main__ import build_parser


def flags(project, policy):
    given = {
        **project,
        "eval_config": "{}",
        "policy": json.dumps(policy),
        "policy_hash": hash_policy(policy, {}),
        "overrides": "{}",
    }
    return [text for name, value in given.items() for text in (f"--{name}", value)]


def test_a_no_is_no_failure_of_the_stage_and_becomes_metadata(kit, project, tmp_path):
    (tmp_path / "evaluation" / "predictions.parquet").unlink()
    artifact = {"name": "serving_report", "uri": project["serving_report"], "type": {"schemaTitle": "system.Artifact"}}
    outputs = {"artifacts": {"serving_report": {"artifacts": [artifact]}}, "outputFile": str(tmp_path / "out.json")}
    command = [sys.executable, "-m", "components.validate_serving", *flags(project, kit.policy())]

    done = subprocess.run(
        [*command, "--executor_input", json.dumps({"outputs": outputs})],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )

    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out.json").read_text())["artifacts"]["serving_report"]["artifacts"][0]
    assert found["metadata"] == {
        "serving": "passed",
        "parity": "failed",
        "robustness": "passed",
        "business_rules": "not_applicable",
    }


def test_a_policy_that_is_no_object_is_refused(project, capsys):
    with pytest.raises(SystemExit, match="2"):
        build_parser().parse_args([*flags(project, {}), "--policy", "5"])
    assert "JSON object" in capsys.readouterr().err
