"""The program itself: its start, its end, and what it stands."""

import json
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
import tensorflow as tf

from serving.bench import grpc_client, measure, rest_client, running_server

ROOT = Path(__file__).parents[2]


def test_help_and_wrong_flags_need_no_tensorflow():
    code = "import sys; sys.modules['tensorflow'] = None; from serving.flags import parse; parse(sys.argv[1:])"
    for flag, status in (("--help", 0), ("--version", 0), ("--prot=1", 2)):
        done = subprocess.run([sys.executable, "-c", code, flag], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr


def test_a_wrong_configuration_ends_the_program_with_a_message(tmp_path):
    file = tmp_path / "models.config"
    file.write_text("improperly formatted file")
    command = [sys.executable, "-m", "serving", f"--model_config_file={file}", "--port=0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 2
    assert "Error parsing text-format tensorflow.serving.ModelServerConfig" in done.stderr
    assert f"Invalid protobuf file: '{file}'" in done.stderr
    assert "Traceback" not in done.stderr
    assert "for development and tests" in done.stderr


@pytest.fixture(scope="module")
def slow_model(tmp_path_factory):
    """Returns a base path of a model that writes `asked-<x>` beside it and takes about a second more for an answer."""
    base = tmp_path_factory.mktemp("slow") / "half"

    def wait(x):
        file = tf.strings.join([str(base.parent / "asked-"), tf.strings.as_string(tf.cast(x[0], tf.int32))])
        with tf.control_dependencies([tf.io.write_file(file, "")]):
            count = tf.while_loop(lambda i: i < 300_000, lambda i: (i + 1,), (tf.constant(0),), parallel_iterations=1)
        with tf.control_dependencies(count):
            return {"y": x / 2 + 2}

    module = tf.Module()
    module.wait = tf.function(wait, input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    tf.saved_model.save(module, str(base / "1"), signatures={"serving_default": module.wait})
    return base


def test_a_request_under_way_is_answered_before_the_end(slow_model, eventually):
    with running_server(slow_model) as server:
        answers = {}
        clients = {2.0: grpc_client(server.port), 4.0: rest_client(server.rest_port)}

        def ask(x):
            answers[x] = clients[x](x)

        asking = [threading.Thread(target=ask, args=(x,)) for x in clients]
        for thread in asking:
            thread.start()
        eventually(lambda: all((slow_model.parent / f"asked-{x:.0f}").exists() for x in clients))
        server.process.send_signal(signal.SIGTERM)
        for thread in asking:
            thread.join(200)
        assert answers == {2.0: 3.0, 4.0: 4.0}
        assert server.process.wait(200) == 0


def test_no_request_fails_while_versions_change_under_load(base):
    with running_server(base) as server:
        for name, client in (("gRPC", lambda: grpc_client(server.port)), ("REST", lambda: rest_client(server.rest_port))):
            load = measure(server.process.pid, base, client, name=name, clients=16, seconds=2, switch=0.7)
            assert load.errors == []
            assert load.versions in (1, 2)  # one where the machine has other work
            assert load.requests > 16
        with urllib.request.urlopen(f"http://127.0.0.1:{server.rest_port}/v1/models/half") as response:
            states = [item["state"] for item in json.load(response)["model_version_status"]]
        assert states.count("AVAILABLE") in (1, 2)  # the last switch may be under way
