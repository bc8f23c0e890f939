"""Runs the command line on a small flights project."""

import fcntl
import json
import os
import subprocess
import sys

import pytest
from small_flights import COLUMNS, ROOT, make_flights, make_project, write_span


def _start(*arguments, cwd):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-m", "pipelines", *map(str, arguments)]
    return subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _run(*arguments, cwd, seconds=1500):
    process = _start(*arguments, cwd=cwd)
    try:
        stdout, stderr = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.terminate()  # it ends what it started
        process.communicate()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


@pytest.fixture(scope="session")
def sluice():
    """Runs the command line in a process of its own, as a user would."""
    return _run


@pytest.fixture(scope="session")
def start_sluice():
    """Starts the command line and returns at once."""
    return _start


@pytest.fixture(scope="session", name="make_flights")
def _make_flights():
    return make_flights


@pytest.fixture(scope="session", name="write_span")
def _write_span():
    return write_span


@pytest.fixture(scope="session", name="make_project")
def _make_project():
    return make_project


@pytest.fixture(scope="session")
def columns():
    return COLUMNS


@pytest.fixture(scope="session")
def released(tmp_path_factory):
    """A project with its first version live: folder, project, and the command's result; for all workers, to be read only."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "released"
    folder.mkdir(exist_ok=True)
    project, done = folder / "flights", folder / "done.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            result = _run("run", make_project(folder), "--isolation", "fork", cwd=folder)
            done.write_text(json.dumps([result.returncode, result.stdout, result.stderr]))
    return folder, project, subprocess.CompletedProcess([], *json.loads(done.read_text()))
