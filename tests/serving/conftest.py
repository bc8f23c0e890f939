import gc
import shutil
import time
from contextlib import contextmanager

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from quick_server import make_server
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

from serving.bench import save_half_plus


@pytest.fixture(scope="session")
def half_plus_two(tmp_path_factory):
    """Returns the folder of a version that answers x / 2 + 2 as `y`."""
    return _saved(tmp_path_factory, 2.0)


@pytest.fixture(scope="session")
def half_plus_three(tmp_path_factory):
    """Returns the folder of a version that answers x / 2 + 3 as `y`."""
    return _saved(tmp_path_factory, 3.0)


def _saved(tmp_path_factory, offset):
    folder = tmp_path_factory.mktemp("models") / "model"
    save_half_plus(folder, offset)
    return folder


@pytest.fixture(scope="session")
def mixed(tmp_path_factory):
    """Returns the folder of a version with a signature of several types, one that fails, and one with a lookup table."""

    class Mixed(tf.Module):
        def __init__(self):
            super().__init__()
            keys = tf.lookup.KeyValueTensorInitializer(["JFK", "LGA"], [1, 2], tf.string, tf.int64)
            self.table = tf.lookup.StaticHashTable(keys, -1)

        @tf.function(
            input_signature=[
                tf.TensorSpec([None], tf.string, name="origin"),
                tf.TensorSpec([None], tf.int64, name="hour"),
                tf.TensorSpec([None, 2], tf.float64, name="pair"),
            ]
        )
        def several(self, origin, hour, pair):
            return {
                "place": self.table.lookup(origin),
                "raw_bytes": origin,
                "text": origin,
                "sum": pair + tf.cast(hour, tf.float64)[:, None],
            }

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def fail(self, x):
            with tf.control_dependencies([tf.debugging.assert_positive(x, message="x is positive")]):
                return {"y": tf.identity(x)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.bool, name="b"), tf.TensorSpec([None], tf.uint8, name="u")])
        def small(self, b, u):
            return {"b": b, "u": u}

    folder = tmp_path_factory.mktemp("models") / "mixed"
    model = Mixed()
    signatures = {"serving_default": model.several, "fail": model.fail, "small": model.small}
    tf.saved_model.save(model, str(folder), signatures=signatures)
    return folder


@pytest.fixture
def base(tmp_path, half_plus_two):
    """Returns a base path in which version 1 is half_plus_two."""
    push_version(half_plus_two, tmp_path / "half", 1)
    return tmp_path / "half"


def push_version(model, base_path, version):
    """Adds a version to a base path, whole at once."""
    base_path.mkdir(exist_ok=True)
    staging = base_path / f".staging-{version}"
    shutil.copytree(model, staging)
    staging.rename(base_path / str(version))


def write_warmup_file(model, logs):
    folder = model / "assets.extra"
    folder.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "tf_serving_warmup_requests")) as writer:
        for log in logs:
            writer.write(log.SerializeToString())


def predict_log(request):
    return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))


def make_predict_request(values, model="half", *, version=None, label="", signature="", name="x"):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    if label:
        request.model_spec.version_label = label
    request.inputs[name].CopyFrom(tf.make_tensor_proto(np.array(values, np.float32)))
    return request


def make_model_config(*models):
    """Returns a ModelServerConfig of (name, base path, policy and labels in text form)."""
    config = model_server_config_pb2.ModelServerConfig()
    for name, base_path, *more in models:
        item = config.model_config_list.config.add(name=name, base_path=str(base_path), model_platform="tensorflow")
        for text in more:
            text_format.Merge(text, item)
    return config


def wait_for(condition, seconds=200.0):
    """Waits until something holds, and returns it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come to hold")


class Client:
    """Both interfaces of a running server."""

    def __init__(self, server):
        self.server = server
        self.channel = grpc.insecure_channel(f"localhost:{server.port}")
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.model = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def predict(self, *args, **kwargs):
        return self.prediction.Predict(make_predict_request(*args, **kwargs), timeout=100)


@contextmanager
def servers():
    """Yields a function that starts a server in this process from flags, and gives a client of it."""
    started = []

    def start(*flags):
        server = make_server(["--port=0", "--rest_api_port=-1", *map(str, flags)])
        started.append(server)
        server.start()
        return Client(server)

    yield start
    for server in started:
        server.close()


@pytest.fixture
def serve():
    with servers() as start:
        yield start


@pytest.fixture(scope="module")
def shared(tmp_path_factory, half_plus_two):
    """Returns a client of a server of `half`, with metrics, that all tests of a file ask and none changes."""
    folder = tmp_path_factory.mktemp("shared")
    push_version(half_plus_two, folder / "half", 1)
    (folder / "monitoring.config").write_text("prometheus_config { enable: true }")
    flags = [f"--model_base_path={folder / 'half'}", f"--monitoring_config_file={folder / 'monitoring.config'}"]
    with servers() as start:
        yield start("--model_name=half", *flags)


@pytest.fixture(scope="module", autouse=True)
def _quick_collections():
    """Does what the program does: a collection after an unload then costs milliseconds."""
    gc.freeze()
    yield
    gc.unfreeze()


# What tests call comes to them as fixtures: test folders are no packages.


@pytest.fixture
def push():
    """Returns a function that adds a version to a base path, whole at once."""
    return push_version


@pytest.fixture
def write_warmup():
    """Returns a function that writes PredictionLogs as the warm-up requests of a version."""
    return write_warmup_file


@pytest.fixture
def predict_request():
    """Returns a function that makes a PredictRequest."""
    return make_predict_request


@pytest.fixture
def model_config():
    """Returns a function that makes a ModelServerConfig."""
    return make_model_config


@pytest.fixture
def eventually():
    """Returns a function that waits until a condition holds."""
    return wait_for
