"""Asks the loaded model what the gates robustness and business rules judge, inside the fresh process.

A probe or a rule that the model does not answer is noted, and the next one is asked.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from components._shared.artifacts import EXAMPLES_INPUT, SIGNATURE_EXAMPLES, SIGNATURE_RAW
from components._shared.policy import RobustnessGate
from components._shared.rules import MonotonicRule, read_rules
from components._tf.saved_model import raw_tensors, serialize_examples
from components.validate_serving import job
from components.validate_serving.business_rules import grid, with_value
from components.validate_serving.job import Job, Measured
from components.validate_serving.perturbations import Probe, perturb, plan_probes
from components.validate_serving.predictions import expected_shape
from components.validate_serving.robustness import UNCHANGED, probe_key

_LONGEST_MESSAGE = 200
_RULES_BATCH = 8192


def ask_probes(model: Any, task: Job, folder: Path, schema: Any, seen: Measured) -> dict[str, np.ndarray]:
    """Returns the predictions of the robustness sample, unchanged and under each probe, float64 of one shape each."""
    if task.robustness is None:
        return {}
    table, bounds = pq.read_table(folder / job.ROBUSTNESS_FILE), RobustnessGate(**task.robustness)
    answers: dict[str, np.ndarray] = {}
    _note(answers, UNCHANGED, seen, lambda: _predict(model, task, table, schema))
    for index, probe in enumerate(plan_probes(schema, bounds)):

        def ask(probe: Probe = probe) -> np.ndarray:
            return _predict(model, task, perturb(table, probe, schema, bounds), schema, probe.way)

        _note(answers, probe_key(index), seen, ask)
    return answers


def ask_rules(model: Any, task: Job, folder: Path, schema: Any, seen: Measured) -> dict[str, np.ndarray]:
    """Returns the predictions that the rules are about: as they are, and over the grid of each monotonic rule.

    Returns:
        Float64 arrays: `rules` of shape [rows], and `rule_<index>` of shape [values, rows] for each monotonic rule whose
        feature is a number; with an axis of classes behind where the label has classes.
    """
    answers: dict[str, np.ndarray] = {}
    if not task.rules:
        return answers
    table = pq.read_table(folder / job.RULES_FILE)
    _note(answers, "rules", seen, lambda: _predict(model, task, table, schema))
    for index, rule in enumerate(read_rules(task.rules)):
        if isinstance(rule, MonotonicRule) and (values := grid(rule, schema)) is not None:

            def sweep(rule: MonotonicRule = rule, values: np.ndarray = values) -> np.ndarray:
                tables = (with_value(table, rule.column, value) for value in values)
                return np.stack([_predict(model, task, changed, schema) for changed in tables])

            _note(answers, f"rule_{index}", seen, sweep)
    return answers


def _note(answers: dict[str, np.ndarray], key: str, seen: Measured, ask: Callable[[], np.ndarray]) -> None:
    try:
        answers[key] = ask()
    except Exception as error:  # whatever the user's model raises is a finding
        seen.unanswered[key] = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_MESSAGE]


def _predict(model: Any, task: Job, table: pa.Table, schema: Any, way: str = job.RAW) -> np.ndarray:
    batches = (table.slice(start, _RULES_BATCH) for start in range(0, table.num_rows, _RULES_BATCH))
    return np.concatenate([_predict_batch(model, task, batch, schema, way) for batch in batches])


def _predict_batch(model: Any, task: Job, table: pa.Table, schema: Any, way: str) -> np.ndarray:
    if way == job.RAW:
        outputs = model.signatures[SIGNATURE_RAW](**raw_tensors(table, schema))
    else:
        serialized = {EXAMPLES_INPUT: tf.constant(serialize_examples(table, schema))}
        outputs = model.signatures[SIGNATURE_EXAMPLES](**serialized)
    output, wanted = task.label.output, expected_shape(task.label, table.num_rows)
    predictions = outputs[output].numpy()
    if predictions.shape != wanted:
        raise ValueError(f"{output!r} has the shape {list(predictions.shape)}, not {list(wanted)}.")
    return predictions.astype(np.float64)
