"""Checks in the target server that the exported model loads and answers as it was evaluated."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa

from components._data.examples import read_manifest
from components._data.integrity import check_splits
from components._data.schema import read_schema
from components._shared.artifacts import (
    EVAL,
    GATES_FILE,
    MANIFEST_FILE,
    SERVING_MODEL_DIR,
    SIGNATURE_TRANSFORM,
    TEST,
    TRAINING_FILE,
)
from components._shared.digest import digest_documents, digest_model
from components._shared.documents import read_object
from components._shared.gates import Evidence, GateReport, GateResult, Verdict
from components._shared.label import LabelKind, LabelSpec, read_label_spec
from components._shared.live_version import read_live_version
from components._shared.overrides import read_bounds
from components._shared.policy import Policy
from components._shared.project_code import RUN_FN
from components.validate_serving.business_rules import BusinessRules, judge_rules
from components.validate_serving.job import Job, Outcome, Samples
from components.validate_serving.latency import summarize_latency
from components.validate_serving.page import write_page, write_report
from components.validate_serving.parity import (
    NoPredictionsError,
    Parity,
    judge_parity,
    read_predictions,
    with_transform,
    without_transform,
)
from components.validate_serving.plan import choose_samples, plan_job
from components.validate_serving.robustness import Robustness, judge_robustness
from components.validate_serving.run import run_job
from components.validate_serving.sampling import first_rows, label_range
from components.validate_serving.serving import judge_serving, model_size_mb
from components.validate_serving.transform_parity import TransformParity, failure, judge_transform, with_alone

logger = logging.getLogger("sluice.validate_serving")


def validate_serving(
    *,
    model: str,
    baseline: str,
    examples: str,
    transformed_examples: str,
    schema: str,
    evaluation: str,
    eval_config: dict[str, Any],
    policy: dict[str, Any],
    policy_hash: str,
    serving_report: str,
    report: str,
    overrides: dict[str, Any] | None = None,
    timeout_seconds: float = 300.0,
) -> GateReport:
    """Starts the target server on the exported model, asks it in every way, and judges the gates of serving.

    Args:
        model: Folder of the candidate.
        baseline: Folder of the live version, for the evidence.
        examples: Folder of the raw examples; rows of the test split are sent, and rows of the eval split transformed.
        transformed_examples: Folder of the transformed examples, whose eval split is what training saw.
        schema: The schema.
        evaluation: Folder of the evaluation with its predictions.
        eval_config: A tfma.EvalConfig in JSON form, which the policy's hash covers.
        policy: The gates' bounds.
        policy_hash: Hash of the policy.
        serving_report: Folder to write the measurements and the gates' report to.
        report: File to write the page to.
        overrides: What this run tightens.
        timeout_seconds: How long the server may take, from its start to its last answer.

    Raises:
        UserError: If the policy is not what its hash says, an override loosens, or the policy, a rule, the examples, the
            schema or baseline.json cannot be read.
    """
    (Path(serving_report) / GATES_FILE).unlink(missing_ok=True)  # an older report must not outlive an error
    judged_by = read_bounds(policy, eval_config, policy_hash, overrides)
    documents = digest_documents(Path(examples) / MANIFEST_FILE, Path(model) / TRAINING_FILE)
    bounds, manifest, model_dir = judged_by.policy, read_manifest(examples), Path(model) / SERVING_MODEL_DIR
    check_splits(examples, manifest, (EVAL, TEST))
    known = read_schema(schema)
    trained = _read_training(model)
    by_run_fn = trained.get("trained_by") == RUN_FN
    task = plan_job(bounds, model_dir, known, read_label_spec(manifest), timeout_seconds, by_run_fn=by_run_fn)
    evidence = Evidence(
        model_digest=digest_model(model_dir),
        data_version=manifest["data_version"],
        policy_hash=judged_by.policy_hash,
        baseline_version=read_live_version(baseline).version,
    )
    rows = first_rows(examples, TEST, bounds.parity.rows)
    samples = choose_samples(task, bounds, examples, rows, manifest["splits"][TEST]["rows"])
    outcome = run_job(task, samples)
    timed = {size: outcome.answers[key] for size in task.batch_sizes if (key := f"latency_{size}") in outcome.answers}
    latencies, size_mb = [summarize_latency(size, values) for size, values in timed.items()], model_size_mb(model_dir)
    serving = judge_serving(bounds.serving, task.label, outcome, latencies, size_mb)
    parity = _parity(bounds, task, outcome, evaluation, evidence, manifest, rows, samples)
    features = trained.get("features") if by_run_fn else None
    if by_run_fn and (reason := bounds.parity.transform_off):
        parity = without_transform(parity, reason)
    else:
        transform = _transform(bounds, task.label, outcome, transformed_examples, manifest, samples, features)
        parity = with_transform(parity, transform)
    labels = label_range(examples, task.label.name) if task.label.kind is LabelKind.NUMERIC else None
    robustness, rules = _judge_stress(bounds, task, outcome, samples, labels)
    results = (serving, parity.result, robustness.result, rules.result)
    gates = tuple(_unless_off(result, getattr(bounds, result.gate).off) for result in results)
    found = GateReport(stage="validate_serving", evidence=evidence, gates=gates, documents=documents)
    rows_shown = {"worst_rows": parity.worst, "differing_features": parity.differing}
    rows_shown |= {"broken_probes": robustness.broken, "broken_rules": rules.broken}
    shown = {"outcome": outcome, "latencies": latencies, "size_mb": size_mb, **rows_shown}
    write_page(report, serving_report, found=found, bounds=bounds, task=task, **shown)
    write_report(serving_report, found, outcome, latencies, rows_shown)
    for gate in gates:
        logger.info("Gate %s: %s. %s", gate.gate, gate.verdict.value, gate.reason)
    return found


def _judge_stress(
    bounds: Policy,
    task: Job,
    outcome: Outcome,
    samples: Samples,
    labels: tuple[float, float] | None,
) -> tuple[Robustness, BusinessRules]:
    # A gate that is switched off was not asked: what it would send may end the process that the other gates need.
    robustness = Robustness(result=GateResult(gate="robustness", verdict=Verdict.SWITCHED_OFF, reason="", measurements=()))
    rules = BusinessRules(result=GateResult(gate="business_rules", verdict=Verdict.SWITCHED_OFF, reason="", measurements=()))
    if not bounds.robustness.off:
        sample, schema = samples.robustness, task.schema
        robustness = judge_robustness(bounds.robustness, task.label, outcome, sample, schema, labels, task.ways)
    if not bounds.business_rules.off:
        rules = judge_rules(bounds.business_rules, task.label, outcome, samples.rules, task.schema)
    return robustness, rules


def _parity(
    bounds: Policy,
    task: Job,
    outcome: Outcome,
    evaluation: str,
    evidence: Evidence,
    manifest: dict[str, Any],
    rows: pa.Table,
    samples: Samples,
) -> Parity:
    if outcome.measured is None:
        return _no_parity(f"Serving gave no answers to compare. {outcome.failure}")
    try:
        predictions = read_predictions(evaluation, evidence, manifest["splits"][TEST]["rows"], task.label, rows)
    except NoPredictionsError as error:
        return _no_parity(str(error))
    answers, regroup = outcome.answers, not bounds.parity.off
    return judge_parity(bounds.parity, task.label, predictions, answers, samples.rows, regroup=regroup, ways=task.ways)


def _transform(
    bounds: Policy,
    label: LabelSpec,
    outcome: Outcome,
    transformed_examples: str,
    manifest: dict[str, Any],
    samples: Samples,
    features: list[str] | None,
) -> TransformParity:
    if outcome.measured is None:
        return failure("No transformed features were given either.")
    if outcome.transformed is None:
        problems = outcome.measured.problems
        said = " ".join(problems.get("loads", problems.get("transform", []))) or outcome.measured.lost
        return failure(f"The signature {SIGNATURE_TRANSFORM!r} gave no features to compare. {said}".strip())
    raw, rows = samples.to_transform, manifest["splits"][EVAL]["rows"]
    served, alone = outcome.transformed, outcome.transformed_alone
    if features is not None:  # TFX's modules may give the transformed label, too
        served, alone = _only(served, features), None if alone is None else _only(alone, features)
    found = judge_transform(bounds.parity, label, served, transformed_examples, raw, rows, features)
    if bounds.parity.off:
        return found
    return with_alone(bounds.parity, found, served, alone, raw)


def _only(table: pa.Table, names: list[str]) -> pa.Table:
    return table.select([name for name in table.column_names if name in names])


def _read_training(model: str) -> dict[str, Any]:
    """Returns what train_model wrote; nothing if it cannot be read: then all is asked as of its own export."""
    try:
        return read_object(Path(model) / TRAINING_FILE)
    except (OSError, ValueError):
        return {}


def _no_parity(reason: str) -> Parity:
    return Parity(result=GateResult(gate="parity", verdict=Verdict.FAILED, reason=reason))


def _unless_off(result: GateResult, off: str) -> GateResult:
    return dataclasses.replace(result, verdict=Verdict.SWITCHED_OFF, reason=f"Switched off: {off}") if off else result
