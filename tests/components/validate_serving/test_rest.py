import json

import numpy as np
import pytest

from components.validate_serving.rest import decode_answer, encode_request
from serving.json_answers import write_tensors
from serving.json_tensors import ROWS, read_tensors


class Spec:
    def __init__(self, dtype):
        self.dtype = dtype


def test_values_survive_the_way_to_a_server():
    columns = {
        "name": np.array([b"Z\xc3\xbcrich", b"\xff\xfe", b""], object),
        "count": np.array([-(2**63), 2**53 + 1, 7], np.int64),
        "share": np.array([0.1, np.nan, 1e-40], np.float32),
    }
    specs = {"name": Spec("string"), "count": Spec("int64"), "share": Spec("float32")}

    _, received = read_tensors(json.loads(encode_request(columns)), specs)

    for name, column in columns.items():
        np.testing.assert_array_equal(received[name], column)


def test_the_body_is_what_rest_clients_send():
    body = json.loads(encode_request({"origin": np.array([b"JFK", b"\xff"], object), "hour": np.array([3, 4])}))

    first, second = body["instances"]
    assert first == {"origin": "JFK", "hour": 3}
    assert second["origin"] == {"b64": "/w=="}


def test_answers_survive_the_way_back():
    values = np.array([[0.1, np.nan], [np.inf, 1e-40]], np.float32)

    (one,) = decode_answer(write_tensors(ROWS, {"probabilities": values}).encode()).values()
    several = decode_answer(write_tensors(ROWS, {"a": values[:, 0], "b": values[:, 1]}).encode())

    np.testing.assert_array_equal(one.astype(np.float32), values)
    np.testing.assert_array_equal(several["b"].astype(np.float32), values[:, 1])


@pytest.mark.parametrize("body", [b"{}", b'{"predictions": []}', b'{"outputs": [1]}', b"no JSON"])
def test_an_answer_without_predictions_is_an_error(body):
    with pytest.raises(ValueError, match=r"no predictions|Expecting value"):
        decode_answer(body)
