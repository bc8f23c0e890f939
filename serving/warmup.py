"""Plays the warm-up requests of a version, so that its first client does not wait for TensorFlow's first steps.

As saved_model_warmup_util.cc: an uncompressed TFRecord file of PredictionLogs, at most 1000; a request that fails
fails the load.
"""

import logging
import time
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from serving.errors import ServingError, invalid
from serving.metrics import Metrics
from serving.servable import Servable
from serving.tensors import to_array

logger = logging.getLogger(__name__)

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
MOST_RECORDS = 1000


def warm_up(servable: Servable, path: Path, metrics: Metrics) -> None:
    """Plays the requests in `assets.extra/tf_serving_warmup_requests`, if the file is there.

    Args:
        servable: The version.
        path: Its folder.
        metrics: Told how long it took.

    Raises:
        ServingError: If the file is no TFRecord file of PredictionLogs, holds too many, or a request fails.
    """
    file = path / WARMUP_FILE
    if not file.is_file():
        return
    begin = time.monotonic()
    try:
        count = _play(servable, file)
    except ServingError as error:
        metrics.warmup_took(str(path), str(error), time.monotonic() - begin)
        raise
    metrics.warmup_took(str(path), "OK", time.monotonic() - begin)
    logger.info("Finished reading warmup data for model at %s. Number of warmup records read: %d.", file, count)


def _play(servable: Servable, file: Path) -> int:
    count = 0
    try:
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            count += 1
            if count > MOST_RECORDS:
                raise invalid(f"Number of warmup records exceeds the maximum ({MOST_RECORDS}) at {file}")
            _play_one(servable, prediction_log_pb2.PredictionLog.FromString(record))
    except DecodeError as error:
        raise invalid(f"Failed to parse warmup record {count} from {file}") from error
    except tf.errors.DataLossError as error:
        raise ServingError("DATA_LOSS", f"{error.message}. Please verify your warmup data is in TFRecord format.") from error
    return count


def _play_one(servable: Servable, log: prediction_log_pb2.PredictionLog) -> None:
    kind = log.WhichOneof("log_type")
    if kind != "predict_log":
        logger.warning("A warm-up request of the kind %s is skipped: only Predict is served here.", kind)
        return
    request = log.predict_log.request
    inputs = {name: to_array(name, proto) for name, proto in request.inputs.items()}
    servable.predict(request.model_spec.signature_name, inputs, request.output_filter)
