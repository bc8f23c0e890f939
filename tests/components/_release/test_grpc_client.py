"""The messages are declared a second time in grpc_client; here they meet TF Serving's own."""

import math

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    predict_pb2,
)

from components._release import grpc_client
from components._shared.errors import UserError

CONFIGURATION = """model_config_list { config { name: "m" base_path: "/models/m" model_platform: "tensorflow"
  model_version_policy { specific { versions: [1, 2] } }
  version_labels { key: "stable" value: 1 } version_labels { key: "canary" value: 2 } }
  config { name: "n" base_path: "/models/n" model_version_policy { latest { num_versions: 2 } } }
  config { name: "o" base_path: "/models/o" model_version_policy { all {} } } }"""


@pytest.fixture
def sent(monkeypatch):
    """Returns what is sent, as bytes by method, and lets answers be given the same way."""
    calls, answers = {}, {}

    def call(address, method, request, answer, seconds):
        kind, fields = request
        message = fields if not isinstance(fields, dict) else grpc_client._message(kind)(**fields)
        calls[method] = message.SerializeToString()
        return grpc_client._message(answer).FromString(answers.get(method, b""))

    monkeypatch.setattr(grpc_client, "_call", call)
    return calls, answers


def test_configuration_is_the_one_of_its_text(sent):
    grpc_client.reload_configuration("h:1", CONFIGURATION, 1.0)
    request = model_management_pb2.ReloadConfigRequest.FromString(sent[0]["ModelService/HandleReloadConfigRequest"])
    wanted = text_format.Parse(f"config {{ {CONFIGURATION} }}", model_management_pb2.ReloadConfigRequest())
    assert request == wanted


def test_configuration_with_more_than_can_be_sent_is_an_error():
    with pytest.raises(UserError, match="logging_config"):
        grpc_client.reload_configuration("h:1", "model_config_list { config { logging_config { } } }", 1.0)


def test_configuration_that_is_refused_in_the_answer_is_an_error(sent):
    response = model_management_pb2.ReloadConfigResponse()
    response.status.error_code, response.status.error_message = 3, "no such path"
    sent[1]["ModelService/HandleReloadConfigRequest"] = response.SerializeToString()
    with pytest.raises(grpc_client.GrpcError, match="no such path"):
        grpc_client.reload_configuration("h:1", CONFIGURATION, 1.0)


def test_states_are_those_of_the_server(sent):
    response = get_model_status_pb2.GetModelStatusResponse()
    response.model_version_status.add(version=1, state="AVAILABLE")
    failed = response.model_version_status.add(version=2, state="END")
    failed.status.error_code, failed.status.error_message = 2, "broken"
    sent[1]["ModelService/GetModelStatus"] = response.SerializeToString()
    assert grpc_client.read_states("h:1", "m", 1.0) == {1: ("AVAILABLE", ""), 2: ("END", "broken")}
    request = get_model_status_pb2.GetModelStatusRequest.FromString(sent[0]["ModelService/GetModelStatus"])
    assert request.model_spec.name == "m"
    assert {number: name for name, number in get_model_status_pb2.ModelVersionStatus.State.items()} == grpc_client._STATES


def test_label_is_asked_for(sent):
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    response.model_spec.version.value = 4
    sent[1]["PredictionService/GetModelMetadata"] = response.SerializeToString()
    assert grpc_client.read_label("h:1", "m", "stable", 1.0) == 4
    request = get_model_metadata_pb2.GetModelMetadataRequest.FromString(sent[0]["PredictionService/GetModelMetadata"])
    assert (request.model_spec.version_label, list(request.metadata_field)) == ("stable", ["signature_def"])


@pytest.mark.parametrize("values", [["AA", "", "Ü"], [1, -(2**63)], [1.5, float("nan")]])
def test_values_are_tensors(sent, values):
    grpc_client.predict("h:1", "m", 3, "serving_default", {"x": values}, 1.0)
    request = predict_pb2.PredictRequest.FromString(sent[0]["PredictionService/Predict"])
    spec = request.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("m", 3, "serving_default")
    kind = {str: tf.string, int: tf.int64, float: tf.float32}[type(values[0])]
    np.testing.assert_array_equal(tf.make_ndarray(request.inputs["x"]), tf.constant(values, kind).numpy())


def test_bytes_are_a_tensor(sent):
    grpc_client.predict("h:1", "m", 3, "serving_default", {"x": [{"b64": "//4="}]}, 1.0)
    request = predict_pb2.PredictRequest.FromString(sent[0]["PredictionService/Predict"])
    assert tf.make_ndarray(request.inputs["x"]).tolist() == [b"\xff\xfe"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("values", [[1, 2, 3], [2, 2, 2]])
def test_outputs_are_numbers(sent, dtype, values):
    response = predict_pb2.PredictResponse()
    whole = tf.make_tensor_proto(np.array(values, dtype))
    response.outputs["packed"].CopyFrom(whole)
    # A server may list the values, and leave out equal ones at the end.
    response.outputs["short"].CopyFrom(tf.make_tensor_proto(values[0], dtype=dtype, shape=[3]))
    response.outputs["text"].CopyFrom(tf.make_tensor_proto(["x"]))
    sent[1]["PredictionService/Predict"] = response.SerializeToString()
    found = grpc_client.predict("h:1", "m", 3, "serving_default", {}, 1.0)
    assert (found["packed"], found["short"]) == (values, [values[0]] * 3)
    assert math.isnan(found["text"][0])
