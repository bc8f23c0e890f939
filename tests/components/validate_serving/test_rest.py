import json

import numpy as np

from components.validate_serving.rest import decode_request, encode_request


def test_values_survive_the_way_there():
    columns = {
        "name": np.array([b"Z\xc3\xbcrich", b"\xff\xfe", b""], object),
        "count": np.array([-(2**63), 2**53 + 1, 7], np.int64),
        "share": np.array([0.1, np.nan, 1e-40], np.float32),
    }

    received = decode_request(encode_request(columns), {name: column.dtype for name, column in columns.items()})

    for name, column in columns.items():
        np.testing.assert_array_equal(received[name], column)


def test_the_body_is_what_rest_clients_send():
    body = json.loads(encode_request({"origin": np.array([b"JFK", b"\xff"], object), "hour": np.array([3, 4])}))

    first, second = body["instances"]
    assert first == {"origin": "JFK", "hour": 3}
    assert second["origin"] == {"b64": "/w=="}
