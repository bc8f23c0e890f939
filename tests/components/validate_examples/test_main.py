import json
import subprocess
import sys

import pytest

from components._shared.policy_documents import hash_policy
from components.validate_examples.__main__ import build_parser, main


def flags_of(case, **more):
    values = {**case.paths, "eval_config": "{}", "policy": "{}", "policy_hash": hash_policy({}, {}), "overrides": "{}", **more}
    return [part for name, value in values.items() for part in (f"--{name}", value)]


def test_the_policy_is_a_json_object(case, capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(flags_of(case, policy="[]"))
    assert "must be a JSON object" in capsys.readouterr().err


def test_metadata_carries_the_verdict(case, table, tmp_path):
    case.set_split("eval", table(city=None))
    artifact = {"artifacts": [{"name": "a", "uri": "u"}]}
    executor_input = {"outputs": {"artifacts": {"anomalies": artifact}, "outputFile": str(tmp_path / "out.json")}}
    main(build_parser().parse_args(flags_of(case, executor_input=json.dumps(executor_input))))
    written = json.loads((tmp_path / "out.json").read_text())["artifacts"]["anomalies"]["artifacts"][0]["metadata"]
    assert written == {"verdict": "failed", "anomalous_splits": 1, "errors": 1, "warnings": 0, "data_version": "sha256:d1"}


def test_a_failed_gate_is_no_failure_of_the_stage(case, table):
    case.set_split("train", table(city=None))
    done = subprocess.run(
        [sys.executable, "-m", "components.validate_examples", *flags_of(case)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Data gate: failed. 1 problem" in done.stderr
