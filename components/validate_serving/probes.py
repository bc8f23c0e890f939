"""What is asked of the loaded model, inside the fresh process.

No probe stops those after it: what goes wrong is noted under the name of its check, and the rest is still measured.
"""

import contextlib
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
from components._shared.label import LabelSpec
from components._tf.saved_model import load_model, raw_specs, raw_tensors, serialize_examples
from components.validate_serving import job, memory, rest, stress, timing, warmup
from components.validate_serving.job import Job, Measured
from components.validate_serving.predictions import expected_shape, invalid, not_finite

logger = logging.getLogger("sluice.validate_serving")

_BATCH_ROWS = 1024
_MISSING_ROWS = 100
_LONGEST_MESSAGE = 300


def probe(task: Job, folder: Path) -> Measured:
    """Loads the model, asks everything of it, and writes the answers into the job's folder."""
    seen, answers = Measured(tensorflow=tf.__version__), dict[str, np.ndarray]()
    table, schema = pq.read_table(folder / job.ROWS_FILE), read_schema(task.schema)
    memory.forget_peak()
    held = memory.held_mb()
    with _noting(seen, "loads"):
        model = _load(task, table, schema, seen)
        with _noting(seen, "signatures"):
            _check_signatures(model, task.label, schema, seen)
        with _noting(seen, "warm-up"):
            _play_warmup(model, Path(task.model), task.label, seen)
        with _noting(seen, "latency"), _timing(seen, "latency"):
            for size in task.batch_sizes:
                answers[f"latency_{size}"] = timing.time_requests(model, table, schema, size, task.requests)
        peak = memory.peak_mb()  # before requests that no client would send
        seen.memory = {"peak_mb": peak}
        if held is not None:
            seen.memory |= {"before_load_mb": held, "added_mb": peak - held}
        with _noting(seen, "answers"):
            answers |= _ask_every_way(model, table, schema, task.label, seen)
        with _noting(seen, "missing values"):
            _ask_without_optional(model, table, schema, task.label, seen)
        with _noting(seen, "transform"):
            _transform(model, folder, schema)
        with _noting(seen, "robustness"), _timing(seen, "robustness"):
            answers |= stress.ask_probes(model, task, folder, schema, seen)
        with _noting(seen, "business rules"), _timing(seen, "business rules"):
            answers |= stress.ask_rules(model, task, folder, schema, seen)
    np.savez(folder / job.ANSWERS_FILE, **answers)
    return seen


def _load(task: Job, table: pa.Table, schema: Any, seen: Measured) -> Any:
    """Loads the model and sends it its first request: the cold start."""
    tensors = None
    with _noting(seen, "answers"):
        tensors = raw_tensors(table.slice(0, 1), schema)
    started = time.perf_counter()
    model = load_model(task.model)
    seen.seconds["load"] = time.perf_counter() - started
    logger.info("Loaded the model in %.2f s.", seen.seconds["load"])
    if tensors is not None:
        with _noting(seen, "answers"):
            seen.first_request_ms = timing.time_call(model, tensors)
            seen.seconds["cold_start"] = time.perf_counter() - started
    return model


@contextlib.contextmanager
def _timing(seen: Measured, what: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seen.seconds[what] = time.perf_counter() - started


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


def _check_signatures(model: Any, label: LabelSpec, schema: Any, seen: Measured) -> None:
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
        output = label.output
        if name != SIGNATURE_TRANSFORM and (output not in outputs or outputs[output].dtype != tf.float32):
            _note(seen, "signatures", f"{name}: the output {output!r} of dtype float32 is missing.")


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


def _play_warmup(model: Any, folder: Path, label: LabelSpec, seen: Measured) -> None:
    logs = warmup.read_warmup(folder)
    seen.warmup_records = len(logs)
    started = time.perf_counter()
    for log in logs:
        signature, tensors = warmup.read_request(log)
        _note_numbers(seen, "warm-up", _call(model, signature, tensors), label)
    seen.seconds["warmup"] = time.perf_counter() - started


def _ask_every_way(model: Any, table: pa.Table, schema: Any, label: LabelSpec, seen: Measured) -> dict[str, np.ndarray]:
    answers: dict[str, list[np.ndarray]] = {job.RAW: [], job.REST: [], job.EXAMPLES: []}
    for start in range(0, table.num_rows, _BATCH_ROWS):
        batch = table.slice(start, _BATCH_ROWS)
        with _noting(seen, "answers"):
            tensors = raw_tensors(batch, schema)
            answers[job.RAW].append(_predict(model, SIGNATURE_RAW, tensors, label, seen))
            answers[job.REST].append(_predict_rest(model, tensors, label, seen))
        with _noting(seen, "answers"):
            serialized = {EXAMPLES_INPUT: tf.constant(serialize_examples(batch, schema))}
            answers[job.EXAMPLES].append(_predict(model, SIGNATURE_EXAMPLES, serialized, label, seen))
            _note_numbers(seen, SIGNATURE_TRANSFORM, _call(model, SIGNATURE_TRANSFORM, serialized), label)
    whole = {way: np.concatenate(parts) for way, parts in answers.items() if parts}
    return {way: values for way, values in whole.items() if len(values) == table.num_rows}


def _predict_rest(model: Any, tensors: dict[str, tf.Tensor], label: LabelSpec, seen: Measured) -> np.ndarray:
    body = rest.encode_request({name: tensor.numpy() for name, tensor in tensors.items()})
    dtypes = {name: tensor.dtype.as_numpy_dtype for name, tensor in tensors.items()}
    received = {name: tf.constant(values, tensors[name].dtype) for name, values in rest.decode_request(body, dtypes).items()}
    predictions = _predict(model, SIGNATURE_RAW, received, label, seen)
    return np.array(json.loads(json.dumps({"predictions": predictions.tolist()}))["predictions"])


def _ask_without_optional(model: Any, table: pa.Table, schema: Any, label: LabelSpec, seen: Measured) -> None:
    optional = [feature.name for feature in serving_features(schema) if not is_required(feature)]
    if not optional:
        return
    batch = table.slice(0, _MISSING_ROWS)
    for name in optional:
        batch = batch.set_column(batch.column_names.index(name), name, pa.nulls(batch.num_rows, batch[name].type))
    serialized = {EXAMPLES_INPUT: tf.constant(serialize_examples(batch, schema))}
    _predict(model, SIGNATURE_RAW, raw_tensors(batch, schema), label, seen, "without optional features")
    _predict(model, SIGNATURE_EXAMPLES, serialized, label, seen, "without optional features")
    seen.without_optional = batch.num_rows


def _transform(model: Any, folder: Path, schema: Any) -> None:
    table = pq.read_table(folder / job.TO_TRANSFORM_FILE)
    batches = list[pa.Table]()
    for start in range(0, table.num_rows, _BATCH_ROWS):
        batch = table.slice(start, _BATCH_ROWS)
        outputs = _call(model, SIGNATURE_TRANSFORM, {EXAMPLES_INPUT: tf.constant(serialize_examples(batch, schema))})
        batches.append(pa.table({name: _to_arrow(name, values, batch.num_rows) for name, values in outputs.items()}))
    if batches:
        pq.write_table(pa.concat_tables(batches), folder / job.TRANSFORMED_FILE)


def _to_arrow(name: str, values: np.ndarray, rows: int) -> pa.Array:
    if values.ndim not in (1, 2) or len(values) != rows:
        raise ValueError(f"{SIGNATURE_TRANSFORM} gives {name!r} of shape {list(values.shape)} for {rows} rows.")
    flat = pa.array(values.reshape(-1), pa.binary() if values.dtype == object else None)
    return flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _predict(
    model: Any, signature: str, tensors: dict[str, tf.Tensor], label: LabelSpec, seen: Measured, asked: str = ""
) -> np.ndarray:
    outputs, output = _call(model, signature, tensors), label.output
    if output not in outputs:
        raise ValueError(f"{signature} gives no {output!r} but {sorted(outputs)}.")
    rows = len(next(iter(tensors.values())))
    if outputs[output].shape != expected_shape(label, rows):
        raise ValueError(f"{signature} gives {output!r} of shape {list(outputs[output].shape)} for {rows} rows.")
    _note_numbers(seen, asked or signature, outputs, label)
    return outputs[output]


def _call(model: Any, signature: str, tensors: dict[str, tf.Tensor]) -> dict[str, np.ndarray]:
    if signature not in model.signatures:
        raise ValueError(f"The model has no signature {signature!r}.")
    return {name: tensor.numpy() for name, tensor in model.signatures[signature](**tensors).items()}


def _note_numbers(seen: Measured, asked: str, outputs: dict[str, np.ndarray], label: LabelSpec) -> None:
    for name, values in outputs.items():
        if not np.issubdtype(values.dtype, np.floating):
            continue
        seen.non_finite[asked] = seen.non_finite.get(asked, 0) + int(np.count_nonzero(~np.isfinite(values)))
        if name == label.output:
            wrong = np.count_nonzero(invalid(values, label) & ~not_finite(values))
            seen.invalid[asked] = seen.invalid.get(asked, 0) + int(wrong)
