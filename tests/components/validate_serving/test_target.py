import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.validate_serving import target
from components.validate_serving.target import ServerLostError, describe, start_server, wait_until_available

HOLDS = """
import sys, time
from pathlib import Path
from components.validate_serving.target import start_server
with start_server(sys.argv[1], Path(sys.argv[2]), 60) as server:
    print(server.process.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def script(tmp_path):
    """Returns a function that writes a program of the shell."""

    def write(lines):
        file = tmp_path / "tensorflow_model_server"
        file.write_text(f"#!/bin/sh\n{lines}\n")
        file.chmod(0o755)
        return str(file)

    return write


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("exit 3", "The server ended with exit code 3."),
        ("kill -9 $$", "The server was ended by signal 9."),
        ("echo Failed to start server. Error: Unknown: no such op; exit 255", "Unknown: no such op"),
    ],
)
def test_a_server_that_ends_before_the_model_is_available_is_told(script, tmp_path, lines, told):
    with start_server(script(lines), tmp_path, 60) as server, pytest.raises(ServerLostError) as error:
        wait_until_available(server)
    assert str(error.value) == told


def test_version_1_is_the_model_and_goes_with_the_server(script, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "saved_model.pb").write_text("the graph")
    shown = script('for flag in "$@"; do case $flag in --model_base_path=*) ls -d ${flag#*=}; cat ${flag#*=}/1/*; esac; done')

    with start_server(shown, tmp_path / "model", 60) as server:
        server.process.wait()
        base, graph = server.read_log().splitlines()

    assert graph == "the graph"
    assert not Path(base).exists()
    assert (tmp_path / "model" / "saved_model.pb").exists()


def test_the_server_is_ended_with_whoever_started_it(script, tmp_path):
    command = [sys.executable, "-c", HOLDS, script("exec sleep 600"), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        pid = int(holder.stdout.readline())
        os.kill(pid, 0)  # it is there
        holder.kill()
    end = time.monotonic() + 200
    while time.monotonic() < end and is_running(pid):
        time.sleep(0.02)
    assert not is_running(pid)


def is_running(pid):
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip() not in ("", "Z")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("echo TensorFlow ModelServer: 2.19.0; echo TensorFlow Library: 2.19.0", "tensorflow_model_server 2.19.0"),
        ("exit 1", "tensorflow_model_server, which does not tell its version"),
    ],
)
def test_the_server_is_named_with_its_version(script, lines, told):
    assert describe(script(lines)) == told


def test_ports_are_free_and_none_that_systems_give_away(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        first, second = target._free_ports()
        assert 20_000 <= min(first, second) < max(first, second) < 32_768
        monkeypatch.setattr(target, "_PORTS", range(first, first + 1))
        with pytest.raises(ServerLostError, match="no two ports"):
            target._free_ports()
        monkeypatch.setattr(target, "_PORTS", range(port, port + 1))
        with pytest.raises(ServerLostError, match="no two ports"):
            target._free_ports()
