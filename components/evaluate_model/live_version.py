"""Reads the live version that the candidate is compared with, and decides whether the comparison would be fair."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from components._shared.artifacts import ASSETS_EXTRA_DIR, BASELINE_FILE, BASELINE_MODEL_DIR, MANIFEST_FILE, RELEASE_DIR
from components._shared.digest import digest_model
from components._shared.errors import SluiceError, UserError
from components.evaluate_model.inputs import count_invalid, predict


@dataclasses.dataclass(frozen=True)
class LiveVersion:
    """What is live.

    Attributes:
        version: Its number as text; empty when none is live.
        model_digest: Its digest as trained.
        path: Its SavedModel.
    """

    version: str
    model_digest: str
    path: Path


def read_live_version(baseline: str | Path) -> LiveVersion:
    """Reads a baseline artifact.

    Raises:
        UserError: If it does not say whether a version is live.
    """
    file = Path(baseline) / BASELINE_FILE
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return LiveVersion(document["version"], document["model_digest"], Path(baseline) / BASELINE_MODEL_DIR)
    except (OSError, ValueError, KeyError, TypeError) as error:
        rule = f"A baseline artifact holds {BASELINE_FILE}."
        raise UserError(rule, received=f"{file}: {error!r}", remedy="Run fetch_baseline again.") from error


def score_live_version(
    live: LiveVersion, rows: pa.Table, schema: schema_pb2.Schema, manifest: dict[str, Any]
) -> tuple[np.ndarray | None, str]:
    """Returns the live version's predictions, or why these rows cannot compare it with the candidate.

    Args:
        live: The live version; there is one.
        rows: Raw rows of the test split.
        schema: The schema of those rows.
        manifest: The manifest of the examples.

    Returns:
        Predictions, float32 of shape [rows], and ""; or None and the reason as a sentence.
    """
    if problem := _find_problem(live, manifest):
        return None, problem
    try:
        predictions = predict(live.path, rows, schema)
    except SluiceError as error:
        return None, f"Live version {live.version} cannot score these rows. {error}"
    except Exception as error:
        return None, f"Live version {live.version} cannot score these rows: {type(error).__name__}: {error}"
    if invalid := count_invalid(predictions):
        return None, f"{invalid:,} of {len(predictions):,} predictions of live version {live.version} are no probability."
    return predictions, ""


def _find_problem(live: LiveVersion, manifest: dict[str, Any]) -> str:
    if live.model_digest and digest_model(live.path) != live.model_digest:
        return f"The files of live version {live.version} are not those that were released."
    file = live.path / ASSETS_EXTRA_DIR / RELEASE_DIR / MANIFEST_FILE
    try:
        trained = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return f"Live version {live.version} does not say how its data was split ({RELEASE_DIR}/{MANIFEST_FILE})."
    if trained.get("label") != manifest["label"]:
        return f"Live version {live.version} predicts another label: {trained.get('label')} instead of {manifest['label']}."
    if trained.get("split_rule") != manifest["split_rule"]:
        return (
            f"Live version {live.version} was trained under another split rule: rows it was trained on may be among "
            "these test rows. Train once with the regression gate switched off by name, or keep the split rule."
        )
    return ""
