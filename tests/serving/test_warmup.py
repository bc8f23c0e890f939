import shutil

import pytest
from tensorflow_serving.apis import prediction_log_pb2

from serving.errors import ServingError
from serving.metrics import Metrics
from serving.servable import Servable
from serving.warmup import warm_up


@pytest.fixture
def model(tmp_path, half_plus_two):
    return shutil.copytree(half_plus_two, tmp_path / "1")


@pytest.fixture
def log(predict_request):
    def make(values, **more):
        return prediction_log_pb2.PredictionLog(
            predict_log=prediction_log_pb2.PredictLog(request=predict_request(values, **more))
        )

    return make


def play(model):
    metrics, servable = Metrics(), Servable(model)
    try:
        warm_up(servable, model, metrics)
    finally:
        servable.close()
    return metrics.page()


def test_requests_are_played(model, write_warmup, log):
    write_warmup(model, [log([1.0]), log([2.0])])
    assert f':tensorflow:serving:model_warmup_latency_count{{model_path="{model}",status="OK"}} 1' in play(model)


def test_a_model_needs_no_requests(model):
    assert "model_path" not in play(model)


def test_a_request_that_fails_fails_the_load(model, write_warmup, log):
    write_warmup(model, [log([1.0], name="z")])
    with pytest.raises(ServingError, match="alias not found in signature: z"):
        play(model)


def test_more_than_1000_requests_fail_the_load(model, write_warmup, log):
    write_warmup(model, [log([1.0])] * 1000)
    play(model)
    write_warmup(model, [log([1.0])] * 1001)
    with pytest.raises(ServingError, match=r"exceeds the maximum \(1000\)"):
        play(model)


def test_a_file_that_is_no_tfrecord_of_logs_fails_the_load(model, write_warmup, log):
    write_warmup(model, [log([1.0])])
    file = model / "assets.extra" / "tf_serving_warmup_requests"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(ServingError, match="verify your warmup data is in TFRecord format"):
        play(model)


def test_requests_of_another_kind_are_skipped(model, write_warmup, log, caplog):
    other = prediction_log_pb2.PredictionLog(classify_log=prediction_log_pb2.ClassifyLog())
    write_warmup(model, [other, log([1.0])])
    play(model)
    assert "classify_log is skipped" in caplog.text
