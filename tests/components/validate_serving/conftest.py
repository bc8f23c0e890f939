"""A tiny project: 40 test rows, a schema with an optional feature, and models that serve it, well or badly."""

import contextlib
import gc
import os
import subprocess
import sys
import time
from pathlib import Path

import forking_server
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from components._data.examples import write_manifest, write_split
from components._data.integrity import digest_split
from components._shared.digest import digest_model
from components._shared.gates import Evidence, GateReport, GateResult, Verdict
from components._shared.interface import Interface, own_interface
from components._shared.label import LabelKind, LabelSpec
from components._shared.policy import BusinessRulesGate, ParityGate, Policy, ServingGate
from components._shared.policy_documents import policy_to_json
from components.validate_serving.client import Client
from serving.flags import parse as parse_flags
from serving.server import Server

SCHEMA = """
feature { name: "origin" type: BYTES presence { min_fraction: 1.0 } shape {} }
feature { name: "hour" type: INT presence { min_fraction: 1.0 } shape {} }
feature { name: "seats" type: FLOAT presence { min_fraction: 0.5 } value_count { min: 1 max: 1 } }
feature { name: "late" type: INT presence { min_fraction: 1.0 } shape {} not_in_environment: "SERVING" }
default_environment: "TRAINING"
default_environment: "SERVING"
"""
LATE = LabelSpec(name="late")
SPECIES = LabelSpec(name="late", kind=LabelKind.MULTICLASS, classes=("Adelie", "Chinstrap", "Gentoo"))
PRICE = LabelSpec(name="late", kind=LabelKind.NUMERIC)
ROWS = 40
RAW = {
    "origin": tf.TensorSpec([None], tf.string, name="origin"),
    "hour": tf.TensorSpec([None], tf.int64, name="hour"),
    "seats": tf.TensorSpec([None], tf.float32, name="seats"),
}
SERIALIZED = {"examples": tf.TensorSpec([None], tf.string, name="examples")}


def own(label: LabelSpec = LATE) -> Interface:
    """Returns how a model is asked that train_model exports."""
    return own_interface(list(RAW), label)


def rows_table() -> pa.Table:
    seats = [None if row % 4 == 0 else float(row) + 0.1 for row in range(ROWS)]
    origins = [("JFK", "Zürich", "<b>|")[row % 3] for row in range(ROWS)]
    return pa.table(
        {
            "origin": origins,
            "hour": pa.array(range(ROWS), pa.int64()),
            "seats": pa.array(seats, pa.float32()),
            "late": pa.array([row % 2 for row in range(ROWS)], pa.int64()),
        }
    )


def logits(raw: dict[str, tf.Tensor]) -> tf.Tensor:
    seats = tf.where(tf.math.is_nan(raw["seats"]), 7.0, raw["seats"])
    return tf.cast(raw["hour"], tf.float32) / 50 - seats / 40 + tf.cast(tf.strings.length(raw["origin"]), tf.float32) / 9


def good(raw: dict[str, tf.Tensor]) -> tf.Tensor:
    return tf.sigmoid(logits(raw))


def greatest(raw: dict[str, tf.Tensor]) -> tf.Tensor:
    """Returns probabilities that are divided by the batch's maximum: 1 for a row that is asked alone."""
    return good(raw) / tf.reduce_max(good(raw))


def transform_by_greatest(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {**transform(raw), "logit": logits(raw) / tf.reduce_max(logits(raw))}


def species(raw: dict[str, tf.Tensor]) -> tf.Tensor:
    return tf.nn.softmax(tf.stack([logits(raw), -logits(raw), tf.zeros_like(logits(raw))], axis=1))


def price(raw: dict[str, tf.Tensor]) -> tf.Tensor:
    return 1000 * logits(raw)


def near(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns the rows with numbers that are kept near what is usual."""
    seats, hours = tf.clip_by_value(raw["seats"], 0.0, 300.0), tf.clip_by_value(raw["hour"], 0, 100)
    return {**raw, "seats": seats, "hour": hours}


def parse(examples: tf.Tensor) -> dict[str, tf.Tensor]:
    missing = {"seats": float("nan")}
    features = {name: tf.io.FixedLenFeature([], spec.dtype, missing.get(name)) for name, spec in RAW.items()}
    return tf.io.parse_example(examples, features)


def transform(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    letters = tf.strings.length(raw["origin"])
    pair = tf.stack([tf.cast(raw["hour"], tf.float32), tf.cast(letters, tf.float32)], axis=1)
    return {"logit": logits(raw), "origin": raw["origin"], "hour_id": raw["hour"] % 24, "pair": pair}


def export(
    path: Path,
    predict=good,
    predict_examples=None,
    *,
    label=LATE,
    transform=transform,
    raw=RAW,
    leave_out: str = "",
    module: tf.Module | None = None,
    warmup: bool = True,
) -> Path:
    """Saves a model with the signatures of a release at `<path>/Format-Serving`."""
    from_examples = predict_examples or predict
    functions = {
        "serving_default": (lambda **inputs: {label.output: predict(inputs)}, raw),
        "examples": (lambda examples: {label.output: from_examples(parse(examples))}, SERIALIZED),
        "transform_features": (lambda examples: transform(parse(examples)), SERIALIZED),
    }
    signatures = {
        name: tf.function(function).get_concrete_function(**specs)
        for name, (function, specs) in functions.items()
        if name != leave_out
    }
    folder = path / "Format-Serving"
    tf.saved_model.save(module or tf.Module(), str(folder), signatures=signatures)
    if warmup:
        write_warmup(folder, [warmup_record()])
    return path


def warmup_record() -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = "serving_default"
    values = {"origin": [b"JFK"], "hour": np.array([3], np.int64), "seats": np.array([2.5], np.float32)}
    for name, value in values.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request)).SerializeToString()


def write_warmup(folder: Path, records: list[bytes], compression: str = "") -> None:
    (folder / "assets.extra").mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "assets.extra" / "tf_serving_warmup_requests"), compression) as writer:
        for record in records:
            writer.write(record)


def raw_rows() -> dict[str, tf.Tensor]:
    table = rows_table()
    return {
        "origin": tf.constant([value.encode() for value in table["origin"].to_pylist()]),
        "hour": tf.constant(table["hour"].to_pylist(), tf.int64),
        "seats": tf.constant([float("nan") if value is None else value for value in table["seats"].to_pylist()], tf.float32),
    }


def expected(predict=good) -> np.ndarray:
    return predict(raw_rows()).numpy()


def write_transformed(folder: Path, **changes: pa.Array) -> None:
    """Writes the eval split as training saw it, with changed columns."""
    outputs = {name: tensor.numpy() for name, tensor in transform(raw_rows()).items()}
    pair = pa.FixedSizeListArray.from_arrays(pa.array(outputs.pop("pair").reshape(-1)), 2)
    columns = {name: pa.array(values.tolist() if values.dtype == object else values) for name, values in outputs.items()}
    write_split(folder, "eval", pa.table({**columns, "pair": pair, "late": rows_table()["late"], **changes}))


def policy(*, parity: ParityGate | None = None, rules: tuple = (), **serving) -> dict:
    serving = {"max_p99_ms": {"1": 1000.0, "64": 1000.0}, "requests": 299, **serving}
    gates = {"parity": parity or ParityGate(), "business_rules": BusinessRulesGate(rules=rules)}
    return policy_to_json(Policy(serving=ServingGate(**serving), **gates))


def write_evaluation(folder: Path, model: Path, predictions=None, labels=None, **evidence) -> Path:
    """Writes the parts of an evaluation that serving is compared with."""
    agreed = {"model_digest": digest_model(model / "Format-Serving"), "data_version": "sha256:data"}
    found = Evidence(**{**agreed, "policy_hash": "sha256:policy", "baseline_version": "", **evidence})
    gate = GateResult(gate="performance", verdict=Verdict.PASSED, reason="fine")
    GateReport(stage="evaluate_model", evidence=found, gates=(gate,)).write(folder)
    columns = {"late": rows_table()["late"] if labels is None else labels}
    values = np.asarray(expected() if predictions is None else predictions, np.float32)
    flat = pa.array(values.reshape(-1))
    columns["candidate"] = flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
    pq.write_table(pa.table(columns), folder / "predictions.parquet")
    return folder


def write_project(folder: Path, label: LabelSpec = LATE) -> None:
    splits = {split: {"rows": ROWS, "files": digest_split(folder / "examples", split)} for split in ("eval", "test")}
    kind = {"label": label.name, "label_kind": label.kind, "label_classes": label.classes}
    write_manifest(folder / "examples", {"data_version": "sha256:data", "splits": splits, **kind})


@contextlib.contextmanager
def served(model: Path):
    """Yields a client of a server of the model in this process, which starts at once."""
    base = model / "served"
    base.mkdir()
    (base / "1").symlink_to(model / "Format-Serving", target_is_directory=True)
    flags = ["--port=0", "--rest_api_port=-1", "--model_name=candidate", "--max_num_load_retries=0"]
    server = Server(parse_flags([*flags, "--file_system_poll_wait_seconds=0", f"--model_base_path={base}"]))
    try:
        server.start()
        client = Client(server.port, server.rest_port, deadline=time.monotonic() + 60, ending=lambda: "")
        with contextlib.closing(client):
            yield client
    finally:
        server.close()
        (base / "1").unlink()
        base.rmdir()


@pytest.fixture(scope="module", autouse=True)
def _quick_collections():
    """Does what the server's program does: a collection after an unload then costs milliseconds."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def kit():
    """Returns this module: tests are loaded one by one and cannot import it."""
    return sys.modules[__name__]


@pytest.fixture(scope="session")
def forked_server(tmp_path_factory) -> str:
    """Returns lines of the shell that become a model server, of this repository, that starts at once."""
    socket = tmp_path_factory.mktemp("forking") / "socket"
    command = [sys.executable, forking_server.__file__, str(socket)]
    repository = Path(__file__).parents[3]
    host = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(repository)}, stderr=subprocess.DEVNULL)
    while not socket.exists():
        assert host.poll() is None
        time.sleep(0.01)
    yield f'exec {" ".join([sys.executable, "-S", *command[1:]])} "$@"'
    host.kill()
    host.wait()


@pytest.fixture(scope="session")
def good_model(tmp_path_factory) -> Path:
    return export(tmp_path_factory.mktemp("model"))


@pytest.fixture
def project(tmp_path, good_model) -> dict[str, str]:
    """Returns the stage's inputs and outputs, with a model that does everything right."""
    for split in ("eval", "test"):
        write_split(tmp_path / "examples", split, rows_table())
    write_transformed(tmp_path / "transformed_examples")
    write_project(tmp_path)
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "schema.pbtxt").write_text(SCHEMA)
    (tmp_path / "baseline").mkdir()
    (tmp_path / "baseline" / "baseline.json").write_text('{"version": "", "model_digest": "", "pushed_digest": ""}')
    write_evaluation(tmp_path / "evaluation", good_model)
    names = ("baseline", "examples", "transformed_examples", "schema", "evaluation", "serving_report", "report")
    return {"model": str(good_model), **{name: str(tmp_path / name) for name in names}}
