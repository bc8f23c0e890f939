"""What is asked of the loaded model, inside the fresh process.

No probe stops those after it: what goes wrong is noted under the name of its check, and the rest is still measured.
"""

import contextlib
import gc
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from components._data.schema import is_required, read_schema, serving_features
from components._shared.artifacts import EXAMPLES_INPUT, SIGNATURE_EXAMPLES, SIGNATURE_RAW, SIGNATURE_TRANSFORM
from components._shared.errors import UserError
from components._tf.saved_model import PREDICTION_KEY, load_model, raw_specs, raw_tensors, serialize_examples
from components.validate_serving import job, rest, stress, warmup
from components.validate_serving.job import Job, Measured

logger = logging.getLogger("sluice.validate_serving")

_BATCH_ROWS = 1024
_MISSING_ROWS = 100
_UNTIMED_REQUESTS = 10
_LONGEST_MESSAGE = 300


def probe(task: Job, folder: Path) -> Measured:
    """Loads the model, asks everything of it, and writes the answers into the job's folder."""
    seen, answers = Measured(tensorflow=tf.__version__), dict[str, np.ndarray]()
    table, schema = pq.read_table(folder / job.ROWS_FILE), read_schema(task.schema)
    with _noting(seen, "loads"):
        started = time.perf_counter()
        model = load_model(task.model)
        seen.seconds["load"] = time.perf_counter() - started
        logger.info("Loaded the model in %.2f s.", seen.seconds["load"])
        with _noting(seen, "answers"):
            seen.first_request_ms = _first_request(model, table, schema)
        with _noting(seen, "signatures"):
            _check_signatures(model, schema, seen)
        with _noting(seen, "warm-up"):
            _play_warmup(model, Path(task.model), seen)
        with _noting(seen, "answers"):
            answers |= _ask_every_way(model, table, schema, seen)
        with _noting(seen, "missing values"):
            _ask_without_optional(model, table, schema, seen)
        with _noting(seen, "latency"):
            answers |= {f"latency_{size}": _time(model, table, schema, size, task.requests) for size in task.batch_sizes}
        with _noting(seen, "robustness"):
            started = time.perf_counter()
            answers |= stress.ask_probes(model, task, folder, schema, seen)
            seen.seconds["robustness"] = time.perf_counter() - started
        with _noting(seen, "business rules"):
            started = time.perf_counter()
            answers |= stress.ask_rules(model, task, folder, schema, seen)
            seen.seconds["business rules"] = time.perf_counter() - started
    np.savez(folder / job.ANSWERS_FILE, **answers)
    return seen


@contextlib.contextmanager
def _noting(seen: Measured, check: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever the user's model raises is a finding
        logger.warning("%s: %s", check, error, exc_info=True)
        # These two are our own findings, in words for the page; what others raise is told by its type.
        worded = type(error) in (ValueError, UserError)
        _note(seen, check, str(error) if worded else f"{type(error).__name__}: {error}")


def _note(seen: Measured, check: str, message: str) -> None:
    line = " ".join(message.split())
    line = line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}…"
    if line not in seen.problems.setdefault(check, []):
        seen.problems[check].append(line)


def _first_request(model: Any, table: pa.Table, schema: Any) -> float:
    tensors = raw_tensors(table.slice(0, 1), schema)
    started = time.perf_counter()
    _call(model, SIGNATURE_RAW, tensors)
    return (time.perf_counter() - started) * 1000


def _check_signatures(model: Any, schema: Any, seen: Measured) -> None:
    serialized = {EXAMPLES_INPUT: tf.TensorSpec([None], tf.string)}
    wanted = {SIGNATURE_RAW: raw_specs(schema), SIGNATURE_EXAMPLES: serialized, SIGNATURE_TRANSFORM: serialized}
    for name, specs in wanted.items():
        if name not in model.signatures:
            _note(seen, "signatures", f"The model has no signature {name!r}.")
            continue
        inputs, outputs = model.signatures[name].structured_input_signature[1], model.signatures[name].structured_outputs
        seen.signatures[name] = {"inputs": _describe(inputs), "outputs": _describe(outputs)}
        for problem in _compare_specs(inputs, specs):
            _note(seen, "signatures", f"{name}: {problem}")
        if name != SIGNATURE_TRANSFORM and (PREDICTION_KEY not in outputs or outputs[PREDICTION_KEY].dtype != tf.float32):
            _note(seen, "signatures", f"{name}: the output {PREDICTION_KEY!r} of dtype float32 is missing.")


def _describe(specs: dict[str, Any]) -> dict[str, str]:
    return {
        name: f"{spec.dtype.name} {list(spec.shape) if spec.shape.rank is not None else '?'}" for name, spec in specs.items()
    }


def _compare_specs(inputs: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    for name in sorted(inputs.keys() | wanted.keys()):
        if name not in inputs:
            yield f"the input {name!r} is missing."
        elif name not in wanted:
            yield f"the input {name!r} is no feature of the schema."
        elif inputs[name].dtype != wanted[name].dtype:
            yield f"the input {name!r} is {inputs[name].dtype.name}; the schema asks for {wanted[name].dtype.name}."
        elif not inputs[name].shape.is_compatible_with(wanted[name].shape) or inputs[name].shape.num_elements() is not None:
            yield f"the input {name!r} has the shape {inputs[name].shape}; a batch of any size, [None], must fit."


def _play_warmup(model: Any, folder: Path, seen: Measured) -> None:
    logs = warmup.read_warmup(folder)
    seen.warmup_records = len(logs)
    started = time.perf_counter()
    for log in logs:
        signature, tensors = warmup.read_request(log)
        _note_numbers(seen, "warm-up", _call(model, signature, tensors))
    seen.seconds["warmup"] = time.perf_counter() - started


def _ask_every_way(model: Any, table: pa.Table, schema: Any, seen: Measured) -> dict[str, np.ndarray]:
    answers: dict[str, list[np.ndarray]] = {job.RAW: [], job.REST: [], job.EXAMPLES: []}
    for start in range(0, table.num_rows, _BATCH_ROWS):
        batch = table.slice(start, _BATCH_ROWS)
        with _noting(seen, "answers"):
            tensors = raw_tensors(batch, schema)
            answers[job.RAW].append(_predict(model, SIGNATURE_RAW, tensors, batch.num_rows, seen))
            answers[job.REST].append(_predict_rest(model, tensors, batch.num_rows, seen))
        with _noting(seen, "answers"):
            serialized = {EXAMPLES_INPUT: tf.constant(serialize_examples(batch, schema))}
            answers[job.EXAMPLES].append(_predict(model, SIGNATURE_EXAMPLES, serialized, batch.num_rows, seen))
            _note_numbers(seen, SIGNATURE_TRANSFORM, _call(model, SIGNATURE_TRANSFORM, serialized))
    whole = {way: np.concatenate(parts) for way, parts in answers.items() if parts}
    return {way: values for way, values in whole.items() if len(values) == table.num_rows}


def _predict_rest(model: Any, tensors: dict[str, tf.Tensor], rows: int, seen: Measured) -> np.ndarray:
    body = rest.encode_request({name: tensor.numpy() for name, tensor in tensors.items()})
    dtypes = {name: tensor.dtype.as_numpy_dtype for name, tensor in tensors.items()}
    received = {name: tf.constant(values, tensors[name].dtype) for name, values in rest.decode_request(body, dtypes).items()}
    predictions = _predict(model, SIGNATURE_RAW, received, rows, seen)
    return np.array(json.loads(json.dumps({"predictions": predictions.tolist()}))["predictions"])


def _ask_without_optional(model: Any, table: pa.Table, schema: Any, seen: Measured) -> None:
    optional = [feature.name for feature in serving_features(schema) if not is_required(feature)]
    if not optional:
        return
    batch = table.slice(0, _MISSING_ROWS)
    for name in optional:
        batch = batch.set_column(batch.column_names.index(name), name, pa.nulls(batch.num_rows, batch[name].type))
    serialized = {EXAMPLES_INPUT: tf.constant(serialize_examples(batch, schema))}
    _predict(model, SIGNATURE_RAW, raw_tensors(batch, schema), batch.num_rows, seen, "without optional features")
    _predict(model, SIGNATURE_EXAMPLES, serialized, batch.num_rows, seen, "without optional features")
    seen.without_optional = batch.num_rows


def _time(model: Any, table: pa.Table, schema: Any, batch_size: int, requests: int) -> np.ndarray:
    """Returns the milliseconds of each request: one call of serving_default in this process, without network and parsing."""
    starts = [index * batch_size for index in range(max(1, min(8, table.num_rows // batch_size)))]
    batches = [raw_tensors(table.take((np.arange(batch_size) + start) % table.num_rows), schema) for start in starts]
    for index in range(_UNTIMED_REQUESTS):
        _call(model, SIGNATURE_RAW, batches[index % len(batches)])
    milliseconds = np.empty(requests)
    gc.collect()
    gc.disable()  # a collection of Python's garbage is none of the model's latency
    try:
        for index in range(requests):
            started = time.perf_counter()
            _call(model, SIGNATURE_RAW, batches[index % len(batches)])
            milliseconds[index] = (time.perf_counter() - started) * 1000
    finally:
        gc.enable()
    return milliseconds


def _predict(
    model: Any, signature: str, tensors: dict[str, tf.Tensor], rows: int, seen: Measured, asked: str = ""
) -> np.ndarray:
    outputs = _call(model, signature, tensors)
    if PREDICTION_KEY not in outputs:
        raise ValueError(f"{signature} gives no {PREDICTION_KEY!r} but {sorted(outputs)}.")
    predictions = outputs[PREDICTION_KEY]
    if predictions.shape != (rows,):
        raise ValueError(f"{signature} gives {PREDICTION_KEY!r} of shape {list(predictions.shape)} for {rows} rows.")
    _note_numbers(seen, asked or signature, outputs)
    return predictions


def _call(model: Any, signature: str, tensors: dict[str, tf.Tensor]) -> dict[str, np.ndarray]:
    if signature not in model.signatures:
        raise ValueError(f"The model has no signature {signature!r}.")
    return {name: tensor.numpy() for name, tensor in model.signatures[signature](**tensors).items()}


def _note_numbers(seen: Measured, asked: str, outputs: dict[str, np.ndarray]) -> None:
    for name, values in outputs.items():
        if not np.issubdtype(values.dtype, np.floating):
            continue
        seen.non_finite[asked] = seen.non_finite.get(asked, 0) + int(np.count_nonzero(~np.isfinite(values)))
        if name == PREDICTION_KEY:
            outside = np.count_nonzero((values < 0) | (values > 1))
            seen.out_of_range[asked] = seen.out_of_range.get(asked, 0) + int(outside)
