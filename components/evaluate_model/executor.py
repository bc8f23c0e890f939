"""Evaluates candidate and live version with TFMA on the same rows of the test split, and judges the result."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_model_analysis.proto import config_pb2

from components._data.examples import read_manifest
from components._data.schema import read_schema
from components._data.vectors import to_column
from components._shared.artifacts import (
    BASELINE,
    CANDIDATE,
    DETAILS_FILE,
    EVALUATION_FILE,
    GATES_FILE,
    MANIFEST_FILE,
    PREDICTIONS_FILE,
    TEST,
    TRAINING_FILE,
)
from components._shared.digest import digest_documents
from components._shared.errors import UserError
from components._shared.gates import Evidence, GateReport
from components._shared.label import LabelKind, LabelSpec, read_label_spec
from components._shared.live_version import LiveVersion, read_live_version
from components._shared.outputs import write_json, write_text
from components._shared.overrides import read_bounds
from components._shared.policy import Policy
from components.evaluate_model import inputs, page, summary, tfma_config
from components.evaluate_model.clusters import find_clusters
from components.evaluate_model.curves import trace_curve
from components.evaluate_model.group_counts import count_decisions
from components.evaluate_model.inputs import Candidate, Scores, TestRows
from components.evaluate_model.live_version import score_live_version
from components.evaluate_model.paired import Interval
from components.evaluate_model.regression import compare_models
from components.evaluate_model.results import read_results
from components.evaluate_model.slice_intervals import Scored, measure_slices
from components.evaluate_model.slice_rows import slice_specs, slicing_features, unsupported_slicing
from components.evaluate_model.slice_table import USUAL, Ranking
from components.evaluate_model.tfma_run import Run, run_tfma
from components.evaluate_model.thresholds import primary_metric
from components.evaluate_model.verdicts import (
    Measured,
    finish,
    judge_groups,
    judge_performance,
    judge_predictions,
    judge_regression,
)


@dataclasses.dataclass(frozen=True)
class EvaluationResult:
    """What the dashboard shows.

    Attributes:
        report: The gates' report.
        metrics: The candidate's metrics over all rows, and the live version's as `baseline_…`.
        classification: ROC curve and confusion matrix, as metadata of a ClassificationMetrics artifact.
    """

    report: GateReport
    metrics: dict[str, float]
    classification: dict[str, Any]


def evaluate_model(
    *,
    model: str | Path,
    baseline: str | Path,
    examples: str | Path,
    schema: str | Path,
    eval_config: dict[str, Any],
    policy: dict[str, Any],
    policy_hash: str,
    evaluation: str | Path,
    report: str | Path,
    overrides: dict[str, Any] | None = None,
) -> EvaluationResult:
    """Evaluates, judges and reports; a "no" is in the report, not in the exit code.

    Args:
        model: Folder of the candidate.
        baseline: Folder that says which version is live and holds it.
        examples: Folder of the raw examples; the test split judges.
        schema: The schema's folder or file.
        eval_config: A tfma.EvalConfig in JSON form.
        policy: The gates' bounds.
        policy_hash: Hash of policy and configuration.
        evaluation: Folder for TFMA's output, predictions, summary and the gates' report, which is written last.
        report: File for the page.
        overrides: What this run tightens.

    Returns:
        What the dashboard shows.

    Raises:
        UserError: If the configuration or an input cannot be used at all.
    """
    judged_by = read_bounds(policy, eval_config, policy_hash, overrides)
    documents = digest_documents(Path(examples) / MANIFEST_FILE, Path(model) / TRAINING_FILE)
    manifest = read_manifest(examples)
    label, bounds = read_label_spec(manifest), judged_by.policy
    config = tfma_config.parse_eval_config(judged_by.eval_config, label.name, label.kind)
    candidate, live = inputs.read_candidate(model), read_live_version(baseline)
    rows = inputs.read_test_rows(examples, manifest)
    _check_slicing(config, rows.table)
    scores = _score(candidate, live, rows, read_schema(schema), manifest)

    folder = _make_folder(evaluation)
    clusters = find_clusters(examples, TEST, manifest, rows.table.num_rows)
    measured, run = _measure(rows, scores, _prepare(config, scores, bounds), bounds, label, clusters, folder)
    gates = (
        judge_performance(measured),
        judge_groups(measured),
        judge_regression(measured, live.version),
        judge_predictions(measured, rows.labels),
    )

    evidence = Evidence(
        model_digest=candidate.digest,
        data_version=manifest["data_version"],
        policy_hash=judged_by.policy_hash,
        baseline_version=live.version,
    )
    finished = finish(gates, bounds, mismatch=inputs.find_mismatch(candidate, manifest), note=run.note)
    gate_report = GateReport(stage="evaluate_model", evidence=evidence, gates=finished, documents=documents)
    # The configuration goes along with a release: it says what the policy's hash stands for, years later.
    known = {"baseline_model_digest": live.model_digest, "eval_config": judged_by.eval_config}
    document = {**known, "policy_hash": judged_by.policy_hash, **_summarise(gate_report, rows, measured, run, manifest)}
    return _write(gate_report, rows, measured, run, document, folder, Path(report))


def _check_slicing(config: config_pb2.EvalConfig, table: pa.Table) -> None:
    if unknown := [name for name in slicing_features(config) if name not in table.column_names]:
        received = f"{unknown} beside {table.column_names}"
        raise UserError("evaluation.slicing_specs names columns of the examples.", received=received)


def _score(
    candidate: Candidate, live: LiveVersion, rows: TestRows, schema: schema_pb2.Schema, manifest: dict[str, Any]
) -> Scores:
    label = read_label_spec(manifest)
    predictions = {CANDIDATE: inputs.predict(candidate.path, rows.table, schema, label)}
    problem = ""
    if live.version:
        scored, problem = score_live_version(live, rows.table, schema, manifest)
        predictions |= {BASELINE: scored} if scored is not None else {}
    return Scores(predictions, inputs.count_invalid(predictions[CANDIDATE], label.kind), problem, label.kind)


def _make_folder(evaluation: str | Path) -> Path:
    folder = Path(evaluation)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (GATES_FILE, EVALUATION_FILE, DETAILS_FILE):  # what an earlier run left must not speak for this one
        (folder / name).unlink(missing_ok=True)
    return folder


def _prepare(config: config_pb2.EvalConfig, scores: Scores, policy: Policy) -> config_pb2.EvalConfig:
    return tfma_config.prepare_eval_config(
        config,
        with_baseline=BASELINE in scores.predictions,
        decision_threshold=policy.fairness.decision_thresholds[0],
        kind=scores.kind,
    )


def _measure(
    rows: TestRows,
    scores: Scores,
    config: config_pb2.EvalConfig,
    policy: Policy,
    label: LabelSpec,
    clusters: np.ndarray | None,
    folder: Path,
) -> tuple[Measured, Run]:
    """Runs TFMA, unless the candidate's predictions are nothing that could be measured."""
    if scores.invalid:
        return Measured(scores, [], config, policy, label), Run(0)
    table = rows.table.set_column(rows.table.column_names.index(label.name), label.name, pa.array(rows.labels))
    for name, values in scores.predictions.items():
        table = table.append_column(tfma_config.PREDICTION_KEYS[name], to_column(values))
    run = run_tfma(table, config, folder)
    comparison = compare_models(rows.labels, scores.predictions, policy.regression, kind=label.kind, clusters=clusters)
    counted = count_decisions(rows.table, rows.labels, scores.predictions[CANDIDATE], label, policy.fairness, folder)
    results = read_results(folder, len(label.classes))
    return Measured(scores, results, config, policy, label, comparison, counted, clusters), run


def _write(
    report: GateReport,
    rows: TestRows,
    measured: Measured,
    run: Run,
    document: dict[str, Any],
    folder: Path,
    page_file: Path,
) -> EvaluationResult:
    """Writes predictions, summary, page and, last, the gates' report."""
    label, predictions, results = measured.label, measured.scores.predictions, measured.results
    columns = {label.name: rows.table[label.name], **{name: to_column(values) for name, values in predictions.items()}}
    pq.write_table(pa.table(columns), folder / PREDICTIONS_FILE)
    write_json(folder / EVALUATION_FILE, document)
    has_curves = label.kind is LabelKind.BINARY and not measured.invalid
    curves = {name: trace_curve(rows.labels, values) for name, values in predictions.items()} if has_curves else {}
    ranking = _rank(measured)
    content = page.Content(
        report=report,
        summary=document,
        results=results,
        policy=measured.policy,
        ranking=ranking,
        slice_intervals=_measure_slices(rows, measured, ranking),
        label=label,
        labels=rows.labels,
        predictions=predictions,
        curves=curves,
        comparison=measured.comparison,
        counted=measured.counted,
        note=run.note,
    )
    details = page.render_details(content)
    write_text(folder / DETAILS_FILE, details)
    write_text(page_file, page.render(content, details))
    report.write(folder, beside=(EVALUATION_FILE, PREDICTIONS_FILE, DETAILS_FILE))
    classification = summary.describe_classification(curves.get(CANDIDATE), results[0] if results else None, label)
    return EvaluationResult(report, summary.flatten(document["metrics"]), classification)


def _rank(measured: Measured) -> Ranking:
    primary = primary_metric(measured.config)
    return Ranking(*primary) if primary else USUAL[measured.label.kind]


def _measure_slices(rows: TestRows, measured: Measured, ranking: Ranking) -> dict[Any, Interval]:
    if not measured.results or unsupported_slicing(measured.config, rows.table):
        return {}
    predictions, kind = measured.scores.predictions[CANDIDATE], measured.label.kind
    scored = Scored(labels=rows.labels, predictions=predictions, kind=kind, clusters=measured.clusters)
    specs = slice_specs(measured.config)
    return measure_slices(rows.table, specs, ranking.metric, scored, measured.policy.regression.confidence)


def _summarise(report: GateReport, rows: TestRows, measured: Measured, run: Run, manifest: dict[str, Any]) -> dict[str, Any]:
    return {
        "format": summary.FORMAT,
        "model_digest": report.evidence.model_digest,
        "data_version": report.evidence.data_version,
        "baseline_version": report.evidence.baseline_version,
        "split": TEST,
        "split_rule": manifest["split_rule"],
        **summary.describe_label(rows.labels, read_label_spec(manifest)),
        "rows": len(rows.labels),
        "evaluated_rows": run.rows,
        "decision_threshold": measured.policy.fairness.decision_thresholds[0],
        "note": run.note,
        **summary.summarise(measured.results, list(measured.scores.predictions)),
    }
