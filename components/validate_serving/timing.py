"""Times the loaded model's requests, inside the fresh process."""

import gc
import time
from typing import Any

import numpy as np
import pyarrow as pa

from components._shared.artifacts import SIGNATURE_RAW
from components._tf.saved_model import raw_tensors

_UNTIMED_REQUESTS = 50
_BATCHES = 8


def time_call(model: Any, tensors: dict[str, Any]) -> float:
    """Returns the milliseconds of one call of `serving_default` in this process, without network and parsing."""
    started = time.perf_counter()
    for tensor in model.signatures[SIGNATURE_RAW](**tensors).values():
        tensor.numpy()
    return (time.perf_counter() - started) * 1000


def time_requests(model: Any, table: pa.Table, schema: Any, batch_size: int, requests: int) -> np.ndarray:
    """Returns the milliseconds of each request, float64 of shape [requests], after untimed ones that warm up.

    Args:
        model: The loaded model.
        table: Raw rows, which are repeated where there are fewer than a batch takes.
        schema: The schema of the rows.
        batch_size: Rows per request.
        requests: Number of timed requests.
    """
    starts = [index * batch_size for index in range(max(1, min(_BATCHES, table.num_rows // batch_size)))]
    batches = [raw_tensors(table.take((np.arange(batch_size) + start) % table.num_rows), schema) for start in starts]
    for index in range(_UNTIMED_REQUESTS):
        time_call(model, batches[index % len(batches)])
    milliseconds = np.empty(requests)
    gc.collect()
    gc.disable()  # a collection of Python's garbage is none of the model's latency
    try:
        for index in range(requests):
            milliseconds[index] = time_call(model, batches[index % len(batches)])
    finally:
        gc.enable()
    return milliseconds
