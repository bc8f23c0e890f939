"""The Deployment's own arguments, files and probes, on the local model server, which takes TF Serving's flags."""

import json
import re
import threading
import time
import urllib.error
import urllib.request

import pytest
import tensorflow as tf
from kube_manifests import MANIFESTS, written
from quick_server import make_server
from tensorflow_serving.apis import prediction_log_pb2

from serving.bench import save_half_plus


class Pod:
    """A server with the files and arguments of the Deployment, below a folder in place of `/`."""

    def __init__(self, folder):
        self.models = folder / "models/flights"
        self.models.mkdir(parents=True)
        etc = folder / "etc/model-server"
        etc.mkdir(parents=True)
        for file in ("base/serving/monitoring.config", "base/serving/batching.config", "components/volume/models.config"):
            text = (MANIFESTS / file).read_text(encoding="utf-8")
            (etc / file.rpartition("/")[2]).write_text(text.replace("/models/flights", str(self.models)))
        self.config = etc / "models.config"
        self.container = written("Deployment")["spec"]["template"]["spec"]["containers"][0]
        arguments = [argument.replace("=/etc/", f"={folder}/etc/") for argument in self.container["args"]]
        arguments = [re.sub(r"(poll_wait_seconds)=\d+", r"\1=1", argument) for argument in arguments]
        assert "--port=8500" in arguments
        assert "--rest_api_port=8501" in arguments
        self.server = make_server([*arguments, "--port=0", "--rest_api_port=-1"])
        threading.Thread(target=self.server.start, daemon=True).start()

    def get(self, path, body=None):
        """Returns the status and the text of an answer; 0 where nobody listens, as a probe sees it."""
        if not self.server.rest_port:
            return 0, ""
        url = f"http://127.0.0.1:{self.server.rest_port}{path}"
        data = json.dumps(body).encode() if body else None
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data), timeout=100) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def probe(self, name):
        """Tells whether a probe of the Deployment passes."""
        return 200 <= self.get(self.container[name]["httpGet"]["path"])[0] < 400

    def push(self, version):
        staging = self.models / f".staging-{version}"
        save_half_plus(staging, 2.0)
        request = prediction_log_pb2.PredictionLog()
        request.predict_log.request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0]))
        (staging / "assets.extra").mkdir()
        with tf.io.TFRecordWriter(str(staging / "assets.extra/tf_serving_warmup_requests")) as writer:
            writer.write(request.SerializeToString())
        staging.rename(self.models / str(version))


def wait_for(condition):
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end, "it did not come to hold"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def pod(tmp_path_factory):
    started = Pod(tmp_path_factory.mktemp("pod"))
    yield started
    started.server.close()


def test_a_server_is_ready_when_a_version_serves_and_not_before(pod):
    assert not pod.probe("startupProbe")
    assert not pod.probe("readinessProbe")
    pod.push(1)
    wait_for(lambda: pod.probe("readinessProbe"))
    assert pod.probe("startupProbe")
    assert pod.probe("livenessProbe")


def test_every_metric_of_the_alerts_and_the_dashboard_is_exported(pod):
    (pod.models / "2").mkdir()  # no SavedModel
    wait_for(lambda: 'status="fail"' in pod.get("/monitoring/prometheus/metrics")[1])
    status, answer = pod.get("/v1/models/flights:predict", {"instances": [1.0]})
    assert (status, json.loads(answer)) == (200, {"predictions": [2.5]})
    path = written("PodMonitor")["spec"]["podMetricsEndpoints"][0]["path"]
    exported = set(re.findall(r"^(:[\w:]+)\{", pod.get(path)[1], re.MULTILINE))
    texts = [(MANIFESTS / "base/monitoring" / name).read_text(encoding="utf-8") for name in ("rules.yaml", "model-server.json")]
    named = {name for text in texts for name in re.findall(r":tensorflow:[\w:]+", text)}
    assert len(named) >= 5
    assert named <= exported


def test_a_server_without_a_version_is_not_ready_though_its_status_is_well(pod):
    assert pod.probe("readinessProbe")
    text = pod.config.read_text()
    pod.config.write_text(
        text.replace(
            'model_platform: "tensorflow"', 'model_platform: "tensorflow" model_version_policy { specific { versions: 9 } }'
        )
    )
    wait_for(lambda: not pod.probe("readinessProbe"))
    status, answer = pod.get("/v1/models/flights")
    assert status == 200
    assert "AVAILABLE" not in {item["state"] for item in json.loads(answer)["model_version_status"]}
    assert pod.probe("livenessProbe")
