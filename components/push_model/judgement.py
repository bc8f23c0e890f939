"""Whether a decision follows from the policy of this pipeline, and from the reports of its gates.

A decision may have been edited so that it agrees with itself. What it cannot change is the policy that the pipeline was
compiled with, which comes to this stage by another way, and, unless they are edited as well, the reports.
"""

from pathlib import Path
from typing import Any

from components._shared.artifacts import GATES_FILE
from components._shared.digest import digest_file
from components._shared.gates import APPROVAL_GATE, EVIDENCE_GATE, GateReport, Verdict, read_gate_report
from components._shared.overrides import Bounds
from components._shared.policy import Policy
from components._shared.policy_documents import hash_policy
from components._shared.required import REQUIRED, why_not_applicable

_DECIDER = "decide_release"


class UnfoundedDecisionError(Exception):
    """The decision does not follow from what it names; the text says why, as a sentence."""


def check_decision(decision: dict[str, Any], bounds: Bounds, evaluation: dict[str, Any], reports: dict[str, Path]) -> None:
    """Checks a decision that lets a model through, or leaves only the approval open.

    Args:
        decision: The decision; every gate is in it once.
        bounds: What this run is judged by.
        evaluation: The evaluation's summary.
        reports: Folder of each artifact that holds a report, by the artifact's name.

    Raises:
        UnfoundedDecisionError: If it was made under another policy, a gate does not apply or is off and the policy does not
            say so, or a report is another one or says something else.
    """
    _check_policy(decision, bounds, evaluation)
    gates = {gate["gate"]: gate for gate in decision["gates"]}
    stages = {required.gate: (required.stage, f"{required.artifact}/{GATES_FILE}") for required in REQUIRED}
    for name, gate in gates.items():
        if (said := (gate.get("stage"), gate.get("evidence_file"))) != stages.get(name, (_DECIDER, "")):
            raise UnfoundedDecisionError(f"The decision names {said} as the source of the gate {name}.")
        _check_verdict(name, gate["verdict"], bounds.policy, decision["baseline_version"])
    for artifact in dict.fromkeys(required.artifact for required in REQUIRED):
        _check_report(gates, bounds.policy, artifact, reports[artifact])


def _check_policy(decision: dict[str, Any], bounds: Bounds, evaluation: dict[str, Any]) -> None:
    if decision["policy_hash"] != bounds.policy_hash:
        received = f"{decision['policy_hash']} instead of {bounds.policy_hash}"
        raise UnfoundedDecisionError(f"The decision was made under another policy than that of this run: {received}.")
    if decision["policy"] != bounds.document or decision["overrides"] != list(bounds.overrides):
        raise UnfoundedDecisionError("The decision's policy, or what it says that the run tightened, is not that of this run.")
    config = evaluation.get("eval_config")
    if not isinstance(config, dict) or hash_policy(decision["policy"], config) != decision["policy_hash"]:
        raise UnfoundedDecisionError("The evaluation was made under another configuration than the policy's hash stands for.")


def _check_verdict(name: str, verdict: str, policy: Policy, baseline_version: str) -> None:
    """Checks what lets a gate through without a measurement."""
    off = name != EVIDENCE_GATE and getattr(policy, name).off
    if verdict == Verdict.SWITCHED_OFF and not off:
        raise UnfoundedDecisionError(f"The decision says that the gate {name} is switched off, and the policy does not.")
    if verdict != Verdict.NOT_APPLICABLE:
        return
    # An approval that is required is in the ledger, never in a decision.
    applies = policy.approval.required if name == APPROVAL_GATE else not why_not_applicable(name, policy, baseline_version)
    if applies:
        raise UnfoundedDecisionError(f"The decision says that the gate {name} does not apply, and it does.")


def _check_report(gates: dict[str, dict[str, Any]], policy: Policy, artifact: str, folder: Path) -> None:
    """Checks that a report at hand is the one that was judged, and says what the decision says of its gates."""
    names = [required.gate for required in REQUIRED if required.artifact == artifact]
    judged = [name for name in names if not getattr(policy, name).off]
    try:
        digest, report = digest_file(folder / GATES_FILE), read_gate_report(folder)
    except (OSError, ValueError) as error:
        if not judged:
            return
        raise UnfoundedDecisionError(f"The report of the gate {judged[0]} cannot be read: {error}") from error
    for name in names:
        if gates[name].get("evidence_digest") != digest:
            raise UnfoundedDecisionError(f"The report of the gate {name} is not the one that was judged.")
    for name in judged:
        if (said := _verdict_of(report, name)) != gates[name]["verdict"]:
            what = f"{gates[name]['verdict']!r} of the gate {name}, and its report {said or 'nothing'!r}"
            raise UnfoundedDecisionError(f"The decision says {what}.")


def _verdict_of(report: GateReport, name: str) -> str:
    found = [result.verdict.value for result in report.gates if result.gate == name]
    return found[0] if len(found) == 1 else ""
