"""Judges what the stages reported: whatever is missing, foreign or contradictory counts as a "no"."""

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path

from components._shared.artifacts import GATES_FILE
from components._shared.digest import digest_file
from components._shared.gates import Evidence, GateReport, GateResult, Measurement, Verdict, read_gate_report
from components._shared.policy import Policy
from components._shared.required import DOCUMENTS, REQUIRED, RequiredGate, why_not_applicable


@dataclasses.dataclass(frozen=True, kw_only=True)
class Judged:
    """A gate as it counts in the decision.

    Attributes:
        stage: Who reported it.
        result: The verdict that counts; FAILED with the reason when the report cannot be trusted.
        evidence_file: The report behind it, as `<artifact>/gates.json`; empty when this stage looked for itself.
        evidence_digest: Digest of that file; empty when it cannot be read.
    """

    stage: str
    result: GateResult
    evidence_file: str = ""
    evidence_digest: str = ""


_EVIDENCE_NAMES = {
    "model_digest": "model",
    "data_version": "data version",
    "policy_hash": "policy",
    "baseline_version": "live version",
}


class _Untrustworthy(Exception):
    """The report does not count; the text says why, as a sentence."""


def reports_of(*, anomalies: str, evaluation: str, serving_report: str) -> dict[str, Path]:
    """Returns the folder of each artifact that holds a report, by the artifact's name."""
    return {"anomalies": Path(anomalies), "evaluation": Path(evaluation), "serving_report": Path(serving_report)}


def judge_gates(
    reports: dict[str, Path], expected: Evidence, documents: Mapping[str, str], policy: Policy
) -> tuple[Judged, ...]:
    """Returns every required gate as it counts.

    Args:
        reports: Folder of each artifact that holds a report, by the artifact's name.
        expected: What the reports must be about, found out by this stage itself.
        documents: `sha256:<hex>` of the run's documents by their name, as this stage read them.
        policy: The gates' bounds.
    """
    present = {artifact: {**_digest_beside(artifact, folder), **documents} for artifact, folder in reports.items()}
    return tuple(
        Judged(
            stage=required.stage,
            result=_judge(required, reports[required.artifact], expected, present[required.artifact], policy),
            evidence_file=f"{required.artifact}/{GATES_FILE}",
            evidence_digest=_digest(reports[required.artifact] / GATES_FILE),
        )
        for required in REQUIRED
    )


def may_pass(judged: Judged) -> bool:
    """Returns whether a gate lets a release through."""
    return judged.result.verdict not in (Verdict.FAILED, Verdict.PENDING)


def _judge(
    required: RequiredGate, folder: Path, expected: Evidence, documents: Mapping[str, str], policy: Policy
) -> GateResult:
    off = getattr(policy, required.gate).off
    try:
        result = _read(required, folder, expected, documents)
        _check_verdict(result, policy, expected.baseline_version)
    except _Untrustworthy as error:
        # A gate that the project switched off by name needs no report; why there is none is still told.
        verdict, reason = (Verdict.SWITCHED_OFF, f"{off.rstrip('.')}. {error}") if off else (Verdict.FAILED, str(error))
        return GateResult(gate=required.gate, verdict=verdict, reason=reason)
    return dataclasses.replace(result, verdict=Verdict.SWITCHED_OFF, reason=off) if off else result


def _digest(file: Path) -> str:
    try:
        return digest_file(file)
    except OSError:
        return ""  # the gate says why


def _digest_beside(artifact: str, folder: Path) -> dict[str, str]:
    return {name: digest for name in DOCUMENTS[artifact] if (digest := _digest(folder / name))}


def _read(required: RequiredGate, folder: Path, expected: Evidence, documents: Mapping[str, str]) -> GateResult:
    try:
        report = read_gate_report(folder)
    except FileNotFoundError as error:
        raise _Untrustworthy(f"The report of {required.stage} is missing.") from error
    except (OSError, ValueError) as error:
        raise _Untrustworthy(f"The report of {required.stage} cannot be read: {error}") from error
    if report.stage != required.stage:
        raise _Untrustworthy(f"The report was written by {report.stage!r} instead of {required.stage!r}.")
    _check_evidence(required, report, expected)
    _check_documents(required, report, documents)
    results = [result for result in report.gates if result.gate == required.gate]
    if len(results) != 1:
        how_often = "does not mention this gate" if not results else f"mentions this gate {len(results)} times"
        raise _Untrustworthy(f"The report of {required.stage} {how_often}.")
    if not _well_formed(results[0]):
        raise _Untrustworthy(f"The report of {required.stage} holds values that are no numbers, texts or verdicts.")
    return results[0]


def _check_evidence(required: RequiredGate, report: GateReport, expected: Evidence) -> None:
    wanted = expected if required.after_training else dataclasses.replace(expected, model_digest="")
    for name, right in dataclasses.asdict(wanted).items():
        what, found = _EVIDENCE_NAMES[name], getattr(report.evidence, name)
        if not getattr(expected, name) and name != "baseline_version":  # two unknowns agree, but prove nothing
            raise _Untrustworthy(f"It is not known which {what} this run is about, so no report can be trusted.")
        if found != right:
            received = f"{found or 'none'} instead of {right or 'none'}"
            raise _Untrustworthy(f"The report of {required.stage} is about another {what}: {received}.")


def _check_documents(required: RequiredGate, report: GateReport, documents: Mapping[str, str]) -> None:
    """Checks that the files which the report rests on, or came along with, are those that are at hand now."""
    for name in DOCUMENTS[required.artifact]:
        said, actual = report.documents.get(name), documents.get(name)
        if not said or said != actual:
            received = f"{said or 'none'} instead of {actual or 'none'}"
            raise _Untrustworthy(f"The report of {required.stage} is about another {name}: {received}.")


def _check_verdict(result: GateResult, policy: Policy, baseline_version: str) -> None:
    if result.verdict is Verdict.PENDING:
        raise _Untrustworthy("The report leaves the verdict open, which only the gate on approval may.")
    if result.verdict is Verdict.SWITCHED_OFF and not getattr(policy, result.gate).off:
        raise _Untrustworthy("The report says that the gate is switched off; the policy does not switch it off.")
    if result.verdict is Verdict.NOT_APPLICABLE and not why_not_applicable(result.gate, policy, baseline_version):
        raise _Untrustworthy(f"The report says that the gate does not apply, and it does. The report's reason: {result.reason}")
    if result.verdict is Verdict.PASSED and (contradiction := _contradiction(result.measurements)):
        raise _Untrustworthy(f"The report contradicts itself: the gate passed, but {contradiction}.")
    if result.verdict is Verdict.PASSED and not any(item.passed for item in result.measurements):
        raise _Untrustworthy("The report says that the gate passed, and holds no measurement that was judged.")


def _contradiction(measurements: tuple[Measurement, ...]) -> str:
    for item in measurements:
        name = f"{item.name} ({item.slice})" if item.slice else item.name
        if item.passed is False:
            return f"{name} failed"
        if item.passed and not _within_bounds(item):
            return f"{name} is {item.value}, outside its bounds"
    return ""


def _within_bounds(item: Measurement) -> bool:
    if item.lower_bound is None and item.upper_bound is None:
        return True
    if item.value is None:
        return False
    above = item.lower_bound is None or item.value >= item.lower_bound
    return above and (item.upper_bound is None or item.value <= item.upper_bound)


def _well_formed(result: GateResult) -> bool:
    """Returns whether every value has the type that its field promises; JSON would let any other through."""
    return isinstance(result.reason, str) and all(_well_formed_measurement(item) for item in result.measurements)


def _well_formed_measurement(item: Measurement) -> bool:
    texts = all(isinstance(text, str) for text in (item.name, item.slice, item.note))
    numbers = (item.value, item.lower_bound, item.upper_bound, item.rows)
    # Not isfinite, which JSON's integers of any length overflow; comparisons with NaN are false.
    largest = sys.float_info.max
    finite = all(value is None or (isinstance(value, int | float) and -largest <= value <= largest) for value in numbers)
    return texts and finite and (item.passed is None or isinstance(item.passed, bool))
