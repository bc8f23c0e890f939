"""Scores the rows with the live version, and decides whether the comparison would be fair."""

from typing import Any

import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from components._shared.artifacts import MANIFEST_FILE, RELEASE_DIR
from components._shared.digest import digest_model
from components._shared.documents import read_object
from components._shared.errors import SluiceError
from components._shared.label import LabelSpec, read_label_spec
from components._shared.live_version import LiveVersion
from components.evaluate_model.inputs import count_invalid, predict, say_invalid


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
        Predictions, as `predict` gives them, and ""; or None and the reason as a sentence.
    """
    label = read_label_spec(manifest)
    if problem := _find_problem(live, manifest, label):
        return None, problem
    try:
        predictions = predict(live.path, rows, schema, label)
    except SluiceError as error:
        return None, f"Live version {live.version} cannot score these rows. {error}"
    except Exception as error:
        return None, f"Live version {live.version} cannot score these rows: {type(error).__name__}: {error}"
    if invalid := count_invalid(predictions, label.kind):
        return None, say_invalid(invalid, len(predictions), label.kind, f" of live version {live.version}")
    return predictions, ""


def _find_problem(live: LiveVersion, manifest: dict[str, Any], label: LabelSpec) -> str:
    if digest_model(live.path) != live.model_digest:
        return f"The files of live version {live.version} are not those that were released."
    try:
        trained = read_object(live.release / MANIFEST_FILE)
    except (OSError, ValueError):
        return f"Live version {live.version} does not say how its data was split ({RELEASE_DIR}/{MANIFEST_FILE})."
    try:
        predicted = read_label_spec(trained)
    except (SluiceError, KeyError):
        return f"Live version {live.version} does not say what label it predicts ({RELEASE_DIR}/{MANIFEST_FILE})."
    if predicted != label:
        return f"Live version {live.version} predicts another label: {predicted.describe()} instead of {label.describe()}."
    if trained.get("split_rule") != manifest["split_rule"]:
        return (
            f"Live version {live.version} was trained under another split rule: rows it was trained on may be among "
            "these test rows. Train once with the regression gate switched off by name, or keep the split rule."
        )
    return ""
