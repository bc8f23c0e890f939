"""Asks the server what the gates robustness and business rules judge.

A probe or a rule that it does not answer is noted, and the next one is asked, as long as the server is there.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from components._shared.artifacts import SIGNATURE_RAW
from components._shared.rules import MonotonicRule, read_rules
from components._tf.interface import default_tensors, examples_tensors, to_predictions
from components.validate_serving import job
from components.validate_serving.business_rules import grid, with_value
from components.validate_serving.client import Client, RefusedError
from components.validate_serving.job import Job, Measured
from components.validate_serving.perturbations import Probe, perturb, plan_probes
from components.validate_serving.predictions import expected_shape
from components.validate_serving.robustness import UNCHANGED, probe_key, probe_name
from components.validate_serving.target import ServerLostError

_LONGEST_MESSAGE = 200
_BATCH_ROWS = 8192


def ask_probes(client: Client, task: Job, table: pa.Table, seen: Measured, answers: dict[str, np.ndarray]) -> None:
    """Adds the predictions of the robustness sample, unchanged and under each probe, float64 of one shape each.

    A request holds one probe, so that what it breaks has a name.
    """
    if task.robustness is None:
        return
    bounds = task.robustness
    _note(answers, UNCHANGED, "the unchanged rows", seen, lambda: _predict(client, task, table))
    for index, probe in enumerate(plan_probes(task.schema, bounds, task.ways)):

        def ask(probe: Probe = probe) -> np.ndarray:
            return _predict(client, task, perturb(table, probe, task.schema, bounds), probe.way)

        _note(answers, probe_key(index), f"the probe {probe_name(probe)}", seen, ask)


def ask_rules(client: Client, task: Job, table: pa.Table, seen: Measured, answers: dict[str, np.ndarray]) -> None:
    """Adds the predictions that the rules are about: as they are, and over the grid of each monotonic rule.

    These are float64 arrays: `rules` of shape [rows], and `rule_<index>` of shape [values, rows] for each monotonic rule whose
    feature is a number; with an axis of classes behind where the label has classes.
    """
    if not task.rules:
        return
    _note(answers, "rules", "the rows of the business rules", seen, lambda: _predict(client, task, table))
    for index, rule in enumerate(read_rules(task.rules)):
        if isinstance(rule, MonotonicRule) and (values := grid(rule, task.schema)) is not None and table.num_rows:

            def sweep(rule: MonotonicRule = rule, values: np.ndarray = values) -> np.ndarray:
                swept = pa.concat_tables([with_value(table, rule.column, value) for value in values])
                predictions = _predict(client, task, swept)
                return predictions.reshape(len(values), table.num_rows, *predictions.shape[1:])

            _note(answers, f"rule_{index}", f"the rule {rule.name}", seen, sweep)


def _note(answers: dict[str, np.ndarray], key: str, name: str, seen: Measured, ask: Callable[[], np.ndarray]) -> None:
    try:
        answers[key] = ask()
    except ServerLostError as error:
        seen.lost = seen.unanswered[key] = f"{error} It was asked for: {name}."
        raise
    except Exception as error:  # whatever comes of the user's model is a finding
        told = str(error) if isinstance(error, RefusedError) else f"{type(error).__name__}: {error}"
        seen.unanswered[key] = " ".join(told.split())[:_LONGEST_MESSAGE]


def _predict(client: Client, task: Job, table: pa.Table, way: str = "") -> np.ndarray:
    starts = range(0, max(table.num_rows, 1), _BATCH_ROWS)
    return np.concatenate([_predict_batch(client, task, table.slice(start, _BATCH_ROWS), way) for start in starts])


def _predict_batch(client: Client, task: Job, table: pa.Table, way: str) -> np.ndarray:
    asked = task.interface
    if way == job.EXAMPLES:
        outputs = client.predict(asked.examples_signature, examples_tensors(asked, table, task.schema))
    else:
        outputs = client.predict(SIGNATURE_RAW, default_tensors(asked, table, task.schema))
    predictions = to_predictions(outputs[asked.output], asked, task.label)
    if predictions.shape != (wanted := expected_shape(task.label, table.num_rows)):
        raise ValueError(f"{asked.output!r} has the shape {list(predictions.shape)}, not {list(wanted)}.")
    return predictions.astype(np.float64)
