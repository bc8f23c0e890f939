import json
import subprocess
import sys
from pathlib import Path

import pytest

from components.generate_statistics.__main__ import build_parser, main


def test_every_path_is_required(capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args([])
    assert "--examples, --schema, --statistics, --report" in capsys.readouterr().err


def test_metadata_names_rows_and_data_version(inputs, tmp_path):
    artifact = {"artifacts": [{"name": "a", "uri": "u", "metadata": {}}]}
    executor_input = {"outputs": {"artifacts": {"statistics": artifact}, "outputFile": str(tmp_path / "out.json")}}
    flags = [part for name, value in inputs().items() for part in (f"--{name}", value)]
    main(build_parser().parse_args([*flags, "--executor_input", json.dumps(executor_input)]))
    metadata = json.loads((tmp_path / "out.json").read_text())["artifacts"]["statistics"]["artifacts"][0]["metadata"]
    assert metadata.pop("rows_per_second") > 0
    assert metadata == {"data_version": "sha256:d1", "features": 4, "rows_train": 12, "rows_eval": 12, "rows_test": 12}


def test_a_split_without_shards_exits_2_with_one_message(inputs, tmp_path):
    arguments = inputs()
    (Path(arguments["examples"]) / "Split-eval" / "part-00000.parquet").unlink()
    flags = [part for name, value in arguments.items() for part in (f"--{name}", value)]
    done = subprocess.run(
        [sys.executable, "-m", "components.generate_statistics", *flags], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Split-eval" in done.stderr
    assert "Traceback" not in done.stderr
