"""What the server is asked, by the policy."""

import logging
from pathlib import Path
from typing import Any

import pyarrow as pa

from components._data.schema import serving_features
from components._shared.artifacts import EVAL
from components._shared.errors import UserError
from components._shared.interface import Interface, own_interface
from components._shared.label import LabelSpec
from components._shared.policy import LEAST_REQUESTS, BusinessRulesGate, Policy, RobustnessGate
from components._shared.rules import label_problems
from components._tf.interface import read_interface
from components.validate_serving.job import Job, Samples
from components.validate_serving.latency import BATCH_SIZES
from components.validate_serving.sampling import first_rows, sample_rows, select_features

logger = logging.getLogger("sluice.validate_serving")


def plan_job(
    bounds: Policy, model_dir: Path, schema: Any, label: LabelSpec, timeout_seconds: float, *, by_run_fn: bool = False
) -> Job:
    """Returns the job that the policy asks for.

    Args:
        bounds: The gates' bounds.
        model_dir: Folder of the SavedModel.
        schema: The schema.
        label: What is predicted.
        timeout_seconds: How long the server may take.
        by_run_fn: Whether a run_fn exported the model, whose signatures then tell how it is asked.

    Raises:
        UserError: If a bound cannot be measured, or a rule makes no sense or does not suit the label.
    """
    _check_bounds(bounds)
    if problems := label_problems(bounds.business_rules.rules, label):
        raise UserError("A business rule suits the label.", received=problems, remedy="See docs/gates.md.")
    return Job(
        model=str(model_dir.resolve()),
        schema=schema,
        label=label,
        interface=_find_interface(model_dir, schema, label) if by_run_fn else _own(schema, label),
        batch_sizes=tuple(sorted({*BATCH_SIZES, *(int(text) for text in bounds.serving.max_p99_ms)})),
        requests=bounds.serving.requests,
        timeout_seconds=timeout_seconds,
        robustness=None if bounds.robustness.off else bounds.robustness,
        rules=() if bounds.business_rules.off else bounds.business_rules.rules,
        regroup=not bounds.parity.off,
    )


def choose_samples(task: Job, bounds: Policy, examples: str, test: pa.Table, total: int) -> Samples:
    """Returns the raw rows to send.

    Args:
        task: The job.
        bounds: The gates' bounds.
        examples: Folder of the raw examples.
        test: The first rows of the test split.
        total: Rows of the test split.
    """
    features, schema = select_features(test, task.schema), task.schema
    sampled: dict[str, pa.Table] = {}
    for name, wanted in (("robustness", task.robustness is not None), ("rules", bool(task.rules))):
        gate: RobustnessGate | BusinessRulesGate = bounds.robustness if name == "robustness" else bounds.business_rules
        sampled[name] = sample_rows(examples, schema, gate.rows, gate.seed, total) if wanted else features.slice(0, 0)
    to_transform = first_rows(examples, EVAL, bounds.parity.rows)
    if task.interface.own:  # what a run_fn exports may parse the label in transform_features, as TFX's modules do
        to_transform = select_features(to_transform, schema)
    return Samples(rows=features, to_transform=to_transform, **sampled)


def _own(schema: Any, label: LabelSpec) -> Interface:
    return own_interface([feature.name for feature in serving_features(schema)], label)


def _find_interface(model_dir: Path, schema: Any, label: LabelSpec) -> Interface:
    try:
        return read_interface(model_dir, schema, label)
    except UserError as error:
        # Asked as what train_model exports, it fails, and the gates say how.
        logger.warning("The model cannot be asked by its signatures. %s", error)
        return _own(schema, label)


def _check_bounds(bounds: Policy) -> None:
    sizes, requests = bounds.serving.max_p99_ms, bounds.serving.requests
    if not sizes:
        raise UserError("`serving.max_p99_ms` bounds at least one batch size.", received="none")
    if requests < LEAST_REQUESTS:
        rule = f"`serving.requests` is at least {LEAST_REQUESTS}: with fewer, p99 has no upper limit."
        raise UserError(rule, received=requests)
    for name in ("parity", "robustness", "business_rules"):
        if (rows := getattr(bounds, name).rows) < 1:
            rule, remedy = f"`{name}.rows` is at least 1.", "To do without the gate, switch it off by name."
            raise UserError(rule, received=rows, remedy=remedy)
