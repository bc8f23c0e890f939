import subprocess
import time

import pytest

SAVE = """
import os
import tensorflow as tf
module = tf.Module()
module.half = tf.Variable(0.5)
serve = tf.function(lambda x: {"y": module.half * x + 2.0}).get_concrete_function(tf.TensorSpec([None], name="x"))
tf.saved_model.save(module, "/models/half_plus_two/.saved", signatures=serve)
os.rename("/models/half_plus_two/.saved", "/models/half_plus_two/1")
"""
ASK = """
import urllib.request
url = "http://127.0.0.1:8501/v1/models/half_plus_two:predict"
print(urllib.request.urlopen(url, data=b'{"instances": [1.0, 2.0]}', timeout=100).read().decode())
"""


@pytest.fixture
def server(serving_image):
    """A container that waits for a version of its model."""
    options = ["--detach", "--read-only", "--tmpfs", "/tmp", "--network", "none"]
    options += ["--env", "MODEL_NAME=half_plus_two", "--tmpfs", "/models/half_plus_two:mode=1777"]
    container = serving_image.call("run", *options, serving_image.reference)
    yield container
    serving_image.call("rm", "--force", container)


def is_healthy(image, container):
    check = [image.engine, "exec", container, "python", "-I", "/usr/local/bin/check-model.py"]
    return subprocess.run(check, capture_output=True, check=False, timeout=300).returncode == 0


def test_it_is_healthy_once_its_model_is_served_and_ends_when_it_is_stopped(serving_image, server):
    assert "check-model.py" in serving_image.inspect("{{json .Config.Healthcheck}}")
    assert not is_healthy(serving_image, server)
    serving_image.call("exec", server, "python", "-c", SAVE)
    deadline = time.monotonic() + 400
    while not is_healthy(serving_image, server) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert '"predictions": [2.5, 3.0]' in serving_image.call("exec", server, "python", "-c", ASK)
    serving_image.call("stop", "--time", "60", server)
    assert serving_image.call("inspect", "--format", "{{.State.ExitCode}}", server) == "0"
