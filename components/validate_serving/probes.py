"""What is asked of the server.

No probe stops those after it: what goes wrong is noted under the name of its check, and the rest is still measured. Only when
the server is lost does the asking end.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import tensorflow as tf

from components._data.schema import is_required, serving_features
from components._shared.artifacts import SIGNATURE_RAW, SIGNATURE_TRANSFORM
from components._shared.errors import UserError
from components._tf.interface import default_tensors, examples_tensors, to_predictions
from components._tf.saved_model import serialize_examples
from components.validate_serving import job, stress, timing, warmup
from components.validate_serving.client import Client, RefusedError, make_request, read_response
from components.validate_serving.groupings import GROUPINGS, TRANSFORMED_ROWS, grouped_ways, key_of
from components.validate_serving.job import Job, Measured, Samples
from components.validate_serving.predictions import expected_shape, invalid, not_finite
from components.validate_serving.signatures import check_signatures
from components.validate_serving.target import ServerLostError

logger = logging.getLogger("sluice.validate_serving")

_BATCH_ROWS = 1024
_MISSING_ROWS = 100
_NO_TRANSFORM = (
    f"The model has no signature {SIGNATURE_TRANSFORM!r} that takes serialized tf.Examples. Export it beside serving_default; "
    "docs/from-tfx.md shows how."
)

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
    table, schema = samples.rows, task.schema
    with _noting(seen, "answers"):
        request = make_request(SIGNATURE_RAW, default_tensors(task.interface, table.slice(0, 1), schema))
        seen.first_request_ms = timing.time_call(client, request)
    with _noting(seen, "signatures"):
        check_signatures(client.signatures(), task, seen)
    with _noting(seen, "warm-up"):
        _play_warmup(client, task, seen)
    with _noting(seen, "latency"), _timing(seen, "latency"):
        for size in task.batch_sizes:
            answers[f"latency_{size}"] = timing.time_requests(client, table, schema, task.interface, size, task.requests)
    seen.peak_mb = peak_mb()  # before requests that no client would send
    with _noting(seen, "answers"):
        answers |= _ask_every_way(client, table, task, seen)
    with _noting(seen, "missing values"):
        _ask_without_optional(client, table, task, seen)
    with _noting(seen, "transform"):
        transformed += _transform(client, samples.to_transform, task)
    if task.regroup:
        with _noting(seen, "groupings"), _timing(seen, "groupings"):
            _ask_groupings(client, table, task, seen, answers)
            with _noting(seen, "transform one by one"):
                alone += _transform(client, samples.to_transform.slice(0, TRANSFORMED_ROWS), task, batch_rows=1)
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
        seen.note(check, str(error))
        raise
    except Exception as error:  # whatever comes of the user's model is a finding
        logger.warning("%s: %s", check, error, exc_info=True)
        # These are findings in words for the page; what others raise is told by its type.
        worded = type(error) in (ValueError, UserError, RefusedError)
        seen.note(check, str(error) if worded else f"{type(error).__name__}: {error}")


def _play_warmup(client: Client, task: Job, seen: Measured) -> None:
    """The server has played them by itself; here their answers are looked at."""
    logs = warmup.read_warmup(Path(task.model))
    seen.warmup_records = len(logs)
    for log in logs:
        _note_numbers(seen, "warm-up", read_response(client.send(warmup.read_request(log))), task)


def _ask_every_way(client: Client, table: pa.Table, task: Job, seen: Measured) -> Answers:
    asked, answers = task.interface, {way: list[np.ndarray]() for way in task.ways}
    for start in range(0, table.num_rows, _BATCH_ROWS):
        batch = table.slice(start, _BATCH_ROWS)
        if asked.raw:
            with _noting(seen, "answers"):
                tensors = default_tensors(asked, batch, task.schema)
                answers[job.RAW].append(_predict(client, SIGNATURE_RAW, tensors, task, seen))
                answers[job.REST].append(_predict_rest(client, tensors, task, seen))
        with _noting(seen, "answers"):
            serialized = examples_tensors(asked, batch, task.schema)
            if asked.examples_signature:
                answers[job.EXAMPLES].append(_predict(client, asked.examples_signature, serialized, task, seen))
            if not asked.raw:
                answers[job.REST].append(_predict_rest(client, serialized, task, seen))
            if asked.own:
                _note_numbers(seen, SIGNATURE_TRANSFORM, client.predict(SIGNATURE_TRANSFORM, serialized), task)
    whole = {way: np.concatenate(parts) for way, parts in answers.items() if parts}
    return {way: values for way, values in whole.items() if len(values) == table.num_rows}


def _ask_groupings(client: Client, table: pa.Table, task: Job, seen: Measured, answers: Answers) -> None:
    """Adds the answers to the same rows in other groupings, in the order of asking, for each way that answers them all."""
    asked = task.interface
    for grouping in GROUPINGS:
        chosen = table.take(pa.array(grouping.order(table.num_rows)))
        for way in grouped_ways(task.ways):
            signature = asked.examples_signature if way == job.EXAMPLES else SIGNATURE_RAW
            make = examples_tensors if way == job.EXAMPLES else default_tensors
            inputs = make(asked, chosen, task.schema)
            with _noting(seen, "groupings"):
                key, parts = key_of(way, grouping), list[np.ndarray]()
                for start in range(0, chosen.num_rows, grouping.batch_rows):
                    batch = {name: tensor[start : start + grouping.batch_rows] for name, tensor in inputs.items()}
                    parts.append(_predict(client, signature, batch, task, seen, key))
                answers[key] = np.concatenate(parts)


def _ask_without_optional(client: Client, table: pa.Table, task: Job, seen: Measured) -> None:
    optional = [feature.name for feature in serving_features(task.schema) if not is_required(feature)]
    if not optional:
        return
    batch, asked = table.slice(0, _MISSING_ROWS), task.interface
    for name in optional:
        batch = batch.set_column(batch.column_names.index(name), name, pa.nulls(batch.num_rows, batch[name].type))
    without = "without optional features"
    _predict(client, SIGNATURE_RAW, default_tensors(asked, batch, task.schema), task, seen, without)
    if asked.raw and asked.examples_signature:
        _predict(client, asked.examples_signature, examples_tensors(asked, batch, task.schema), task, seen, without)
    seen.without_optional = batch.num_rows


def _transform(client: Client, table: pa.Table, task: Job, batch_rows: int = _BATCH_ROWS) -> list[pa.Table]:
    """Returns the transformed rows as one table; nothing when there are none."""
    asked, batches = task.interface, list[pa.Table]()
    if not asked.transform_input:
        raise ValueError(_NO_TRANSFORM)
    for start in range(0, table.num_rows, batch_rows):
        batch = table.slice(start, batch_rows)
        serialized = tf.constant(serialize_examples(batch, task.schema, with_label=not asked.own), tf.string)
        outputs = client.predict(SIGNATURE_TRANSFORM, {asked.transform_input: serialized})
        batches.append(pa.table({name: _to_arrow(name, values, batch.num_rows) for name, values in sorted(outputs.items())}))
    return [pa.concat_tables(batches)] if batches else []


def _to_arrow(name: str, values: np.ndarray, rows: int) -> pa.Array:
    if values.ndim not in (1, 2) or len(values) != rows:
        raise ValueError(f"{SIGNATURE_TRANSFORM} gives {name!r} of shape {list(values.shape)} for {rows} rows.")
    flat = pa.array(values.reshape(-1), pa.binary() if values.dtype == object else None)
    return flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _predict(
    client: Client, signature: str, tensors: dict[str, tf.Tensor], task: Job, seen: Measured, asked: str = ""
) -> np.ndarray:
    outputs, rows = client.predict(signature, tensors), len(next(iter(tensors.values())))
    return _checked(outputs, signature, rows, task, seen, asked)


def _predict_rest(client: Client, tensors: dict[str, tf.Tensor], task: Job, seen: Measured) -> np.ndarray:
    outputs, rows = client.predict_rest(tensors, task.interface), len(next(iter(tensors.values())))
    return _checked({task.interface.output: outputs}, job.REST, rows, task, seen)


def _checked(outputs: dict[str, np.ndarray], way: str, rows: int, task: Job, seen: Measured, asked: str = "") -> np.ndarray:
    output = task.interface.output
    if output not in outputs:
        raise ValueError(f"{way} gives no {output!r} but {sorted(outputs)}.")
    predictions = to_predictions(outputs[output], task.interface, task.label)
    if predictions.shape != expected_shape(task.label, rows):
        raise ValueError(f"{way} gives {output!r} of shape {list(outputs[output].shape)} for {rows} rows.")
    _note_numbers(seen, asked or way, outputs, task)
    return predictions


def _note_numbers(seen: Measured, asked: str, outputs: dict[str, np.ndarray], task: Job) -> None:
    for name, values in outputs.items():
        if not np.issubdtype(values.dtype, np.floating):
            continue
        seen.non_finite[asked] = seen.non_finite.get(asked, 0) + int(np.count_nonzero(~np.isfinite(values)))
        if name == task.interface.output:
            predictions = to_predictions(values, task.interface, task.label)
            wrong = np.count_nonzero(invalid(predictions, task.label) & ~not_finite(predictions))
            seen.invalid[asked] = seen.invalid.get(asked, 0) + int(wrong)
