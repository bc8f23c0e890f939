import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.train_model.__main__ import build_parser, main


def flags_of(arguments):
    texts = {name: json.dumps(value) if isinstance(value, dict) else str(value) for name, value in arguments.items()}
    return [part for name, text in texts.items() for part in (f"--{name}", text)]


def test_every_setting_is_required(capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args([])
    assert "--model_hash, --epochs, --batch_size" in capsys.readouterr().err


def test_the_dashboard_gets_the_best_epochs_metrics(inputs, tmp_path):
    names = ("model", "metrics", "report")
    artifacts = {name: {"artifacts": [{"name": name, "uri": "u", "metadata": {}}]} for name in names}
    executor_input = {"outputs": {"artifacts": artifacts, "outputFile": str(tmp_path / "out.json")}}
    arguments = inputs(epochs=1) | {"executor_input": executor_input}
    main(build_parser().parse_args(flags_of(arguments)))
    written = json.loads((tmp_path / "out.json").read_text())["artifacts"]
    metrics = written["metrics"]["artifacts"][0]["metadata"]
    assert set(metrics) == {"loss", "auc", "eval_loss", "eval_auc", "best_epoch", "epochs_run", "rows_per_second"}
    assert written["model"]["artifacts"][0]["metadata"]["data_version"] == "sha256:d1"


def test_a_stage_killed_while_it_saves_leaves_no_model(inputs, tmp_path):
    arguments = inputs(epochs=1)
    stage = subprocess.Popen([sys.executable, "-m", "components.train_model", *flags_of(arguments)], stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob(".model.*.tmp/*/*")) and stage.poll() is None:
        time.sleep(0.001)
    stage.send_signal(signal.SIGKILL)
    assert stage.wait() == -signal.SIGKILL
    assert not Path(arguments["model"]).exists()
