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
from components._tf.saved_model import PREDICTION_KEY, raw_tensors, serialize_examples
from components.validate_serving import job
from components.validate_serving.business_rules import grid, with_value
from components.validate_serving.job import Job, Measured
from components.validate_serving.perturbations import Probe, perturb, plan_probes
from components.validate_serving.robustness import UNCHANGED, probe_key

_LONGEST_MESSAGE = 200
_RULES_BATCH = 8192


def ask_probes(model: Any, task: Job, folder: Path, schema: Any, seen: Measured) -> dict[str, np.ndarray]:
    """Returns the predictions of the robustness sample, unchanged and under each probe, float64 of shape [rows] each."""
    if task.robustness is None:
        return {}
    table, bounds = pq.read_table(folder / job.ROBUSTNESS_FILE), RobustnessGate(**task.robustness)
    answers: dict[str, np.ndarray] = {}
    _note(answers, UNCHANGED, seen, lambda: _predict(model, table, schema))
    for index, probe in enumerate(plan_probes(schema, bounds)):

        def ask(probe: Probe = probe) -> np.ndarray:
            return _predict(model, perturb(table, probe, schema, bounds), schema, probe.way)

        _note(answers, probe_key(index), seen, ask)
    return answers


def ask_rules(model: Any, task: Job, folder: Path, schema: Any, seen: Measured) -> dict[str, np.ndarray]:
    """Returns the predictions that the rules are about: as they are, and over the grid of each monotonic rule.

    Returns:
        Float64 arrays: `rules` of shape [rows], and `rule_<index>` of shape [values, rows] for each monotonic rule whose
        feature is a number.
    """
    answers: dict[str, np.ndarray] = {}
    if not task.rules:
        return answers
    table = pq.read_table(folder / job.RULES_FILE)
    _note(answers, "rules", seen, lambda: _predict(model, table, schema))
    for index, rule in enumerate(read_rules(task.rules)):
        if isinstance(rule, MonotonicRule) and (values := grid(rule, schema)) is not None:

            def sweep(rule: MonotonicRule = rule, values: np.ndarray = values) -> np.ndarray:
                return np.stack([_predict(model, with_value(table, rule.column, value), schema) for value in values])

            _note(answers, f"rule_{index}", seen, sweep)
    return answers


def _note(answers: dict[str, np.ndarray], key: str, seen: Measured, ask: Callable[[], np.ndarray]) -> None:
    try:
        answers[key] = ask()
    except Exception as error:  # whatever the user's model raises is a finding
        seen.unanswered[key] = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_MESSAGE]


def _predict(model: Any, table: pa.Table, schema: Any, way: str = job.RAW) -> np.ndarray:
    starts = range(0, table.num_rows, _RULES_BATCH)
    return np.concatenate([_predict_batch(model, table.slice(start, _RULES_BATCH), schema, way) for start in starts])


def _predict_batch(model: Any, table: pa.Table, schema: Any, way: str) -> np.ndarray:
    if way == job.RAW:
        outputs = model.signatures[SIGNATURE_RAW](**raw_tensors(table, schema))
    else:
        serialized = {EXAMPLES_INPUT: tf.constant(serialize_examples(table, schema))}
        outputs = model.signatures[SIGNATURE_EXAMPLES](**serialized)
    predictions = outputs[PREDICTION_KEY].numpy()
    if predictions.shape != (table.num_rows,):
        raise ValueError(f"{PREDICTION_KEY!r} has the shape {list(predictions.shape)} for {table.num_rows} rows.")
    return predictions.astype(np.float64)
