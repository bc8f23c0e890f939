"""Times the server's requests, at the client."""

import gc
import time
from typing import Any

import numpy as np
import pyarrow as pa

from components._shared.artifacts import SIGNATURE_RAW
from components._shared.interface import Interface
from components._tf.interface import default_tensors
from components.validate_serving.client import Client, make_request

_UNTIMED_REQUESTS = 50
_BATCHES = 8


def time_call(client: Client, request: Any) -> float:
    """Returns the milliseconds from a PredictRequest to its PredictResponse, with the network of this machine between.

    Writing the request as bytes and reading the answer's are within; turning values into a request and back is not.
    """
    started = time.perf_counter()
    client.send(request)
    return (time.perf_counter() - started) * 1000


def time_requests(
    client: Client, table: pa.Table, schema: Any, interface: Interface, batch_size: int, requests: int
) -> np.ndarray:
    """Returns the milliseconds of each request, float64 of shape [requests], after untimed ones that warm up.

    Args:
        client: The server's client.
        table: Raw rows, which are repeated where there are fewer than a batch takes.
        schema: The schema of the rows.
        interface: How the model is asked.
        batch_size: Rows per request.
        requests: Number of timed requests.
    """
    starts = [index * batch_size for index in range(max(1, min(_BATCHES, table.num_rows // batch_size)))]
    batches = [
        make_request(
            SIGNATURE_RAW, default_tensors(interface, table.take((np.arange(batch_size) + start) % table.num_rows), schema)
        )
        for start in starts
    ]
    for index in range(_UNTIMED_REQUESTS):
        client.send(batches[index % len(batches)])
    milliseconds = np.empty(requests)
    gc.collect()
    gc.disable()  # a collection of Python's garbage is none of the server's latency
    try:
        for index in range(requests):
            milliseconds[index] = time_call(client, batches[index % len(batches)])
    finally:
        gc.enable()
    return milliseconds
