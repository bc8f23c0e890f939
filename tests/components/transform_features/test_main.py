import subprocess
import sys
from pathlib import Path

import pytest

from components._shared.gates import Verdict
from components.transform_features.__main__ import build_parser


def test_every_path_is_required(capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args([])
    assert "--examples, --schema, --anomalies, --project_dir" in capsys.readouterr().err


def test_a_failed_gate_exits_3_and_writes_nothing(inputs, write_gate, tmp_path):
    write_gate(tmp_path / "failed", Verdict.FAILED)
    arguments = inputs(anomalies=str(tmp_path / "failed"))
    flags = [part for name, value in arguments.items() for part in (f"--{name}", value)]
    done = subprocess.run(
        [sys.executable, "-m", "components.transform_features", *flags], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "seats: 40 % missing" in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path(arguments["transform_graph"]).exists()
