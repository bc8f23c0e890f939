import threading

import grpc
import pytest

from serving.errors import ServingError


@pytest.fixture
def config_file(tmp_path):
    """Returns a function that writes a model configuration, whole at once, and gives its path."""

    def write(config):
        staging = tmp_path / ".models.config"
        staging.write_text(config if isinstance(config, str) else str(config))
        return staging.rename(tmp_path / "models.config")

    return write


def test_many_models_are_served(serve, config_file, model_config, base, push, half_plus_three, tmp_path):
    push(half_plus_three, tmp_path / "three", 123)
    config = model_config(("half_plus_two", base), ("half_plus_three", tmp_path / "three"))
    client = serve(f"--model_config_file={config_file(config)}")
    assert list(client.predict([2.0], model="half_plus_two").outputs["y"].float_val) == [3.0]
    response = client.predict([2.0], model="half_plus_three")
    assert list(response.outputs["y"].float_val) == [4.0]
    assert response.model_spec.version.value == 123


def test_a_new_version_is_found(serve, base, push, half_plus_three, eventually):
    client = serve("--model_name=half", f"--model_base_path={base}")
    push(half_plus_three, base, 2)
    eventually(lambda: list(client.predict([2.0]).outputs["y"].float_val) == [4.0])


def test_without_polling_no_new_version_is_found(serve, base, push, half_plus_three):
    client = serve("--model_name=half", f"--model_base_path={base}", "--file_system_poll_wait_seconds=0")
    push(half_plus_three, base, 2)
    assert not threading.Event().wait(1.2)
    assert client.predict([2.0]).model_spec.version.value == 1


def test_with_a_negative_wait_nothing_is_ever_loaded(serve, base):
    flags = ("--model_name=half", f"--model_base_path={base}", "--file_system_poll_wait_seconds=-1")
    starting = threading.Thread(target=serve, args=flags, daemon=True)
    starting.start()
    starting.join(0.5)
    assert starting.is_alive()


def test_a_model_configuration_is_read_again(
    serve, config_file, model_config, base, push, half_plus_three, tmp_path, eventually
):
    push(half_plus_three, tmp_path / "three", 1)
    file = config_file(model_config(("half_plus_two", base)))
    client = serve(f"--model_config_file={file}", "--model_config_file_poll_wait_seconds=1")
    assert client.predict([2.0], model="half_plus_two")
    config_file("broken {")  # is complained about, and changes nothing
    config_file(model_config(("half_plus_three", tmp_path / "three")))

    def answered():
        try:
            return list(client.predict([2.0], model="half_plus_three").outputs["y"].float_val) == [4.0]
        except grpc.RpcError:
            return False

    eventually(answered)


def test_a_model_configuration_is_read_once_unless_told_otherwise(serve, config_file, model_config, base):
    client = serve(f"--model_config_file={config_file(model_config(('half', base)))}")
    config_file(model_config(("other", base)))
    assert not threading.Event().wait(1.2)
    assert client.predict([2.0])


def test_warm_up_requests_are_played_before_a_version_serves(serve, base, write_warmup, predict_request):
    from tensorflow_serving.apis import prediction_log_pb2

    def log(**more):
        request = predict_request([2.0], **more)
        return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))

    write_warmup(base / "1", [log()])
    client = serve("--model_name=half", f"--model_base_path={base}")
    assert ',status="OK"} 1' in client.server.metrics.page()
    write_warmup(base / "1", [log(name="z")])
    with pytest.raises(ServingError, match="input tensor alias not found in signature: z"):
        serve(f"--model_base_path={base}", "--max_num_load_retries=0")
    assert serve(f"--model_base_path={base}", "--enable_model_warmup=false")


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--model_base_path=/nowhere/at/all"], "Could not find base path /nowhere/at/all for servable default"),
        (["--model_base_path=relative"], "to have an absolute path or URI"),
        (["--model_config_file=/nowhere/models.config"], "NOT_FOUND"),
        (["--model_base_path=/tmp", "--port=8500", "--rest_api_port=8500"], "cannot be same as --port"),
        (["--model_base_path=/tmp", "--monitoring_config_file=/nowhere"], "NOT_FOUND"),
    ],
)
def test_a_server_that_cannot_start_says_why(serve, flags, text):
    with pytest.raises(ServingError) as raised:
        serve(*flags)
    assert text in str(raised.value)


def test_labels_work_from_the_start_when_allowed(serve, config_file, model_config, base):
    file = config_file(model_config(("half", base, 'version_labels { key: "stable" value: 1 }')))
    with pytest.raises(ServingError, match="FAILED_PRECONDITION: Request to assign label to version 1 of model half"):
        serve(f"--model_config_file={file}")
    client = serve(f"--model_config_file={file}", "--allow_version_labels_for_unavailable_models")
    assert client.predict([2.0], label="stable").model_spec.version.value == 1
