"""Merges every report into one fail-closed decision, bound to the model's digest."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

from components._report.page import render_page
from components._shared.artifacts import BLESSED_FILE, CANDIDATE, DECISION_FILE, DECISION_FORMAT, NOT_BLESSED_FILE
from components._shared.gates import Verdict
from components._shared.outputs import write_json, write_text
from components._shared.overrides import Bounds, tighten
from components._shared.policy import hash_policy
from components.decide_release.evidence import Facts, find_facts, judge_facts
from components.decide_release.judgement import Judged, judge_gates, may_pass
from components.decide_release.required import reports_of
from components.decide_release.summary import render_summary

logger = logging.getLogger("sluice.decide_release")


def decide_release(
    *,
    model: str,
    baseline: str,
    examples: str,
    anomalies: str,
    evaluation: str,
    serving_report: str,
    eval_config: dict[str, Any],
    policy: dict[str, Any],
    policy_hash: str,
    decision: str,
    report: str,
    summary: str,
    overrides: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Says yes when every required gate lets the model through and all of them speak of this very model, else no.

    Args:
        model: Folder of the candidate.
        baseline: Folder of the live version the candidate was compared with.
        examples: Folder of the examples.
        anomalies: Folder with the report of the data gate.
        evaluation: Folder with the report of the performance, fairness, regression and calibration gates.
        serving_report: Folder with the report of the serving, parity, robustness and business rules gates.
        eval_config: A tfma.EvalConfig in JSON form, which the policy's hash covers.
        policy: The gates' bounds.
        policy_hash: Hash of the policy.
        decision: Folder to write the decision to.
        report: File to write the page to.
        summary: File to write the Markdown summary to.
        overrides: What this run tightens; the decision names it.

    Returns:
        The decision as it is written to decision.json.

    Raises:
        UserError: If the policy names an unknown gate or bound, or an override loosens.
    """
    _clear(Path(decision))  # first: an older blessing must not outlive an error
    bounds = tighten(policy, eval_config, overrides)
    as_compiled = hash_policy(policy, eval_config) == policy_hash
    facts = find_facts(
        model=model, baseline=baseline, examples=examples, evaluation=evaluation, bounds=bounds, as_compiled=as_compiled
    )
    reports = reports_of(anomalies=anomalies, evaluation=evaluation, serving_report=serving_report)
    own = Judged(stage="decide_release", result=judge_facts(facts))
    gates = (*judge_gates(reports, facts.evidence, bounds.policy), own)
    document = _document(gates, facts, bounds)
    _write(document, gates, facts, Path(decision), Path(report), Path(summary))
    return document


def _document(gates: tuple[Judged, ...], facts: Facts, bounds: Bounds) -> dict[str, Any]:
    return {
        "format": DECISION_FORMAT,
        "approved": all(may_pass(gate) for gate in gates),
        "reason": _reason(gates),
        **dataclasses.asdict(facts.evidence),
        "policy": bounds.document,
        "overrides": list(bounds.overrides),
        "baseline_pushed_digest": facts.pushed_digest,
        "gates": [
            {
                **{name: getattr(gate, name) for name in ("stage", "evidence_file", "evidence_digest")},
                **dataclasses.asdict(gate.result),
            }
            for gate in gates
        ],
        "lineage": _lineage(facts),
    }


def _reason(gates: tuple[Judged, ...]) -> str:
    names = {
        verdict: [gate.result.gate.replace("_", " ") for gate in gates if gate.result.verdict is verdict] for verdict in Verdict
    }
    if failed := [gate for gate in gates if not may_pass(gate)]:
        others = f" Also failed: {', '.join(names[Verdict.FAILED][1:])}." if len(failed) > 1 else ""
        first = failed[0].result
        return f"The gate {first.gate.replace('_', ' ')} says no. {first.reason}{others}"
    sentence = f"No gate says no. Passed: {', '.join(names[Verdict.PASSED])}."
    if names[Verdict.NOT_APPLICABLE]:
        sentence += f" Not applicable: {', '.join(names[Verdict.NOT_APPLICABLE])}."
    if names[Verdict.SWITCHED_OFF]:
        sentence += f" Switched off: {', '.join(names[Verdict.SWITCHED_OFF])}."
    return sentence


def _lineage(facts: Facts) -> dict[str, Any]:
    manifest, training = facts.manifest, facts.training
    return {
        **{name: manifest.get(name) for name in ("spans", "fingerprint", "rows", "split_rule")},
        **{name: training.get(name) for name in ("features_hash", "schema_hash", "model_hash")},
        **{name: training.get(name) for name in ("hyperparameters", "seed", "epochs_run")},
        "metrics": _candidate_metrics(facts.evaluation),
    }


def _candidate_metrics(evaluation: dict[str, Any]) -> dict[str, Any]:
    metrics = evaluation.get("metrics")
    candidate = metrics.get(CANDIDATE) if isinstance(metrics, dict) else None
    return candidate if isinstance(candidate, dict) else {}


def _clear(folder: Path) -> None:
    for name in (BLESSED_FILE, NOT_BLESSED_FILE, DECISION_FILE):
        (folder / name).unlink(missing_ok=True)


def _write(
    document: dict[str, Any], gates: tuple[Judged, ...], facts: Facts, decision: Path, report: Path, summary: Path
) -> None:
    title = "Release approved" if document["approved"] else "Release refused"
    page = render_page(
        Path(__file__).parent / "report.html.j2", title=title, decision=document, gates=gates, evidence=facts.evidence
    )
    write_text(report, page)
    write_text(summary, render_summary(document, title))
    write_json(decision / DECISION_FILE, document)
    write_text(decision / (BLESSED_FILE if document["approved"] else NOT_BLESSED_FILE), "")  # last: nothing counts without it
    logger.info("%s", document["reason"])
