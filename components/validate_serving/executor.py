"""Checks in a fresh process that the exported model loads and answers as it was evaluated."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa

from components._data.examples import read_manifest
from components._data.schema import read_schema
from components._report.page import render_page
from components._shared.artifacts import GATES_FILE, SERVING_MODEL_DIR, SERVING_REPORT_FILE, TEST
from components._shared.digest import digest_model
from components._shared.errors import UserError
from components._shared.gates import Evidence, GateReport, GateResult, Verdict
from components._shared.live_version import read_live_version
from components._shared.outputs import write_json, write_text
from components._shared.overrides import read_bounds
from components._shared.policy import BusinessRulesGate, Policy, RobustnessGate
from components._shared.rules import read_rules
from components.validate_serving.business_rules import BusinessRules, judge_rules
from components.validate_serving.client import Outcome, run_job
from components.validate_serving.job import ANSWERS, ROBUSTNESS_FILE, RULES_FILE, Job
from components.validate_serving.latency import Latency, summarize_latency
from components.validate_serving.parity import NoPredictionsError, Parity, judge_parity, read_predictions
from components.validate_serving.robustness import Robustness, judge_robustness
from components.validate_serving.sampling import first_rows, sample_rows, select_features
from components.validate_serving.serving import judge_serving, model_size_mb

logger = logging.getLogger("sluice.validate_serving")

FORMAT = "sluice/serving-report/1"
SERVER = "TensorFlow runtime in a fresh process"


def validate_serving(
    *,
    model: str,
    baseline: str,
    examples: str,
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
        examples: Folder of the raw examples; the rows of the test split are sent.
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
    task = _plan(bounds, model_dir, schema, timeout_seconds)
    evidence = Evidence(
        model_digest=digest_model(model_dir),
        data_version=manifest["data_version"],
        policy_hash=judged_by.policy_hash,
        baseline_version=read_live_version(baseline).version,
    )
    rows, known = first_rows(examples, bounds.parity.rows), read_schema(schema)
    features = select_features(rows, known)
    samples = _samples(task, bounds, examples, known, manifest["splits"][TEST]["rows"])
    outcome = _ask(task, features, samples)
    timed = {size: outcome.answers[key] for size in task.batch_sizes if (key := f"latency_{size}") in outcome.answers}
    latencies = [summarize_latency(size, milliseconds) for size, milliseconds in timed.items()]
    serving = judge_serving(bounds.serving, outcome, latencies, model_size_mb(model_dir))
    parity = _parity(bounds, outcome, evaluation, evidence, manifest, rows, features)
    robustness, rules = _judge_stress(bounds, outcome, samples, known)
    results = (serving, parity.result, robustness.result, rules.result)
    gates = tuple(_unless_off(result, getattr(bounds, result.gate).off) for result in results)
    found = GateReport(stage="validate_serving", evidence=evidence, gates=gates)
    broken = {"worst_rows": parity.worst, "broken_probes": robustness.broken, "broken_rules": rules.broken}
    _write(found, outcome, latencies, broken, bounds, Path(serving_report), Path(report))
    return found


def _plan(bounds: Policy, model_dir: Path, schema: str, timeout_seconds: float) -> Job:
    sizes = bounds.serving.max_p99_ms
    if not sizes:
        raise UserError("`serving.max_p99_ms` bounds at least one batch size.", received="none")
    if unknown := [text for text in sizes if not text.isdecimal() or int(text) < 1]:
        raise UserError("A batch size in `serving.max_p99_ms` is a whole number above 0, as text.", received=unknown)
    counts = {"serving.requests": bounds.serving.requests, "parity.rows": bounds.parity.rows}
    counts |= {"robustness.rows": bounds.robustness.rows, "business_rules.rows": bounds.business_rules.rows}
    for name, value in counts.items():
        if value < 1:
            raise UserError(f"`{name}` is at least 1.", received=value, remedy="To do without the gate, switch it off by name.")
    read_rules(bounds.business_rules.rules)
    return Job(
        model=str(model_dir.resolve()),
        schema=str(Path(schema).resolve()),
        batch_sizes=tuple(sorted(int(text) for text in sizes)),
        requests=bounds.serving.requests,
        timeout_seconds=timeout_seconds,
        robustness=None if bounds.robustness.off else dataclasses.asdict(bounds.robustness),
        rules=() if bounds.business_rules.off else bounds.business_rules.rules,
    )


def _samples(task: Job, bounds: Policy, examples: str, schema: Any, rows: int) -> dict[str, pa.Table]:
    wanted: dict[str, RobustnessGate | BusinessRulesGate] = {}
    if task.robustness is not None:
        wanted[ROBUSTNESS_FILE] = bounds.robustness
    if task.rules:
        wanted[RULES_FILE] = bounds.business_rules
    return {file: sample_rows(examples, schema, gate.rows, gate.seed, rows) for file, gate in wanted.items()}


def _judge_stress(
    bounds: Policy, outcome: Outcome, samples: dict[str, pa.Table], schema: Any
) -> tuple[Robustness, BusinessRules]:
    # A gate that is switched off was not asked: what it would send may end the process that the other gates need.
    robustness = Robustness(result=GateResult(gate="robustness", verdict=Verdict.SWITCHED_OFF, reason="", measurements=()))
    rules = BusinessRules(result=GateResult(gate="business_rules", verdict=Verdict.SWITCHED_OFF, reason="", measurements=()))
    if not bounds.robustness.off:
        robustness = judge_robustness(bounds.robustness, outcome, samples[ROBUSTNESS_FILE], schema)
    if not bounds.business_rules.off:
        rules = judge_rules(bounds.business_rules, outcome, samples.get(RULES_FILE, pa.table({})), schema)
    return robustness, rules


def _ask(task: Job, features: pa.Table, samples: dict[str, pa.Table]) -> Outcome:
    if features.num_rows == 0:
        return Outcome(measured=None, answers={}, failure="The test split has no rows to send.")
    return run_job(task, features, samples)


def _parity(
    bounds: Policy,
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
        predictions = read_predictions(evaluation, evidence, manifest["splits"][TEST]["rows"], manifest["label"], rows)
    except NoPredictionsError as error:
        return _no_parity(str(error))
    return judge_parity(bounds.parity, predictions, outcome.answers, features)


def _no_parity(reason: str) -> Parity:
    return Parity(result=GateResult(gate="parity", verdict=Verdict.FAILED, reason=reason))


def _unless_off(result: GateResult, off: str) -> GateResult:
    return dataclasses.replace(result, verdict=Verdict.SWITCHED_OFF, reason=f"Switched off: {off}") if off else result


def _write(
    found: GateReport,
    outcome: Outcome,
    latencies: list[Latency],
    broken: dict[str, list[dict[str, Any]]],
    bounds: Policy,
    serving_report: Path,
    report: Path,
) -> None:
    document = {
        "format": FORMAT,
        "server": SERVER,
        **dataclasses.asdict(found.evidence),
        "fresh_process": {"seconds": outcome.seconds, "failure": outcome.failure, "log_tail": outcome.log_tail},
        "measured": None if outcome.measured is None else dataclasses.asdict(outcome.measured),
        "latency": [dataclasses.asdict(latency) for latency in latencies],
        **broken,
        "gates": [dataclasses.asdict(gate) for gate in found.gates],
    }
    page = render_page(
        Path(__file__).parent / "report.html.j2",
        title="Serving validation",
        found=found,
        server=SERVER,
        outcome=outcome,
        latencies=latencies,
        **broken,
        ways=ANSWERS,
        bounds=bounds,
    )
    write_text(report, page)
    write_json(serving_report / SERVING_REPORT_FILE, document)
    found.write(serving_report)  # last: without it the decision says no
    for gate in found.gates:
        logger.info("Gate %s: %s. %s", gate.gate, gate.verdict.value, gate.reason)
