"""What this stage finds out for itself about model, data and live version, and whether it agrees."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components._data.integrity import find_changes
from components._shared.artifacts import (
    BASELINE_FILE,
    EVALUATION_FILE,
    MANIFEST_FILE,
    SAVED_MODEL_FILE,
    SERVING_MODEL_DIR,
    SPLITS,
    TRAINING_FILE,
)
from components._shared.digest import digest_bytes, digest_model
from components._shared.documents import parse_object
from components._shared.gates import EVIDENCE_GATE, Evidence, GateResult, Verdict
from components._shared.overrides import Bounds
from components._shared.policy_documents import hash_policy

AGREE = "Model, data, policy and live version are the ones that every stage worked on."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """The documents of the run, read anew.

    Attributes:
        evidence: What every report must be about; a field is empty when it is not known.
        pushed_digest: Digest of the live version's folder; empty when none is live.
        manifest: The examples' manifest; empty when it cannot be read.
        training: The model's training.json; empty when it cannot be read.
        evaluation: The evaluation's summary; empty when it cannot be read.
        documents: `sha256:<hex>` of the file of each document that was read, by the file's name.
        problems: What does not fit together, in sentences.
    """

    evidence: Evidence
    pushed_digest: str
    manifest: dict[str, Any]
    training: dict[str, Any]
    evaluation: dict[str, Any]
    documents: dict[str, str]
    problems: tuple[str, ...]


def find_facts(*, model: str, baseline: str, examples: str, evaluation: str, bounds: Bounds, as_compiled: bool) -> Facts:
    """Reads the documents and computes the model's digest; what is wrong becomes a problem, never an exception.

    Args:
        model: Folder of the candidate.
        baseline: Folder of the live version.
        examples: Folder of the examples.
        evaluation: Folder of the evaluation.
        bounds: What the run is judged by.
        as_compiled: Whether that comes from the policy and configuration that the pipeline was compiled with.
    """
    problems: list[str] = []
    documents: dict[str, str] = {}
    manifest = _read(Path(examples) / MANIFEST_FILE, ("data_version",), documents, problems)
    training = _read(Path(model) / TRAINING_FILE, ("data_version", "model_digest"), documents, problems)
    live = _read(Path(baseline) / BASELINE_FILE, ("version", "model_digest", "pushed_digest"), documents, problems)
    digest = _digest(Path(model) / SERVING_MODEL_DIR, problems)
    found = Evidence(
        model_digest=digest,
        data_version=manifest.get("data_version", ""),
        policy_hash=bounds.policy_hash,
        baseline_version=live.get("version", ""),
    )
    if not as_compiled:
        problems.append("The policy and the evaluation's configuration are not those that the policy's hash stands for.")
    summary = _read(Path(evaluation) / EVALUATION_FILE, ("data_version", "model_digest"), documents, problems)
    _compare(TRAINING_FILE, training, found, problems)
    _compare(EVALUATION_FILE, summary, found, problems)
    if summary:
        problems += _compare_evaluation(summary, live, bounds)
    problems += [changes for split in SPLITS if manifest and (changes := find_changes(examples, manifest, split))]
    if bool(live.get("version")) != bool(live.get("pushed_digest")):
        problems.append(f"{BASELINE_FILE} names a live version without its digest, or a digest without a version.")
    return Facts(
        evidence=found,
        pushed_digest=live.get("pushed_digest", ""),
        manifest=manifest,
        training=training,
        evaluation=summary,
        documents=documents,
        problems=tuple(problems),
    )


def judge_facts(facts: Facts) -> GateResult:
    """Returns the gate of this stage: everything belongs to one run."""
    if facts.problems:
        return GateResult(gate=EVIDENCE_GATE, verdict=Verdict.FAILED, reason=" ".join(facts.problems))
    return GateResult(gate=EVIDENCE_GATE, verdict=Verdict.PASSED, reason=AGREE)


def _read(path: Path, texts: tuple[str, ...], digests: dict[str, str], problems: list[str]) -> dict[str, Any]:
    """Returns a JSON object whose named fields are texts, and notes its file's digest; or returns nothing at all."""
    try:
        data = path.read_bytes()
        document = parse_object(data)
    except FileNotFoundError:
        problems.append(f"{path.name} is missing.")
        return {}
    except (OSError, ValueError) as error:
        problems.append(f"{path.name} cannot be read: {error}.")
        return {}
    if wrong := [name for name in texts if not isinstance(document.get(name), str)]:
        problems.append(f"{path.name} has no {' and no '.join(wrong)}.")
        return {}
    digests[path.name] = digest_bytes(data)
    return document


def _digest(folder: Path, problems: list[str]) -> str:
    try:
        if (folder / SAVED_MODEL_FILE).is_file():
            return digest_model(folder)
        problems.append(f"The model holds no SavedModel in {SERVING_MODEL_DIR}.")
    except OSError as error:
        problems.append(f"The model cannot be read: {error}.")
    return ""


def _compare(name: str, document: dict[str, Any], found: Evidence, problems: list[str]) -> None:
    for field, what in (("data_version", "data"), ("model_digest", "model")) if document else ():
        said, actual = document[field], getattr(found, field)
        if said != actual:
            problems.append(f"{name} is about another {what}: {said or 'none'} instead of {actual or 'none'}.")


def _compare_evaluation(summary: dict[str, Any], live: dict[str, Any], bounds: Bounds) -> Iterator[str]:
    """Yields what does not fit between the evaluation and the policy or the live version that this stage was given."""
    if hash_policy(bounds.document, summary.get("eval_config", {})) != bounds.policy_hash:
        yield f"The policy and the configuration in {EVALUATION_FILE} are not those that the policy's hash stands for."
    if live and summary.get("baseline_model_digest") != live["model_digest"]:
        yield f"{EVALUATION_FILE} compares with another model than the live version in {BASELINE_FILE}."
