"""What is asked of the server.

No probe stops those after it: what goes wrong is noted under the name of its check, and the rest is still measured. Only when
the server is lost does the asking end.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from components._data.schema import is_required, serving_features
from components._shared.artifacts import EXAMPLES_INPUT, SIGNATURE_EXAMPLES, SIGNATURE_RAW, SIGNATURE_TRANSFORM
from components._shared.errors import UserError
from components._shared.label import LabelSpec
from components._tf.saved_model import raw_specs, raw_tensors, serialize_examples
from components.validate_serving import job, stress, timing, warmup
from components.validate_serving.client import Client, RefusedError, make_request, read_response
from components.validate_serving.groupings import GROUPINGS, TRANSFORMED_ROWS, key_of
from components.validate_serving.job import Job, Measured, Samples
from components.validate_serving.predictions import expected_shape, invalid, not_finite
from components.validate_serving.target import ServerLostError

logger = logging.getLogger("sluice.validate_serving")

_BATCH_ROWS = 1024
_MISSING_ROWS = 100
_LONGEST_MESSAGE = 300

Answers = dict[str, np.ndarray]


def ask_everything(
    client: Client, task: Job, samples: Samples, seen: Measured, peak_mb: Callable[[], float | None]
) -> tuple[Answers, pa.Table | None, pa.Table | None]:
    """Asks a server that has the model AVAILABLE.

    Args:
        client: The server's client.
        task: What to ask.
        samples: The rows to ask it with.
        seen: What is seen is noted here.
        peak_mb: Tells how many megabytes the server's process held at most.

    Returns:
        `Outcome.answers`, `Outcome.transformed` and `Outcome.transformed_alone`, as far as the server came.
    """
    answers, transformed, alone = Answers(), list[pa.Table](), list[pa.Table]()
    try:
        _ask_in_order(client, task, samples, seen, peak_mb, answers, transformed, alone)
    except ServerLostError:
        logger.warning(seen.lost)
    return answers, transformed[0] if transformed else None, alone[0] if alone else None


def _ask_in_order(
    client: Client,
    task: Job,
    samples: Samples,
    seen: Measured,
    peak_mb: Callable[[], float | None],
    answers: Answers,
    transformed: list[pa.Table],
    alone: list[pa.Table],
) -> None:
    table, schema, label = samples.rows, task.schema, task.label
    with _noting(seen, "answers"):
        request = make_request(SIGNATURE_RAW, raw_tensors(table.slice(0, 1), schema))
        seen.first_request_ms = timing.time_call(client, request)
    with _noting(seen, "signatures"):
        _check_signatures(client.signatures(), label, schema, seen)
    with _noting(seen, "warm-up"):
        _play_warmup(client, Path(task.model), label, seen)
    with _noting(seen, "latency"), _timing(seen, "latency"):
        for size in task.batch_sizes:
            answers[f"latency_{size}"] = timing.time_requests(client, table, schema, size, task.requests)
    seen.peak_mb = peak_mb()  # before requests that no client would send
    with _noting(seen, "answers"):
        answers |= _ask_every_way(client, table, schema, label, seen)
    with _noting(seen, "missing values"):
        _ask_without_optional(client, table, schema, label, seen)
    with _noting(seen, "transform"):
        transformed += _transform(client, samples.to_transform, schema)
    if task.regroup:
        with _noting(seen, "groupings"), _timing(seen, "groupings"):
            _ask_groupings(client, table, schema, label, seen, answers)
            with _noting(seen, "transform one by one"):
                alone += _transform(client, samples.to_transform.slice(0, TRANSFORMED_ROWS), schema, batch_rows=1)
    with _noting(seen, "robustness"), _timing(seen, "robustness"):
        stress.ask_probes(client, task, samples.robustness, seen, answers)
    with _noting(seen, "business rules"), _timing(seen, "business rules"):
        stress.ask_rules(client, task, samples.rules, seen, answers)


@contextlib.contextmanager
def _timing(seen: Measured, what: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seen.seconds[what] = time.perf_counter() - started


@contextlib.contextmanager
def _noting(seen: Measured, check: str) -> Iterator[None]:
    try:
        yield
    except ServerLostError as error:
        seen.lost = seen.lost or f"{error} It was asked for: {check}."
        _note(seen, check, str(error))
        raise
    except Exception as error:  # whatever comes of the user's model is a finding
        logger.warning("%s: %s", check, error, exc_info=True)
        # These are findings in words for the page; what others raise is told by its type.
        worded = type(error) in (ValueError, UserError, RefusedError)
        _note(seen, check, str(error) if worded else f"{type(error).__name__}: {error}")


def _note(seen: Measured, check: str, message: str) -> None:
    line = " ".join(message.split())
    line = line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}…"
    if line not in seen.problems.setdefault(check, []):
        seen.problems[check].append(line)


def _check_signatures(signatures: dict[str, Any], label: LabelSpec, schema: Any, seen: Measured) -> None:
    serialized = {EXAMPLES_INPUT: tf.TensorSpec([None], tf.string)}
    wanted = {SIGNATURE_RAW: raw_specs(schema), SIGNATURE_EXAMPLES: serialized, SIGNATURE_TRANSFORM: serialized}
    for name, specs in wanted.items():
        if name not in signatures:
            _note(seen, "signatures", f"The model has no signature {name!r}.")
            continue
        inputs, outputs = _specs(signatures[name].inputs), _specs(signatures[name].outputs)
        seen.signatures[name] = {"inputs": _describe(inputs), "outputs": _describe(outputs)}
        for problem in _compare_specs(inputs, specs):
            _note(seen, "signatures", f"{name}: {problem}")
        output = label.output
        if name != SIGNATURE_TRANSFORM and (output not in outputs or outputs[output].dtype != tf.float32):
            _note(seen, "signatures", f"{name}: the output {output!r} of dtype float32 is missing.")


def _specs(infos: Any) -> dict[str, tf.TensorSpec]:
    return {
        name: tf.TensorSpec(tf.TensorShape(infos[name].tensor_shape), tf.dtypes.as_dtype(infos[name].dtype))
        for name in sorted(infos)
    }


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


def _play_warmup(client: Client, folder: Path, label: LabelSpec, seen: Measured) -> None:
    """The server has played them by itself; here their answers are looked at."""
    logs = warmup.read_warmup(folder)
    seen.warmup_records = len(logs)
    for log in logs:
        _note_numbers(seen, "warm-up", read_response(client.send(warmup.read_request(log))), label)


def _ask_every_way(client: Client, table: pa.Table, schema: Any, label: LabelSpec, seen: Measured) -> Answers:
    answers: dict[str, list[np.ndarray]] = {job.RAW: [], job.REST: [], job.EXAMPLES: []}
    for start in range(0, table.num_rows, _BATCH_ROWS):
        batch = table.slice(start, _BATCH_ROWS)
        with _noting(seen, "answers"):
            tensors = raw_tensors(batch, schema)
            answers[job.RAW].append(_predict(client, SIGNATURE_RAW, tensors, label, seen))
            predictions = client.predict_rest(tensors, label)
            answers[job.REST].append(_checked({label.output: predictions}, job.REST, batch.num_rows, label, seen))
        with _noting(seen, "answers"):
            serialized = _serialize(batch, schema)
            answers[job.EXAMPLES].append(_predict(client, SIGNATURE_EXAMPLES, serialized, label, seen))
            _note_numbers(seen, SIGNATURE_TRANSFORM, client.predict(SIGNATURE_TRANSFORM, serialized), label)
    whole = {way: np.concatenate(parts) for way, parts in answers.items() if parts}
    return {way: values for way, values in whole.items() if len(values) == table.num_rows}


def _ask_groupings(client: Client, table: pa.Table, schema: Any, label: LabelSpec, seen: Measured, answers: Answers) -> None:
    """Adds the answers to the same rows in other groupings, in the order of asking, for each way that answers them all."""
    for grouping in GROUPINGS:
        chosen = table.take(pa.array(grouping.order(table.num_rows)))
        tensors, serialized = raw_tensors(chosen, schema), _serialize(chosen, schema)
        for way, signature, inputs in ((job.RAW, SIGNATURE_RAW, tensors), (job.EXAMPLES, SIGNATURE_EXAMPLES, serialized)):
            with _noting(seen, "groupings"):
                key, parts = key_of(way, grouping), list[np.ndarray]()
                for start in range(0, chosen.num_rows, grouping.batch_rows):
                    batch = {name: tensor[start : start + grouping.batch_rows] for name, tensor in inputs.items()}
                    parts.append(_predict(client, signature, batch, label, seen, key))
                answers[key] = np.concatenate(parts)


def _serialize(table: pa.Table, schema: Any) -> dict[str, tf.Tensor]:
    return {EXAMPLES_INPUT: tf.constant(serialize_examples(table, schema), tf.string)}


def _ask_without_optional(client: Client, table: pa.Table, schema: Any, label: LabelSpec, seen: Measured) -> None:
    optional = [feature.name for feature in serving_features(schema) if not is_required(feature)]
    if not optional:
        return
    batch = table.slice(0, _MISSING_ROWS)
    for name in optional:
        batch = batch.set_column(batch.column_names.index(name), name, pa.nulls(batch.num_rows, batch[name].type))
    _predict(client, SIGNATURE_RAW, raw_tensors(batch, schema), label, seen, "without optional features")
    _predict(client, SIGNATURE_EXAMPLES, _serialize(batch, schema), label, seen, "without optional features")
    seen.without_optional = batch.num_rows


def _transform(client: Client, table: pa.Table, schema: Any, batch_rows: int = _BATCH_ROWS) -> list[pa.Table]:
    """Returns the transformed rows as one table; nothing when there are none."""
    batches = list[pa.Table]()
    for start in range(0, table.num_rows, batch_rows):
        batch = table.slice(start, batch_rows)
        outputs = client.predict(SIGNATURE_TRANSFORM, _serialize(batch, schema))
        batches.append(pa.table({name: _to_arrow(name, values, batch.num_rows) for name, values in sorted(outputs.items())}))
    return [pa.concat_tables(batches)] if batches else []


def _to_arrow(name: str, values: np.ndarray, rows: int) -> pa.Array:
    if values.ndim not in (1, 2) or len(values) != rows:
        raise ValueError(f"{SIGNATURE_TRANSFORM} gives {name!r} of shape {list(values.shape)} for {rows} rows.")
    flat = pa.array(values.reshape(-1), pa.binary() if values.dtype == object else None)
    return flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _predict(
    client: Client, signature: str, tensors: dict[str, tf.Tensor], label: LabelSpec, seen: Measured, asked: str = ""
) -> np.ndarray:
    outputs, rows = client.predict(signature, tensors), len(next(iter(tensors.values())))
    return _checked(outputs, signature, rows, label, seen, asked)


def _checked(
    outputs: dict[str, np.ndarray], way: str, rows: int, label: LabelSpec, seen: Measured, asked: str = ""
) -> np.ndarray:
    output = label.output
    if output not in outputs:
        raise ValueError(f"{way} gives no {output!r} but {sorted(outputs)}.")
    if outputs[output].shape != expected_shape(label, rows):
        raise ValueError(f"{way} gives {output!r} of shape {list(outputs[output].shape)} for {rows} rows.")
    _note_numbers(seen, asked or way, outputs, label)
    return outputs[output]


def _note_numbers(seen: Measured, asked: str, outputs: dict[str, np.ndarray], label: LabelSpec) -> None:
    for name, values in outputs.items():
        if not np.issubdtype(values.dtype, np.floating):
            continue
        seen.non_finite[asked] = seen.non_finite.get(asked, 0) + int(np.count_nonzero(~np.isfinite(values)))
        if name == label.output:
            wrong = np.count_nonzero(invalid(values, label) & ~not_finite(values))
            seen.invalid[asked] = seen.invalid.get(asked, 0) + int(wrong)
