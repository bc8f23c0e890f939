"""Reads the warm-up requests of a SavedModel as TF Serving does when it loads a version.

TF Serving reads `assets.extra/tf_serving_warmup_requests` as a TFRecord file without compression and refuses to load a
version with more than 1000 records (saved_model_warmup_util.h, `WarmupConsts::kMaxNumRecords`).
"""

from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from components._shared.artifacts import ASSETS_EXTRA_DIR, WARMUP_FILE
from components.validate_serving.target import MODEL_NAME

MOST_RECORDS = 1000


def read_warmup(model: Path) -> list[Any]:
    """Returns the PredictionLogs of a SavedModel's warm-up file.

    Raises:
        ValueError: If it is not there, is no uncompressed TFRecord of PredictionLogs, is empty, or holds too many.
    """
    path = model / ASSETS_EXTRA_DIR / WARMUP_FILE
    if not path.is_file():
        raise ValueError(f"There are no warm-up requests: {ASSETS_EXTRA_DIR}/{WARMUP_FILE} is missing.")
    try:
        records = list(tf.data.TFRecordDataset(str(path)).take(MOST_RECORDS + 1).as_numpy_iterator())
        logs = [prediction_log_pb2.PredictionLog.FromString(record) for record in records]
    except Exception as error:  # DataLossError of TensorFlow, DecodeError of protobuf
        raise ValueError(f"{WARMUP_FILE} is an uncompressed TFRecord file of PredictionLogs; reading it: {error}") from error
    if not 1 <= len(logs) <= MOST_RECORDS:
        received = "more" if len(logs) > MOST_RECORDS else len(logs)
        raise ValueError(f"{WARMUP_FILE} holds 1 to {MOST_RECORDS} records. Received: {received}.")
    return logs


def read_request(log: Any) -> Any:
    """Returns the PredictRequest of a logged request, to be sent to the model under its present name.

    Raises:
        ValueError: If it is no request to Predict.
    """
    if log.WhichOneof("log_type") != "predict_log":
        raise ValueError(f"A warm-up request is a predict_log. Received: {log.WhichOneof('log_type')}.")
    request = predict_pb2.PredictRequest()
    request.CopyFrom(log.predict_log.request)
    request.model_spec.Clear()
    request.model_spec.name = MODEL_NAME
    request.model_spec.signature_name = log.predict_log.request.model_spec.signature_name
    return request
