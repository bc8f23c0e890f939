import http.client
import json
import socket
from contextlib import contextmanager

import grpc
import pytest


@pytest.fixture
def client(serve, base):
    return serve("--model_name=half", f"--model_base_path={base}", "--max_num_load_retries=0")


@contextmanager
def asking(client):
    """Yields a function that sends a request over one connection, and gives status and answer."""
    connection = http.client.HTTPConnection("127.0.0.1", client.server.rest_port, timeout=100)

    def ask(path, body=None, method=None):
        data = json.dumps(body) if isinstance(body, dict) else body
        connection.request(method or ("GET" if body is None else "POST"), path, data)
        response = connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if "json" in response.getheader("Content-Type", "") and text else text.decode()

    yield ask
    connection.close()


@pytest.fixture
def ask(shared):
    with asking(shared) as ask:
        yield ask


def test_the_example_of_tf_servings_documentation_works(ask):
    assert ask("/v1/models/half:predict", {"instances": [1.0, 2.0, 5.0]}) == (200, {"predictions": [2.5, 3.0, 4.5]})
    assert ask("/v1/models/half:predict", {"inputs": [1.0, 2.0, 5.0]}) == (200, {"outputs": [2.5, 3.0, 4.5]})
    assert ask("/v1/models/half:predict", {"instances": [{"x": 1.0}]}) == (200, {"predictions": [2.5]})
    assert ask("/v1/models/half/versions/1:predict", {"instances": [[1], [2]]}) == (200, {"predictions": [[2.5], [3.0]]})


def test_status_has_tf_servings_form(ask):
    available = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in ("/v1/models/half", "/v1/models/half/versions/1", "/V1/Models/half?x=1"):
        assert ask(path) == (200, {"model_version_status": [available]})


def test_a_failed_load_shows_in_the_status(client, base, eventually):
    (base / "2").mkdir()
    with asking(client) as ask:
        eventually(lambda: ask("/v1/models/half/versions/2")[1].get("model_version_status", [{}])[0].get("state") == "END")
        (item,) = ask("/v1/models/half/versions/2")[1]["model_version_status"]
        assert item["status"]["error_code"] == "NOT_FOUND"
        assert ask("/v1/models/half:predict", {"instances": [1.0]}) == (200, {"predictions": [2.5]})


def test_metadata_has_tf_servings_form(ask):
    status, document = ask("/v1/models/half/metadata")
    assert status == 200
    assert document["model_spec"] == {"name": "half", "signature_name": "", "version": "1"}
    signature = document["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"]["x"]["dtype"] == "DT_FLOAT"
    assert signature["inputs"]["x"]["tensor_shape"] == {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    assert set(signature) == {"inputs", "outputs", "method_name"}


def test_labels_are_in_the_path(client, base, model_config):
    client.server.manager.reload(model_config(("half", base, 'version_labels { key: "my label" value: 1 }')))
    with asking(client) as ask:
        assert ask("/v1/models/half/labels/my%20label:predict", {"instances": [1.0]})[0] == 200
        assert ask("/v1/models/half/labels/my%20label")[1]["model_version_status"][0]["version"] == "1"
        assert ask("/v1/models/half/labels/my%20label/metadata")[1]["model_spec"]["version"] == "1"


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("/v1/models/nope:predict", {"instances": [1.0]}, 404, "Servable not found for request: Latest(nope)"),
        ("/v1/models/half/versions/7:predict", {"instances": [1.0]}, 404, "Servable not found for request: Specific(half, 7)"),
        ("/v1/models/nope", None, 404, "Could not find any versions of model nope"),
        ("/v1/models/half/versions/7", None, 404, "Could not find version 7 of model half"),
        ("/v1/models/half/labels/canary", None, 400, "Unrecognized servable version label: canary"),
        ("/v1/models/half/labels/canary:predict", {"instances": [1.0]}, 400, "Unrecognized servable version label: canary"),
        (f"/v1/models/half/versions/{2**63}", None, 400, f"Failed to convert version: {2**63} to numeric."),
        ("/v1/models", None, 400, "Missing model name in request."),
        ("/v1/models/half", {"instances": [1.0]}, 400, "Malformed request: POST /v1/models/half"),
        ("/v1/models/half:predict", None, 400, "Malformed request: GET /v1/models/half:predict"),
        ("/v1/models/half:explain", {}, 400, "Malformed request: POST /v1/models/half:explain"),
        ("/v1/models/half:regress", {}, 501, ":regress is not implemented here; tensorflow/serving has it."),
        ("/v1/models/half:predict", "", 400, "JSON Parse error: The document is empty"),
        (
            "/v1/models/half:predict",
            {"signature_name": "nope", "instances": [1.0]},
            400,
            'Serving signature name: "nope" not found in signature def',
        ),
    ],
)
def test_errors_have_tf_servings_status_and_words(ask, path, body, status, error):
    assert ask(path, body) == (status, {"error": error})


def test_an_error_of_the_graph_is_told(serve, mixed, push, tmp_path):
    push(mixed, tmp_path / "mixed", 1)
    client = serve("--model_name=mixed", f"--model_base_path={tmp_path / 'mixed'}")
    connection = http.client.HTTPConnection("127.0.0.1", client.server.rest_port, timeout=100)
    connection.request("POST", "/v1/models/mixed:predict", json.dumps({"signature_name": "fail", "instances": [-1.0]}))
    response = connection.getresponse()
    assert response.status == 400
    assert "x is positive" in json.loads(response.read())["error"]


def test_other_paths_are_not_found(ask):
    assert ask("/")[0] == 404
    assert ask("/v2/models/half")[0] == 404
    assert ask("/v1/models/half", method="DELETE")[0] == 400


def test_what_was_asked_is_counted(ask, shared):
    def count(name):
        lines = ask("/monitoring/prometheus/metrics")[1].splitlines()
        return sum(int(line.rpartition(" ")[2]) for line in lines if line.startswith(f":tensorflow:serving:{name}"))

    names = [
        'request_count{model_name="half",status="OK"}',
        'request_count{model_name="nope",status="NOT_FOUND"}',
        'request_latency_count{model_name="half",API="predict",entrypoint="REST"}',
        'request_latency_count{model_name="half",API="Predict",entrypoint="GRPC"}',
        'runtime_latency_count{model_name="half",API="Predict",runtime="TF1"}',
    ]
    before = [count(name) for name in names]
    ask("/v1/models/half:predict", {"instances": [1.0]})
    shared.predict([1.0])
    with pytest.raises(grpc.RpcError):
        shared.predict([1.0], model="nope")
    assert [count(name) - old for name, old in zip(names, before, strict=True)] == [2, 1, 1, 1, 2]


def test_there_is_no_metrics_page_unless_asked_for(serve, base):
    client = serve("--model_name=half", f"--model_base_path={base}")
    connection = http.client.HTTPConnection("127.0.0.1", client.server.rest_port, timeout=100)
    connection.request("GET", "/monitoring/prometheus/metrics")
    assert connection.getresponse().status == 404


def test_a_body_may_come_in_chunks(shared):
    connection = http.client.HTTPConnection("127.0.0.1", shared.server.rest_port, timeout=100)
    body = iter([b'{"instances":', b" [1.0]}"])
    connection.request("POST", "/v1/models/half:predict", body, encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    assert json.loads(connection.getresponse().read()) == {"predictions": [2.5]}


@pytest.mark.parametrize("head", [b"Content-Length: -5", b"Content-Length: x", b"Transfer-Encoding: chunked\r\n\r\nzz"])
def test_a_length_that_is_no_number_is_refused_and_the_server_lives(shared, ask, head):
    with socket.create_connection(("127.0.0.1", shared.server.rest_port), timeout=100) as connection:
        connection.sendall(b"POST /v1/models/half:predict HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
        assert b" 400 " in connection.recv(4096)
    assert ask("/v1/models/half")[0] == 200


def test_pages_of_other_origins_may_ask_when_allowed(serve, base):
    client = serve("--model_name=half", f"--model_base_path={base}", "--rest_api_enable_cors_support")
    connection = http.client.HTTPConnection("127.0.0.1", client.server.rest_port, timeout=100)
    connection.request("OPTIONS", "/v1/models/half:predict")
    response = connection.getresponse()
    assert (response.status, response.getheader("Access-Control-Allow-Origin")) == (200, "*")
