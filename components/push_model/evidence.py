"""Reads the decision and what goes along with a release, and says why they do not allow a push, if they do not."""

import dataclasses
from pathlib import Path
from typing import Any

from components._data.statistics import parse_statistics
from components._shared.artifacts import (
    BLESSED_FILE,
    DECISION_FILE,
    DECISION_FORMAT,
    EVALUATION_FILE,
    MANIFEST_FILE,
    NOT_BLESSED_FILE,
    RELEASE_STATISTICS_DIR,
    SCHEMA_FILE,
    SPLITS,
    STATISTICS_FILE,
    STATISTICS_ORIGIN_FILE,
    TRAINING_FILE,
    split_dir,
)
from components._shared.digest import digest_bytes
from components._shared.documents import parse_object
from components._shared.errors import UserError
from components._shared.gates import APPROVAL_GATE, EVIDENCE_GATE, Status, Verdict
from components._shared.policy import Policy
from components._shared.times import from_text

_DECISION_FIELDS = {
    "approved": bool,
    "status": str,
    "deadline": str,
    "reason": str,
    "model_digest": str,
    "data_version": str,
    "policy_hash": str,
    "policy": dict,
    "overrides": list,
    "baseline_version": str,
    "gates": list,
    "documents": dict,
    "lineage": dict,
}
_REQUIRED_GATES = sorted([*(field.name for field in dataclasses.fields(Policy)), EVIDENCE_GATE])
_PASSING = (Verdict.PASSED, Verdict.NOT_APPLICABLE, Verdict.SWITCHED_OFF)
_NO_APPROVAL_NEEDED = (Verdict.NOT_APPLICABLE, Verdict.SWITCHED_OFF)
_JUDGED = (MANIFEST_FILE, TRAINING_FILE, EVALUATION_FILE)
"""What a release carries and the decision rests on."""


class UntrustedDecisionError(Exception):
    """The decision is not there, or contradicts itself; its message is a sentence. It counts as a "no"."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """A decision as it was read, once: what is judged, recorded and released are the same bytes.

    Attributes:
        document: The JSON object.
        data: The bytes of its file.
        digest: `sha256:<hex>` of those bytes.
    """

    document: dict[str, Any]
    data: bytes
    digest: str

    @property
    def status(self) -> Status:
        """What it comes to."""
        return Status(self.document["status"])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a release carries: files by their relative path, those that are JSON parsed as well, and the statistics' origin."""

    files: dict[str, bytes]
    manifest: dict[str, Any]
    training: dict[str, Any]
    evaluation: dict[str, Any]
    statistics: dict[str, Any]

    @property
    def schema_hash(self) -> str:
        """Digest of the schema's file."""
        return self.digest_of(SCHEMA_FILE)

    def digest_of(self, name: str) -> str:
        """Returns `sha256:<hex>` of a file."""
        return digest_bytes(self.files[name])


def read_decision(folder: str | Path) -> Decision:
    """Reads a decision and checks that it agrees with itself.

    Raises:
        UntrustedDecisionError: If it does not, or cannot be read.
    """
    folder = Path(folder)
    try:
        data = (folder / DECISION_FILE).read_bytes()
        document = parse_object(data)
    except (OSError, ValueError) as error:
        raise UntrustedDecisionError(f"The decision cannot be read: {error}.") from error
    if document.get("format") != DECISION_FORMAT:
        raise UntrustedDecisionError(f"The decision does not have the format {DECISION_FORMAT!r}.")
    if wrong := [name for name, kind in _DECISION_FIELDS.items() if type(document.get(name)) is not kind]:
        raise UntrustedDecisionError(f"The decision lacks {', '.join(wrong)}.")
    blessings = ((folder / BLESSED_FILE).exists(), (folder / NOT_BLESSED_FILE).exists())
    if blessings != (document["approved"], not document["approved"]):
        raise UntrustedDecisionError(f"{DECISION_FILE} and the file {BLESSED_FILE} or {NOT_BLESSED_FILE} disagree.")
    if document["status"] not in set(Status) or document["approved"] != (document["status"] == Status.APPROVED):
        raise UntrustedDecisionError(f"The decision contradicts itself: approved or not, and {document['status']!r}.")
    if document["status"] != Status.REFUSED:
        _check_gates(document)
    return Decision(document=document, data=data, digest=digest_bytes(data))


def read_evidence(*, model: str, examples: str, statistics: str, schema: str, evaluation: str) -> Evidence:
    """Reads what goes along with a release.

    Raises:
        UserError: If a part of it is missing or cannot be read.
    """
    files = {
        SCHEMA_FILE: _read(Path(schema) / SCHEMA_FILE),
        EVALUATION_FILE: _read(Path(evaluation) / EVALUATION_FILE),
        MANIFEST_FILE: _read(Path(examples) / MANIFEST_FILE),
        TRAINING_FILE: _read(Path(model) / TRAINING_FILE),
    }
    files |= {f"{RELEASE_STATISTICS_DIR}/{name}": data for name, data in _read_statistics(statistics).items()}
    documents = [_parse_file(name, files[name]) for name in (MANIFEST_FILE, TRAINING_FILE, EVALUATION_FILE)]
    origin = _parse_file(STATISTICS_ORIGIN_FILE, _read(Path(statistics) / STATISTICS_ORIGIN_FILE))
    return Evidence(files=files, manifest=documents[0], training=documents[1], evaluation=documents[2], statistics=origin)


def find_contradiction(decision: dict[str, Any], evidence: Evidence, model_digest: str) -> str:
    """Returns why the decision is not about this model and these files, as a sentence; empty if it is.

    Args:
        decision: The decision.
        evidence: What would go along with the release.
        model_digest: Digest of the model, computed from its files.
    """
    claims = (
        ("decision", "model", decision["model_digest"], model_digest),
        ("training record", "model", evidence.training.get("model_digest"), model_digest),
        ("evaluation", "model", evidence.evaluation.get("model_digest"), model_digest),
        ("training record", "schema", evidence.training.get("schema_hash"), evidence.schema_hash),
        ("training record", "data", evidence.training.get("data_version"), decision["data_version"]),
        ("evaluation", "data", evidence.evaluation.get("data_version"), decision["data_version"]),
        ("statistics artifact", "data", evidence.statistics.get("data_version"), decision["data_version"]),
        ("manifest", "data", evidence.manifest.get("data_version"), decision["data_version"]),
    )
    for who, what, said, expected in claims:
        if not expected or said != expected:
            return f"The {who} is about another {what}: {said or 'none'} instead of {expected or 'any'}."
    for name in _JUDGED:
        if decision["documents"].get(name) != evidence.digest_of(name):
            return f"{name} is not the one that was judged: it changed since the decision, or the decision is of another run."
    return ""


def _check_gates(document: dict[str, Any]) -> None:
    """Checks that the gates allow what the decision says, be it a yes or one that still wants a person's approval."""
    what = "approves" if document["approved"] else "leaves only the approval open"
    others = [gate for gate in document["gates"] if _name(gate) != APPROVAL_GATE]
    if failed := _gates_that_do_not_pass(others):
        raise UntrustedDecisionError(f"The decision {what} although these gates did not pass: {', '.join(failed)}.")
    if (names := sorted(_name(gate) for gate in document["gates"])) != _REQUIRED_GATES:
        received = f"{', '.join(names) or 'none'} instead of {', '.join(_REQUIRED_GATES)}"
        raise UntrustedDecisionError(f"An approval names every gate exactly once. Received: {received}.")
    verdict = next(gate.get("verdict") for gate in document["gates"] if _name(gate) == APPROVAL_GATE)
    if verdict not in (_NO_APPROVAL_NEEDED if document["approved"] else (Verdict.PENDING,)):
        raise UntrustedDecisionError(f"The decision {what}, and its gate on approval says {verdict!r}.")
    if not document["approved"]:
        try:
            from_text(document["deadline"])
        except ValueError as error:
            raise UntrustedDecisionError(f"A pending decision has a deadline: {error}.") from error


def _gates_that_do_not_pass(gates: list[Any]) -> list[str]:
    return [_name(gate) for gate in gates if not isinstance(gate, dict) or gate.get("verdict") not in _PASSING]


def _name(gate: Any) -> str:
    return str(gate.get("gate", "?")) if isinstance(gate, dict) else "?"


def _read_statistics(statistics: str) -> dict[str, bytes]:
    """Returns the statistics' files by their path in the artifact, after parsing each: the next run compares with them."""
    files = {}
    for split in SPLITS:
        name = f"{split_dir(split)}/{STATISTICS_FILE}"
        files[name] = _read(Path(statistics) / name)
        parse_statistics(files[name], name)
    return files


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"A release carries {path.name}.", received=error, remedy="Run the stage that writes it again."
        ) from error


def _parse_file(name: str, data: bytes) -> dict[str, Any]:
    try:
        return parse_object(data)
    except ValueError as error:
        raise UserError(f"{name} is a JSON object.", received=error, remedy="Run the stage that writes it again.") from error
