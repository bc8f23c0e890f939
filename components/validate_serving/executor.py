"""Checks in a fresh process that the exported model loads and answers as it was evaluated."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa

from components._data.examples import read_manifest
from components._data.schema import read_schema
from components._shared.artifacts import EVAL, GATES_FILE, SERVING_MODEL_DIR, SIGNATURE_TRANSFORM, TEST
from components._shared.digest import digest_model
from components._shared.gates import Evidence, GateReport, GateResult, Verdict
from components._shared.label import LabelSpec, read_label_spec
from components._shared.live_version import read_live_version
from components._shared.overrides import read_bounds
from components._shared.policy import Policy
from components.validate_serving.business_rules import BusinessRules, judge_rules
from components.validate_serving.client import Outcome, run_job
from components.validate_serving.job import ROBUSTNESS_FILE, RULES_FILE, TO_TRANSFORM_FILE, Job
from components.validate_serving.latency import summarize_latency
from components.validate_serving.page import write_page, write_report
from components.validate_serving.parity import NoPredictionsError, Parity, judge_parity, read_predictions, with_transform
from components.validate_serving.plan import choose_samples, plan_job
from components.validate_serving.robustness import Robustness, judge_robustness
from components.validate_serving.sampling import first_rows, select_features
from components.validate_serving.serving import judge_serving, model_size_mb
from components.validate_serving.transform_parity import TransformParity, failure, judge_transform

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
    """Loads the exported model in a process of its own, asks it in every way, and judges the gates of serving.

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
        timeout_seconds: How long the fresh process may take.

    Raises:
        UserError: If the policy is not what its hash says, an override loosens, or the policy, a rule, the examples, the
            schema or baseline.json cannot be read.
    """
    (Path(serving_report) / GATES_FILE).unlink(missing_ok=True)  # an older report must not outlive an error
    judged_by = read_bounds(policy, eval_config, policy_hash, overrides)
    bounds, manifest, model_dir = judged_by.policy, read_manifest(examples), Path(model) / SERVING_MODEL_DIR
    task = plan_job(bounds, model_dir, schema, read_label_spec(manifest), timeout_seconds)
    evidence = Evidence(
        model_digest=digest_model(model_dir),
        data_version=manifest["data_version"],
        policy_hash=judged_by.policy_hash,
        baseline_version=read_live_version(baseline).version,
    )
    rows, known = first_rows(examples, TEST, bounds.parity.rows), read_schema(schema)
    features = select_features(rows, known)
    samples = choose_samples(task, bounds, examples, known, manifest["splits"][TEST]["rows"])
    outcome = _ask(task, features, samples)
    timed = {size: outcome.answers[key] for size in task.batch_sizes if (key := f"latency_{size}") in outcome.answers}
    latencies, size_mb = [summarize_latency(size, values) for size, values in timed.items()], model_size_mb(model_dir)
    serving = judge_serving(bounds.serving, task.label, outcome, latencies, size_mb)
    parity = _parity(bounds, task.label, outcome, evaluation, evidence, manifest, rows, features)
    parity = with_transform(parity, _transform(bounds, task.label, outcome, transformed_examples, manifest, samples))
    robustness, rules = _judge_stress(bounds, task.label, outcome, samples, known)
    results = (serving, parity.result, robustness.result, rules.result)
    gates = tuple(_unless_off(result, getattr(bounds, result.gate).off) for result in results)
    found = GateReport(stage="validate_serving", evidence=evidence, gates=gates)
    rows_shown = {"worst_rows": parity.worst, "differing_features": parity.differing}
    rows_shown |= {"broken_probes": robustness.broken, "broken_rules": rules.broken}
    write_page(
        report, found=found, bounds=bounds, task=task, outcome=outcome, latencies=latencies, size_mb=size_mb, **rows_shown
    )
    write_report(serving_report, found, outcome, latencies, rows_shown)
    for gate in gates:
        logger.info("Gate %s: %s. %s", gate.gate, gate.verdict.value, gate.reason)
    return found


def _judge_stress(
    bounds: Policy, label: LabelSpec, outcome: Outcome, samples: dict[str, pa.Table], schema: Any
) -> tuple[Robustness, BusinessRules]:
    # A gate that is switched off was not asked: what it would send may end the process that the other gates need.
    robustness = Robustness(result=GateResult(gate="robustness", verdict=Verdict.SWITCHED_OFF, reason="", measurements=()))
    rules = BusinessRules(result=GateResult(gate="business_rules", verdict=Verdict.SWITCHED_OFF, reason="", measurements=()))
    if not bounds.robustness.off:
        robustness = judge_robustness(bounds.robustness, label, outcome, samples[ROBUSTNESS_FILE], schema)
    if not bounds.business_rules.off:
        rules = judge_rules(bounds.business_rules, label, outcome, samples.get(RULES_FILE, pa.table({})), schema)
    return robustness, rules


def _ask(task: Job, features: pa.Table, samples: dict[str, pa.Table]) -> Outcome:
    if features.num_rows == 0:
        return Outcome(measured=None, answers={}, failure="The test split has no rows to send.")
    return run_job(task, features, samples)


def _parity(
    bounds: Policy,
    label: LabelSpec,
    outcome: Outcome,
    evaluation: str,
    evidence: Evidence,
    manifest: dict[str, Any],
    rows: pa.Table,
    features: pa.Table,
) -> Parity:
    if outcome.measured is None:
        return _no_parity(f"Serving gave no answers to compare. {outcome.failure}")
    try:
        predictions = read_predictions(evaluation, evidence, manifest["splits"][TEST]["rows"], label, rows)
    except NoPredictionsError as error:
        return _no_parity(str(error))
    return judge_parity(bounds.parity, label, predictions, outcome.answers, features)


def _transform(
    bounds: Policy,
    label: LabelSpec,
    outcome: Outcome,
    transformed_examples: str,
    manifest: dict[str, Any],
    samples: dict[str, pa.Table],
) -> TransformParity:
    if outcome.measured is None:
        return failure("No transformed features were given either.")
    if outcome.transformed is None:
        problems = outcome.measured.problems
        said = " ".join(problems.get("loads", problems.get("transform", [])))
        return failure(f"The signature {SIGNATURE_TRANSFORM!r} gave no features to compare. {said}".strip())
    raw, rows = samples[TO_TRANSFORM_FILE], manifest["splits"][EVAL]["rows"]
    return judge_transform(bounds.parity, label, outcome.transformed, transformed_examples, raw, rows)


def _no_parity(reason: str) -> Parity:
    return Parity(result=GateResult(gate="parity", verdict=Verdict.FAILED, reason=reason))


def _unless_off(result: GateResult, off: str) -> GateResult:
    return dataclasses.replace(result, verdict=Verdict.SWITCHED_OFF, reason=f"Switched off: {off}") if off else result
