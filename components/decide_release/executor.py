"""Merges every report into one fail-closed decision, bound to the model's digest."""

import dataclasses
import datetime
import logging
from pathlib import Path
from typing import Any

from markupsafe import Markup

from components._report.page import render_page
from components._shared.artifacts import BLESSED_FILE, CANDIDATE, DECISION_FILE, DECISION_FORMAT, DETAILS_FILE, NOT_BLESSED_FILE
from components._shared.gates import Status, Verdict
from components._shared.outputs import write_json, write_text
from components._shared.overrides import Bounds, tighten
from components._shared.policy import Policy
from components._shared.policy_documents import hash_policy
from components.decide_release.approval import Approval, judge_approval
from components.decide_release.evidence import Facts, find_facts, judge_facts
from components.decide_release.judgement import Judged, judge_gates, may_pass, reports_of
from components.decide_release.summary import render_summary, what_to_do

logger = logging.getLogger("sluice.decide_release")

_TITLES = {
    Status.APPROVED: "Release approved",
    Status.PENDING: "Release waits for approval",
    Status.REFUSED: "Release refused",
}


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
    now: datetime.datetime | None = None,
) -> dict[str, Any]:
    """Says yes when every required gate lets the model through and all of them speak of this very model, else no.

    Where the policy asks for a person's approval, what would be a yes is pending instead, until a deadline.

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
        now: The time, from which the deadline of an approval counts; None for the clock's.

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
    gates = (*judge_gates(reports, facts.evidence, facts.documents, bounds.policy), own)
    approval = _judge_approval(gates, bounds.policy, now or datetime.datetime.now(datetime.UTC))
    gates = (*gates, Judged(stage="decide_release", result=approval.result))
    document = {**_document(gates, facts, bounds), "deadline": approval.deadline}
    details = [part for folder in reports.values() if (part := _read_details(folder))]
    _write(document, gates, facts, details, Path(decision), Path(report), Path(summary))
    return document


def _judge_approval(gates: tuple[Judged, ...], policy: Policy, now: datetime.datetime) -> Approval:
    return judge_approval(policy.approval, others_pass=all(may_pass(gate) for gate in gates), now=now)


def _document(gates: tuple[Judged, ...], facts: Facts, bounds: Bounds) -> dict[str, Any]:
    status = _status(gates)
    return {
        "format": DECISION_FORMAT,
        "approved": status is Status.APPROVED,
        "status": status,
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
        "documents": facts.documents,
        "lineage": _lineage(facts),
    }


def _status(gates: tuple[Judged, ...]) -> Status:
    if all(may_pass(gate) for gate in gates):
        return Status.APPROVED
    failed = any(gate.result.verdict is Verdict.FAILED for gate in gates)
    return Status.REFUSED if failed else Status.PENDING


def _reason(gates: tuple[Judged, ...]) -> str:
    names = {
        verdict: [gate.result.gate.replace("_", " ") for gate in gates if gate.result.verdict is verdict] for verdict in Verdict
    }
    if failed := [gate for gate in gates if gate.result.verdict is Verdict.FAILED]:
        others = f" Also failed: {', '.join(names[Verdict.FAILED][1:])}." if len(failed) > 1 else ""
        first = failed[0].result
        return f"The gate {first.gate.replace('_', ' ')} says no. {first.reason}{others}"
    pending = [gate.result.reason for gate in gates if gate.result.verdict is Verdict.PENDING]
    sentence = f"No gate says no. Passed: {', '.join(names[Verdict.PASSED])}."
    if names[Verdict.NOT_APPLICABLE]:
        sentence += f" Not applicable: {', '.join(names[Verdict.NOT_APPLICABLE])}."
    if names[Verdict.SWITCHED_OFF]:
        sentence += f" Switched off: {', '.join(names[Verdict.SWITCHED_OFF])}."
    return " ".join([*pending, sentence])


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


def _read_details(folder: Path) -> Markup:
    """Returns what a stage shows beyond verdicts, escaped by it; nothing where it is missing, since it decides nothing."""
    try:
        return Markup((folder / DETAILS_FILE).read_text(encoding="utf-8"))  # noqa: S704
    except (OSError, ValueError):
        return Markup()


def _write(
    document: dict[str, Any],
    gates: tuple[Judged, ...],
    facts: Facts,
    details: list[Markup],
    decision: Path,
    report: Path,
    summary: Path,
) -> None:
    title = _TITLES[document["status"]]
    page = render_page(
        Path(__file__).parent / "report.html.j2",
        title=title,
        decision=document,
        what_to_do=what_to_do(document),
        gates=gates,
        details=details,
        evidence=facts.evidence,
    )
    write_text(report, page)
    write_text(summary, render_summary(document, title))
    write_json(decision / DECISION_FILE, document)
    write_text(decision / (BLESSED_FILE if document["approved"] else NOT_BLESSED_FILE), "")  # last: nothing counts without it
    logger.info("%s", document["reason"])
