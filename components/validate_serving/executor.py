"""Checks in a fresh process that the exported model loads and answers as it was evaluated."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa

from components._data.examples import iterate_split, read_manifest, read_split
from components._data.schema import read_schema, serving_features
from components._report.page import render_page
from components._shared.artifacts import GATES_FILE, SERVING_MODEL_DIR, SERVING_REPORT_FILE, TEST
from components._shared.digest import digest_model
from components._shared.errors import UserError
from components._shared.gates import Evidence, GateReport, GateResult, Verdict
from components._shared.live_version import read_live_version
from components._shared.outputs import write_json, write_text
from components._shared.policy import Policy, read_policy
from components.validate_serving.client import Outcome, run_job
from components.validate_serving.job import ANSWERS, Job
from components.validate_serving.latency import Latency, summarize_latency
from components.validate_serving.parity import NoPredictionsError, Parity, judge_parity, read_predictions
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
    policy: dict[str, Any],
    policy_hash: str,
    serving_report: str,
    report: str,
    timeout_seconds: float = 300.0,
) -> GateReport:
    """Loads the exported model in a process of its own, asks it in every way, and judges the gates serving and parity.

    Args:
        model: Folder of the candidate.
        baseline: Folder of the live version, for the evidence.
        examples: Folder of the raw examples; the first rows of the test split are sent.
        schema: The schema.
        evaluation: Folder of the evaluation with its predictions.
        policy: The gates' bounds.
        policy_hash: Hash of the policy.
        serving_report: Folder to write the measurements and the gates' report to.
        report: File to write the page to.
        timeout_seconds: How long the fresh process may take.

    Raises:
        UserError: If the policy, the examples, the schema or baseline.json cannot be read.
    """
    bounds, manifest, model_dir = read_policy(policy), read_manifest(examples), Path(model) / SERVING_MODEL_DIR
    (Path(serving_report) / GATES_FILE).unlink(missing_ok=True)  # an older report must not outlive an error
    task = _plan(bounds, model_dir, schema, timeout_seconds)
    evidence = Evidence(
        model_digest=digest_model(model_dir),
        data_version=manifest["data_version"],
        policy_hash=policy_hash,
        baseline_version=read_live_version(baseline).version,
    )
    rows = _first_rows(examples, bounds.parity.rows)
    features = _features(rows, schema)
    outcome = _ask(task, features)
    timed = {size: outcome.answers[key] for size in task.batch_sizes if (key := f"latency_{size}") in outcome.answers}
    latencies = [summarize_latency(size, milliseconds) for size, milliseconds in timed.items()]
    serving = judge_serving(bounds.serving, outcome, latencies, model_size_mb(model_dir))
    parity = _parity(bounds, outcome, evaluation, evidence, manifest, rows, features)
    gates = (_unless_off(serving, bounds.serving.off), _unless_off(parity.result, bounds.parity.off))
    found = GateReport(stage="validate_serving", evidence=evidence, gates=gates)
    _write(found, outcome, latencies, parity, bounds, Path(serving_report), Path(report))
    return found


def _plan(bounds: Policy, model_dir: Path, schema: str, timeout_seconds: float) -> Job:
    sizes = bounds.serving.max_p99_ms
    if not sizes:
        raise UserError("`serving.max_p99_ms` bounds at least one batch size.", received="none")
    if unknown := [text for text in sizes if not text.isdecimal() or int(text) < 1]:
        raise UserError("A batch size in `serving.max_p99_ms` is a whole number above 0, as text.", received=unknown)
    for name, value in (("serving.requests", bounds.serving.requests), ("parity.rows", bounds.parity.rows)):
        if value < 1:
            raise UserError(f"`{name}` is at least 1.", received=value, remedy="To do without the gate, switch it off by name.")
    return Job(
        model=str(model_dir.resolve()),
        schema=str(Path(schema).resolve()),
        batch_sizes=tuple(sorted(int(text) for text in sizes)),
        requests=bounds.serving.requests,
        timeout_seconds=timeout_seconds,
    )


def _first_rows(examples: str, count: int) -> pa.Table:
    batches: list[pa.Table] = []
    for batch in iterate_split(examples, TEST):
        batches.append(batch)
        if sum(batch.num_rows for batch in batches) >= count:
            break
    return pa.concat_tables(batches).slice(0, count) if batches else read_split(examples, TEST)


def _features(rows: pa.Table, schema: str) -> pa.Table:
    names = [feature.name for feature in serving_features(read_schema(schema))]
    if absent := [name for name in names if name not in rows.column_names]:
        raise UserError("The test split has every SERVING feature of the schema.", received=f"without {absent}")
    return rows.select(names)


def _ask(task: Job, features: pa.Table) -> Outcome:
    if features.num_rows == 0:
        return Outcome(measured=None, answers={}, failure="The test split has no rows to send.")
    return run_job(task, features)


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
    parity: Parity,
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
        "worst_rows": parity.worst,
        "gates": [dataclasses.asdict(gate) for gate in found.gates],
    }
    page = render_page(
        Path(__file__).parent / "report.html.j2",
        title="Serving validation",
        found=found,
        server=SERVER,
        outcome=outcome,
        latencies=latencies,
        parity=parity,
        ways=ANSWERS,
        bounds=bounds,
    )
    write_text(report, page)
    write_json(serving_report / SERVING_REPORT_FILE, document)
    found.write(serving_report)  # last: without it the decision says no
    for gate in found.gates:
        logger.info("Gate %s: %s. %s", gate.gate, gate.verdict.value, gate.reason)
