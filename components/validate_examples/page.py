"""The page of the data gate: the verdict first, then what is wrong, where, and what to do."""

import dataclasses
from pathlib import Path

from components._report.page import render_page
from components._shared.gates import Evidence, GateResult, Verdict
from components.validate_examples.drift import DriftRow
from components.validate_examples.findings import Finding, Severity
from components.validate_examples.inputs import Inputs

MAX_FINDINGS = 200
"""Problems shown in full; anomalies.txt lists all."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """The same finding in one or several splits.

    Attributes:
        finding: The finding, of the first split.
        splits: All splits it was found in; empty when it belongs to none.
    """

    finding: Finding
    splits: tuple[str, ...]

    def sentence(self) -> str:
        """Returns the problem as one line, with all its splits."""
        return dataclasses.replace(self.finding, split="', '".join(self.splits)).sentence()


def group(findings: list[Finding]) -> list[Problem]:
    """Returns findings with equal text as one problem, errors first, else in their order."""
    grouped: dict[Finding, list[str]] = {}
    for finding in sorted(findings, key=lambda item: item.severity is not Severity.ERROR):
        grouped.setdefault(dataclasses.replace(finding, split=""), []).append(finding.split)
    return [Problem(finding=finding, splits=tuple(filter(None, splits))) for finding, splits in grouped.items()]


def render(*, gate: GateResult, findings: list[Finding], distances: list[DriftRow], inputs: Inputs, evidence: Evidence) -> str:
    """Returns the page.

    Args:
        gate: The data gate's result.
        findings: Everything that was found.
        distances: Measured drift and skew; empty when nothing was compared.
        inputs: What was read, and how it differs from what the live version was made of.
        evidence: Data version and baseline version.
    """
    problems = group(findings)
    errors = sum(problem.finding.severity is Severity.ERROR for problem in problems)
    return render_page(
        Path(__file__).parent / "report.html.j2",
        title="Validation of the examples",
        gate=gate,
        headline=_headline(gate.verdict, errors),
        consequence=_consequence(gate),
        problems=problems[:MAX_FINDINGS],
        hidden=max(0, len(problems) - MAX_FINDINGS),
        distances=distances,
        inputs=inputs,
        evidence=evidence,
    )


def _headline(verdict: Verdict, errors: int) -> str:
    if verdict is Verdict.PASSED:
        return "The data gate passed."
    count = f"{errors} {'problem' if errors == 1 else 'problems'}"
    if verdict is Verdict.SWITCHED_OFF:
        return f"The data gate is switched off; it would have {f'failed with {count}' if errors else 'passed'}."
    return f"The data gate failed: {count}."


def _consequence(gate: GateResult) -> str:
    if gate.verdict is Verdict.FAILED:
        return (
            "The run stops at transform_features: no model is trained, nothing is pushed, and what serves now goes on serving."
        )
    return gate.reason
