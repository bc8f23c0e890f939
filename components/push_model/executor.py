"""Pushes an approved model into the serving directory, lets one wait that a person has to approve, or says why neither."""

import dataclasses
import datetime
import logging
from pathlib import Path
from typing import Any

from components._release.base import Base
from components._release.keeping import keep_last
from components._release.ledger import PUSHED
from components._release.push import Candidate, push
from components._release.store import serving_base
from components._release.verifier import Verifier, check_labels_stay, make_verifier, settle_verified
from components._release.waiting import Settled, request_approval
from components._shared.artifacts import (
    DECISION_FILE,
    PUSHED_FILE,
    SAVED_MODEL_FILE,
    SERVING_MODEL_DIR,
    VERIFICATION_FILE,
)
from components._shared.digest import digest_model
from components._shared.errors import Refusal, UserError
from components._shared.gates import Status
from components._shared.outputs import write_json
from components._shared.overrides import Bounds, read_bounds
from components._shared.policy import Policy
from components.push_model.evidence import (
    Decision,
    Evidence,
    UntrustedDecisionError,
    find_contradiction,
    read_decision,
    read_evidence,
)
from components.push_model.judgement import UnfoundedDecisionError, check_decision
from components.push_model.model_card import render_model_card

logger = logging.getLogger(__name__)

PUSHED_FORMAT = "sluice/pushed/1"
MODEL_CARD_FILE = "model_card.md"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PushResult:
    """What was pushed where, or why nothing was.

    Attributes:
        pushed: Whether the model is a version of the serving directory now.
        reason: What happened, in a sentence.
        version: The version; empty when nothing was pushed.
        destination: Path of the version; empty when nothing was pushed.
        model_digest: Digest of the model as trained; empty when it was neither pushed nor waits.
        pushed_digest: Digest of the version's whole folder; empty when nothing was pushed.
        ledger_head: Hash of the ledger's entry about it; empty when the ledger was not touched.
        deadline: Until when the model waits for a person's approval, in ISO 8601; empty when it does not wait.
        unchanged: Whether the model was a version before, so that nothing was to be done.
        settled: What became of candidates that had waited before.
    """

    pushed: bool
    reason: str
    version: str = ""
    destination: str = ""
    model_digest: str = ""
    pushed_digest: str = ""
    ledger_head: str = ""
    deadline: str = ""
    unchanged: bool = False
    settled: tuple[Settled, ...] = ()


def push_model(
    *,
    model: str,
    decision: str,
    examples: str,
    statistics: str,
    schema: str,
    anomalies: str,
    evaluation: str,
    serving_report: str,
    eval_config: dict[str, Any],
    policy: dict[str, Any],
    policy_hash: str,
    serving_dir: str,
    strict: bool,
    pushed: str,
    overrides: dict[str, Any] | None = None,
    server_required: bool = False,
    server: str = "",
    model_name: str = "",
    server_wait_seconds: float = 300.0,
    labels: str = "",
    model_config_file: str = "",
    keep_versions: int = 0,
    image: str = "",
    run_id: str = "",
    now: datetime.datetime | None = None,
) -> PushResult:
    """Pushes the model if the decision approves this very model and its baseline is still live.

    Candidates that waited come first: what was approved meanwhile is pushed, what expired is removed. A decision that is
    pending lets the model wait in the serving directory. With a server, a version that does not become AVAILABLE there, or
    predicts something else than the evaluation did, is withdrawn again.

    Args:
        model: The model artifact.
        decision: The decision artifact; one that is missing, unreadable or about something else is a "no".
        examples: The examples artifact, for its manifest.
        statistics: The statistics artifact.
        schema: The schema artifact.
        anomalies: The artifact with the data gate's report.
        evaluation: The evaluation artifact.
        serving_report: The artifact with the report of validate_serving.
        eval_config: A tfma.EvalConfig in JSON form, which the policy's hash covers.
        policy: The gates' bounds; a decision that was made under others is a "no".
        policy_hash: Hash of the policy.
        serving_dir: Base path of the model in the serving directory.
        strict: Whether a "no" raises.
        pushed: Folder for `pushed.json`.
        overrides: What this run tightens.
        server_required: Whether the project names a server, so that a run may name another one and never none.
        server: Addresses of the model servers that verify what is pushed, with commas between; empty for none.
        model_name: The model's name there.
        server_wait_seconds: How long a version may take to become AVAILABLE there.
        labels: How servers learn that the version has the label canary: `file`, `reload`, or empty for no labels.
        model_config_file: The servers' model configuration; empty for one in the serving directory, if they are told it.
        keep_versions: How many versions to keep in place after a push, the live one and the one before it in any case; 0 for
            all.
        image: Reference of the image that this runs in, for the ledger.
        run_id: Name of the pipeline's run, for the ledger.
        now: The time, for the deadlines of approvals; None for the clock's.

    Raises:
        Refusal: On a "no", if strict; to wait is none.
        UserError: If the policy is not what its hash says, a server is wanted and none is named, versions have labels and
            this one is to have none, the release cannot be put together, the serving directory cannot be written, or the
            server does not answer before anything was pushed.
    """
    bounds = read_bounds(policy, eval_config, policy_hash, overrides)
    if server_required and not server:
        rule = "Where a project names a server, a run may name another one, and never none."
        raise UserError(rule, received="server is empty", remedy="Leave the parameter server as it is, or name a server.")
    base, now = serving_base(serving_dir), now or datetime.datetime.now(datetime.UTC)
    verifier = make_verifier(base, server, model_name, server_wait_seconds, model_config_file, labels)
    check_labels_stay(base, verifier)
    settled = settle_verified(base, verifier, now=now)
    artifacts = {"examples": examples, "statistics": statistics, "schema": schema, "evaluation": evaluation}
    reports = {"anomalies": Path(anomalies), "evaluation": Path(evaluation), "serving_report": Path(serving_report)}
    found = _prepare(Path(model), decision, artifacts, reports, bounds, {"image": image, "run": run_id, "server": server})
    result = PushResult(pushed=False, reason=found) if isinstance(found, str) else _push(base, *found, verifier, now)
    result = dataclasses.replace(result, settled=tuple(settled))
    if result.pushed or any(item.kind == PUSHED for item in settled):
        keep_last(base, keep_versions)
    write_json(Path(pushed) / PUSHED_FILE, {"format": PUSHED_FORMAT, **dataclasses.asdict(result)})
    if result.unchanged:
        logger.info("Nothing was pushed. %s", result.reason)
    elif result.pushed:
        logger.info("Version %s is in %s. %s", result.version, base, result.reason)
    elif result.deadline:
        logger.warning("Nothing was pushed yet. %s", result.reason)
    elif strict:
        raise Refusal(f"Nothing was pushed. {result.reason}")
    else:
        logger.warning("Nothing was pushed. %s", result.reason)
    return result


def _prepare(
    model: Path, decision: str, artifacts: dict[str, str], reports: dict[str, Path], bounds: Bounds, origin: dict[str, str]
) -> tuple[Candidate, str] | str:
    """Returns the candidate and until when it may be approved (empty if it needs no approval), or why it must not be pushed."""
    try:
        verdict = read_decision(decision)
    except UntrustedDecisionError as error:
        return str(error)
    if verdict.status is Status.REFUSED:
        return f"The decision says no: {verdict.document['reason']}"
    saved_model = model / SERVING_MODEL_DIR
    if not (saved_model / SAVED_MODEL_FILE).is_file():
        raise UserError("A model artifact holds a SavedModel.", received=str(saved_model), remedy="Run train_model again.")
    evidence = read_evidence(model=str(model), **artifacts)
    if contradiction := find_contradiction(verdict.document, evidence, digest_model(saved_model)):
        return contradiction
    try:
        check_decision(verdict.document, bounds, evidence.evaluation, reports)
    except UnfoundedDecisionError as error:
        return str(error)
    candidate = Candidate(
        model=saved_model,
        model_digest=verdict.document["model_digest"],
        decision_digest=verdict.digest,
        baseline_version=verdict.document["baseline_version"],
        baseline_digest=str(verdict.document.get("baseline_pushed_digest") or ""),
        attachments=_attach(verdict, evidence) | (_sample(bounds.policy, evidence, artifacts) if origin["server"] else {}),
        record={**_record(verdict.document, evidence), **origin},
    )
    return candidate, verdict.document["deadline"] if verdict.status is Status.PENDING else ""


def _attach(decision: Decision, evidence: Evidence) -> dict[str, bytes]:
    card = render_model_card(
        decision=decision.document, manifest=evidence.manifest, training=evidence.training, evaluation=evidence.evaluation
    )
    return {**evidence.files, DECISION_FILE: decision.data, MODEL_CARD_FILE: card.encode()}


def _sample(policy: Policy, evidence: Evidence, artifacts: dict[str, str]) -> dict[str, bytes]:
    from components.push_model.sample import take_sample  # noqa: PLC0415  # Arrow is needed for this alone

    sample = take_sample(
        examples=artifacts["examples"],
        schema=artifacts["schema"],
        evaluation=artifacts["evaluation"],
        manifest=evidence.manifest,
        tolerance=None if policy.parity.off else policy.parity.tolerance,
        interface=evidence.training.get("interface"),
    )
    return {VERIFICATION_FILE: sample.to_bytes()}


def _record(decision: dict[str, Any], evidence: Evidence) -> dict[str, Any]:
    """Returns what the ledger keeps of a push: enough to tell where the model came from without its folder."""
    lineage, training = decision["lineage"], evidence.training

    def find(name: str) -> Any:
        return lineage.get(name, training.get(name))

    return {
        "reason": decision["reason"],
        "data_version": decision["data_version"],
        "spans": find("spans"),
        "fingerprint": lineage.get("fingerprint", evidence.manifest.get("fingerprint")),
        "policy_hash": decision["policy_hash"],
        "overrides": decision["overrides"],
        "code": {"features_hash": find("features_hash"), "model_hash": find("model_hash"), "schema_hash": evidence.schema_hash},
        "parameters": {name: find(name) for name in ("hyperparameters", "seed", "epochs_run")},
        "metrics": lineage.get("metrics") or {},
        "gates": [{name: gate.get(name) for name in ("stage", "gate", "verdict", "reason")} for gate in decision["gates"]],
        "approver": None,
    }


def _push(base: Base, candidate: Candidate, deadline: str, verifier: Verifier | None, now: datetime.datetime) -> PushResult:
    if verifier:
        verifier.prepare(base)
    outcome = request_approval(base, candidate, deadline, now=now) if deadline else push(base, candidate)
    version, problem = verifier.verify(base) if verifier and outcome.pushed else ("", "")
    if version and version == outcome.version:
        return PushResult(pushed=False, reason=problem)
    return PushResult(
        pushed=outcome.pushed,
        reason=outcome.reason,
        version=outcome.version,
        destination=str(base / outcome.version) if outcome.pushed else "",
        model_digest=candidate.model_digest if outcome.pushed or outcome.deadline else "",
        pushed_digest=outcome.pushed_digest,
        ledger_head=outcome.head,
        deadline=outcome.deadline,
        unchanged=outcome.unchanged,
    )
