import grpc
import pytest
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    regression_pb2,
)

from serving.errors import ServingError


@pytest.fixture
def client(serve, base):
    return serve("--model_name=half", f"--model_base_path={base}")


def refusal(call, *args, **kwargs):
    with pytest.raises(grpc.RpcError) as raised:
        call(*args, **kwargs)
    return raised.value.code().name, raised.value.details()


def reload(client, config):
    request = model_management_pb2.ReloadConfigRequest(config=config)
    return client.model.HandleReloadConfigRequest(request, timeout=200)


def status_request(name, version=None):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    if version is not None:
        request.model_spec.version.value = version
    return request


def metadata_request(name, *fields):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = name
    return request


def test_predict_answers_with_the_version_and_the_signature(shared):
    response = shared.predict([2.0])
    assert list(response.outputs["y"].float_val) == [3.0]
    spec = response.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("half", 1, "serving_default")


def test_the_shape_of_the_input_is_that_of_the_output(shared):
    y = shared.predict([[1.0, 2.0], [3.0, 4.0]]).outputs["y"]
    assert [dim.size for dim in y.tensor_shape.dim] == [2, 2]


def test_only_the_outputs_that_are_asked_for_come(shared, predict_request):
    request = predict_request([2.0])
    request.output_filter.append("y")
    assert list(shared.prediction.Predict(request, timeout=100).outputs) == ["y"]
    request.output_filter.append("z")
    assert refusal(shared.prediction.Predict, request)[0] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("asked", "code", "text"),
    [
        ({"model": "other"}, "NOT_FOUND", "Servable not found for request: Latest(other)"),
        ({"version": 9}, "NOT_FOUND", "Servable not found for request: Specific(half, 9)"),
        ({"label": "canary"}, "INVALID_ARGUMENT", "Unrecognized servable version label: canary"),
        ({"model": ""}, "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        ({"signature": "nope"}, "FAILED_PRECONDITION", 'Serving signature key "nope" not found.'),
        ({"name": "z"}, "INVALID_ARGUMENT", "input tensor alias not found in signature: z."),
    ],
)
def test_a_request_that_cannot_be_answered_says_why(shared, asked, code, text):
    received = refusal(shared.predict, [2.0], **asked)
    assert received[0] == code
    assert text in received[1]


def test_a_long_message_is_cut(shared):
    assert refusal(shared.predict, [2.0], model="n" * 5000)[1].endswith("...TRUNCATED")


def test_status_names_every_version(shared):
    (item,) = shared.model.GetModelStatus(status_request("half"), timeout=100).model_version_status
    assert (item.version, item.state, item.status.error_code) == (1, get_model_status_pb2.ModelVersionStatus.AVAILABLE, 0)
    assert refusal(shared.model.GetModelStatus, status_request("other")) == (
        "NOT_FOUND",
        "Could not find any versions of model other",
    )
    assert refusal(shared.model.GetModelStatus, status_request("half", 2))[0] == "NOT_FOUND"
    assert refusal(shared.model.GetModelStatus, get_model_status_pb2.GetModelStatusRequest())[0] == "INVALID_ARGUMENT"


def test_metadata_holds_the_signatures(shared):
    response = shared.prediction.GetModelMetadata(metadata_request("half", "signature_def"), timeout=100)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert list(signatures.signature_def["serving_default"].inputs) == ["x"]
    assert response.model_spec.version.value == 1


@pytest.mark.parametrize("fields", [(), ("graph_def",)])
def test_metadata_is_the_signatures_alone(shared, fields):
    assert refusal(shared.prediction.GetModelMetadata, metadata_request("half", *fields))[0] == "INVALID_ARGUMENT"


def test_a_reload_replaces_the_models_and_answers_when_they_serve(
    client, base, push, half_plus_three, model_config, eventually
):
    push(half_plus_three, base.with_name("third"), 7)
    response = reload(client, model_config(("third", base.with_name("third"))))
    assert response.status.error_code == 0
    assert list(client.predict([2.0], model="third").outputs["y"].float_val) == [4.0]
    eventually(lambda: client.model.GetModelStatus(status_request("half")).model_version_status[0].state == 50)
    assert refusal(client.predict, [2.0])[0] == "NOT_FOUND"


def test_a_reload_that_is_wrong_is_refused_and_changes_nothing(client, base, model_config):
    assert refusal(reload, client, None)[0] == "INVALID_ARGUMENT"
    bad_label = 'version_labels { key: "stable" value: 2 }'
    assert refusal(reload, client, model_config(("half", base, bad_label)))[0] == "FAILED_PRECONDITION"
    (base.parent / "broken" / "1").mkdir(parents=True)
    assert refusal(reload, client, model_config(("half", "half")))[0] == "INVALID_ARGUMENT"
    assert list(client.predict([2.0]).outputs["y"].float_val) == [3.0]


def test_a_label_moves_by_reload(client, base, model_config):
    reload(client, model_config(("half", base, 'version_labels { key: "stable" value: 1 }')))
    assert client.predict([2.0], label="stable").model_spec.version.value == 1


def test_the_other_methods_are_unimplemented_by_name(shared):
    calls = {
        "Classify": classification_pb2.ClassificationRequest(),
        "Regress": regression_pb2.RegressionRequest(),
        "MultiInference": inference_pb2.MultiInferenceRequest(),
    }
    for name, request in calls.items():
        code, text = refusal(getattr(shared.prediction, name), request)
        assert code == "UNIMPLEMENTED"
        assert name in text


def test_a_unix_socket_is_served_too(serve, base, tmp_path, predict_request):
    server = serve("--model_name=half", f"--model_base_path={base}", f"--grpc_socket_path={tmp_path / 's.sock'}")
    with grpc.insecure_channel(f"unix:{tmp_path / 's.sock'}") as channel:
        ask = channel.unary_unary("/tensorflow.serving.PredictionService/Predict", lambda request: request.SerializeToString())
        assert ask(predict_request([2.0]), timeout=100)
    assert server.server.port


@pytest.mark.parametrize("arguments", ["grpc.max_connection_age_ms=2000,grpc.lb_policy_name=grpclb", ""])
def test_arguments_of_grpc_are_passed_on(serve, base, arguments):
    client = serve("--model_name=half", f"--model_base_path={base}", f"--grpc_channel_arguments={arguments}")
    assert client.predict([2.0])
    with pytest.raises(ServingError, match="is a list of key=value"):
        serve("--model_name=half", f"--model_base_path={base}", "--grpc_channel_arguments=fast")


def test_a_port_that_is_taken_is_an_error(shared, serve, base):
    with pytest.raises(ServingError, match="Failed to BuildAndStart gRPC server"):
        serve(f"--model_base_path={base}", f"--port={shared.server.port}")
    with pytest.raises(ServingError, match="Failed to start HTTP Server"):
        serve(f"--model_base_path={base}", f"--rest_api_port={shared.server.rest_port}")
