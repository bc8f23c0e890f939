import json
import subprocess
import sys
from pathlib import Path

import pytest

from components.push_model.__main__ import build_parser, main

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def make_args(make_artifacts, tmp_path):
    """Returns a function that returns the command line for artifacts with the given decision."""

    def make(strict="false", **options):
        artifact = {"artifacts": [{"name": "pushed", "uri": "u", "metadata": {}}]}
        outputs = {"artifacts": {"pushed": artifact}, "outputFile": str(tmp_path / "out.json")}
        flags = make_artifacts(**options) | {"strict": strict, "pushed_version": str(tmp_path / "version")}
        flags["executor_input"] = json.dumps({"outputs": outputs})
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in flags.items()}
        return [text for name, value in texts.items() for text in (f"--{name}", value)]

    return make


def _run(arguments):
    main(build_parser().parse_args(arguments))


def _metadata(tmp_path):
    return json.loads((tmp_path / "out.json").read_text())["artifacts"]["pushed"]["artifacts"][0]["metadata"]


def test_push_writes_version_and_metadata(make_args, tmp_path):
    _run(make_args())
    assert (tmp_path / "version").read_text() == "1"
    expected = {"pushed": 1, "pushed_destination": str(tmp_path / "serving/1"), "pushed_version": "1"}
    assert _metadata(tmp_path) == {**expected, "reason": "All gates passed.", "waits_until": ""}


def test_no_writes_an_empty_version(make_args, tmp_path):
    _run(make_args(approved=False, reason="auc fell."))
    assert (tmp_path / "version").read_text() == ""
    assert (_metadata(tmp_path)["pushed"], _metadata(tmp_path)["reason"]) == (0, "The decision says no: auc fell.")


def test_image_and_run_come_from_the_environment(make_args, tmp_path, monkeypatch):
    monkeypatch.setenv("SLUICE_IMAGE", "registry/sluice@sha256:1")
    monkeypatch.setenv("SLUICE_RUN_ID", "flights-1")
    _run(make_args())
    payload = json.loads((tmp_path / "serving/.ledger/00000001.json").read_text())["payload"]
    assert (payload["image"], payload["run"]) == ("registry/sluice@sha256:1", "flights-1")


@pytest.mark.parametrize(("strict", "code"), [("false", 0), ("true", 3)])
def test_exit_code_of_a_no(make_args, strict, code):
    arguments = make_args(strict, approved=False, reason="auc fell.")
    done = subprocess.run(
        [sys.executable, "-m", "components.push_model", *arguments], cwd=REPOSITORY, text=True, capture_output=True, check=False
    )
    assert done.returncode == code
    assert "Nothing was pushed. The decision says no: auc fell." in done.stderr


def test_help_names_the_environment():
    assert "SLUICE_IMAGE" in build_parser().format_help()


def test_server_that_a_run_leaves_out_ends_with_2_and_changes_nothing(make_args, tmp_path):
    arguments = make_args()
    arguments[arguments.index("--server_required") + 1] = "true"
    command = [sys.executable, "-m", "components.push_model", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, text=True, capture_output=True, check=False)
    assert (done.returncode, (tmp_path / "serving").exists()) == (2, False)
    assert "Where a project names a server, a run may name another one, and never none." in done.stderr
