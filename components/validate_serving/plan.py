"""What the fresh process is asked, by the policy."""

import dataclasses
from pathlib import Path
from typing import Any

import pyarrow as pa

from components._shared.artifacts import EVAL
from components._shared.errors import UserError
from components._shared.label import LabelSpec
from components._shared.policy import LEAST_REQUESTS, BusinessRulesGate, Policy, RobustnessGate
from components._shared.rules import label_problems
from components.validate_serving.job import ROBUSTNESS_FILE, RULES_FILE, TO_TRANSFORM_FILE, Job
from components.validate_serving.latency import BATCH_SIZES
from components.validate_serving.sampling import first_rows, sample_rows, select_features


def plan_job(bounds: Policy, model_dir: Path, schema: str, label: LabelSpec, timeout_seconds: float) -> Job:
    """Returns the job that the policy asks for.

    Args:
        bounds: The gates' bounds.
        model_dir: Folder of the SavedModel.
        schema: The schema.
        label: What is predicted.
        timeout_seconds: How long the fresh process may take.

    Raises:
        UserError: If a bound cannot be measured, or a rule makes no sense or does not suit the label.
    """
    _check_bounds(bounds)
    if problems := label_problems(bounds.business_rules.rules, label):
        raise UserError("A business rule suits the label.", received=problems, remedy="See docs/gates.md.")
    return Job(
        model=str(model_dir.resolve()),
        schema=str(Path(schema).resolve()),
        label=label,
        batch_sizes=tuple(sorted({*BATCH_SIZES, *(int(text) for text in bounds.serving.max_p99_ms)})),
        requests=bounds.serving.requests,
        timeout_seconds=timeout_seconds,
        robustness=None if bounds.robustness.off else dataclasses.asdict(bounds.robustness),
        rules=() if bounds.business_rules.off else bounds.business_rules.rules,
    )


def choose_samples(task: Job, bounds: Policy, examples: str, schema: Any, rows: int) -> dict[str, pa.Table]:
    """Returns the raw rows that are asked for besides the first ones of the test split, by file of the job.

    Args:
        task: The job.
        bounds: The gates' bounds.
        examples: Folder of the raw examples.
        schema: The schema of the rows.
        rows: Rows of the test split.
    """
    wanted: dict[str, RobustnessGate | BusinessRulesGate] = {}
    if task.robustness is not None:
        wanted[ROBUSTNESS_FILE] = bounds.robustness
    if task.rules:
        wanted[RULES_FILE] = bounds.business_rules
    samples = {file: sample_rows(examples, schema, gate.rows, gate.seed, rows) for file, gate in wanted.items()}
    return samples | {TO_TRANSFORM_FILE: select_features(first_rows(examples, EVAL, bounds.parity.rows), schema)}


def _check_bounds(bounds: Policy) -> None:
    sizes, requests = bounds.serving.max_p99_ms, bounds.serving.requests
    if not sizes:
        raise UserError("`serving.max_p99_ms` bounds at least one batch size.", received="none")
    if unknown := [text for text in sizes if not text.isdecimal() or int(text) < 1]:
        raise UserError("A batch size in `serving.max_p99_ms` is a whole number above 0, as text.", received=unknown)
    if requests < LEAST_REQUESTS:
        rule = f"`serving.requests` is at least {LEAST_REQUESTS}: with fewer, p99 has no upper limit."
        raise UserError(rule, received=requests)
    for name in ("parity", "robustness", "business_rules"):
        if (rows := getattr(bounds, name).rows) < 1:
            rule, remedy = f"`{name}.rows` is at least 1.", "To do without the gate, switch it off by name."
            raise UserError(rule, received=rows, remedy=remedy)
