"""Gate reports: what a reporting stage found, in the one form that decide_release reads.

Each reporting stage writes `gates.json` with the gates it judged and the evidence they rest on. A gate that could not be
judged is never "passed": the stage leaves it out, and the decision says no because it is missing.
"""

import dataclasses
import enum
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components._shared.artifacts import GATES_FILE
from components._shared.digest import digest_file
from components._shared.documents import read_object
from components._shared.outputs import write_json

FORMAT = "sluice/gates/1"

EVIDENCE_GATE = "evidence"
"""What the decision finds out for itself: that all reports speak of this very run. It cannot be switched off."""


APPROVAL_GATE = "approval"
"""What a person says. The decision can only say that it is not required, or leave it pending."""


class Verdict(enum.StrEnum):
    """What one gate says; only the gate on approval may leave it open."""

    PASSED = "passed"
    FAILED = "failed"
    PENDING = "pending"
    NOT_APPLICABLE = "not_applicable"
    SWITCHED_OFF = "switched_off"


class Status(enum.StrEnum):
    """What a decision comes to."""

    APPROVED = "approved"
    PENDING = "pending"
    REFUSED = "refused"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number that a gate looked at, with its bounds.

    Attributes:
        name: What was measured, such as "auc" or "p99_ms at batch 16".
        value: The number; None when it could not be computed.
        slice: The slice it belongs to, such as "origin=JFK"; empty for all rows.
        lower_bound: The least value allowed; None for no bound.
        upper_bound: The greatest value allowed; None for no bound.
        rows: Number of rows behind the value; None when that has no meaning.
        passed: Whether the value is within its bounds; None when it was reported and not judged.
        note: Anything a reader should know, such as why it was not judged.
    """

    name: str
    value: float | None
    slice: str = ""
    lower_bound: float | None = None
    upper_bound: float | None = None
    rows: int | None = None
    passed: bool | None = None
    note: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GateResult:
    """One gate's verdict, its reason in a sentence, and the numbers behind it."""

    gate: str
    verdict: Verdict
    reason: str
    measurements: tuple[Measurement, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a report is about; the decision says no unless all reports agree on it.

    Attributes:
        model_digest: Digest of the candidate as trained; empty in a report made before it was trained.
        data_version: Data version of the examples.
        policy_hash: Hash of the gates' policy.
        baseline_version: The live version the candidate was compared with; empty when none was live.
    """

    model_digest: str
    data_version: str
    policy_hash: str
    baseline_version: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class GateReport:
    """All that one stage found, and the evidence it rests on.

    Attributes:
        stage: Who found it.
        evidence: What it is about.
        gates: What each gate says.
        documents: `sha256:<hex>` of files by their name: those that the stage read, and those that it wrote beside the report.
    """

    stage: str
    evidence: Evidence
    gates: tuple[GateResult, ...]
    documents: dict[str, str] = dataclasses.field(default_factory=dict)

    def write(self, folder: str | Path, *, beside: Sequence[str] = ()) -> None:
        """Writes the report as `gates.json` into an artifact's folder.

        Args:
            folder: The folder.
            beside: Names of files in it that belong to the report, which names their digests.
        """
        documents = self.documents | {name: digest_file(Path(folder) / name) for name in beside}
        write_json(Path(folder) / GATES_FILE, {"format": FORMAT, **dataclasses.asdict(self), "documents": documents})


def read_gate_report(folder: str | Path) -> GateReport:
    """Reads the gate report of an artifact.

    Raises:
        OSError: If it is not there or cannot be read.
        ValueError: If it is not a gate report of this format.
    """
    document = read_object(Path(folder) / GATES_FILE)
    if document.get("format") != FORMAT:
        raise ValueError(f"{GATES_FILE} must have the format {FORMAT!r}.")
    try:
        gates = tuple(_gate_result(gate) for gate in document["gates"])
        evidence, documents = Evidence(**document["evidence"]), dict(document.get("documents", {}))
        return GateReport(stage=document["stage"], evidence=evidence, gates=gates, documents=documents)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{GATES_FILE} does not have the fields of {FORMAT!r}: {error!r}.") from error


def _gate_result(document: dict[str, Any]) -> GateResult:
    measurements = tuple(Measurement(**item) for item in document["measurements"])
    return GateResult(
        gate=document["gate"], verdict=Verdict(document["verdict"]), reason=document["reason"], measurements=measurements
    )
