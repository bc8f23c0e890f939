"""Reads and checks what is evaluated: the candidate, the rows of the test split and their labels."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import schema_pb2

from components._data.examples import read_split
from components._data.integrity import check_split
from components._shared.artifacts import SERVING_MODEL_DIR, TEST, TRAINING_FILE
from components._shared.digest import digest_model
from components._shared.documents import read_object
from components._shared.errors import UserError
from components._shared.label import PROBABILITY_TOLERANCE, LabelKind, LabelSpec, read_label_spec
from components._tf.interface import predict_rows, read_interface
from components._tf.saved_model import load_model

_INVALID = {
    LabelKind.BINARY: "probability: not finite, or not in [0, 1]",
    LabelKind.MULTICLASS: "probabilities: not finite, not in [0, 1], or without a sum of 1 in the row",
    LabelKind.NUMERIC: "finite number",
}


@dataclasses.dataclass(frozen=True)
class Candidate:
    """The model to be judged.

    Attributes:
        path: Its SavedModel.
        digest: Digest of the SavedModel, computed here.
        training: What train_model wrote about it.
    """

    path: Path
    digest: str
    training: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class TestRows:
    """The rows that judge.

    Attributes:
        table: Raw rows of the test split.
        labels: Their labels, of shape [rows]: zeros and ones (int64), numbers of classes (int64), or values (int64 or float32).
    """

    __test__ = False  # the name is not that of a test

    table: pa.Table
    labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class Scores:
    """What the models say about the rows.

    Attributes:
        predictions: By model, as `predict` gives them; the baseline's only where it can be compared.
        invalid: How many of the candidate's are nothing that the kind of label allows.
        live_problem: Why the live version is not compared, as a sentence; empty when it is, or none is live.
        kind: Kind of the label.
    """

    predictions: dict[str, np.ndarray]
    invalid: int
    live_problem: str = ""
    kind: LabelKind = LabelKind.BINARY


def read_candidate(model: str | Path) -> Candidate:
    """Reads a model artifact.

    Raises:
        UserError: If training.json is not there or the SavedModel is not the one it speaks of.
    """
    file, path = Path(model) / TRAINING_FILE, Path(model) / SERVING_MODEL_DIR
    try:
        training = read_object(file)
    except (OSError, ValueError) as error:
        raise UserError(
            f"A model artifact holds {TRAINING_FILE}.", received=f"{file}: {error}", remedy="Run train_model again."
        ) from error
    digest = digest_model(path)
    if digest != training.get("model_digest"):
        raise UserError(
            f"The SavedModel is the one that {TRAINING_FILE} speaks of.",
            received=f"{digest} instead of {training.get('model_digest')}",
            remedy="Run train_model again: the model was changed afterwards, or not written whole.",
        )
    return Candidate(path, digest, training)


def read_test_rows(examples: str | Path, manifest: dict[str, Any]) -> TestRows:
    """Reads the test split.

    Raises:
        UserError: If it is empty or corrupt, is not the one of its manifest, or its label is missing somewhere or not what its
            kind asks for.
    """
    check_split(examples, manifest, TEST)
    table, spec = read_split(examples, TEST), read_label_spec(manifest)
    label = spec.name
    if not table.num_rows:
        remedy = "Raise `splits.test`, choose a finer `splits.key`, or add data."
        raise UserError("The test split holds at least one row.", received="none", remedy=remedy)
    if label not in table.column_names:
        raise UserError(
            f"The test split has the label {label!r}.", received=table.column_names, remedy="Run ingest_examples again."
        )
    return TestRows(table, _read_labels(table[label], spec))


def predict(path: Path, rows: pa.Table, schema: schema_pb2.Schema, label: LabelSpec) -> np.ndarray:
    """Returns a model's prediction for every row, not checked for being finite.

    Args:
        path: Folder of the SavedModel.
        rows: Raw rows.
        schema: Their schema.
        label: What is predicted.

    Returns:
        float32 of shape [rows], or [rows, classes] for a multiclass label.

    Raises:
        UserError: If the model cannot be loaded or used on these rows, or its output has another shape.
    """
    model = load_model(path)
    predictions = predict_rows(model, read_interface(path, schema, label), rows, schema, label)
    wanted = (rows.num_rows, len(label.classes)) if label.classes else (rows.num_rows,)
    if predictions.shape != wanted:
        raise UserError(
            f"A model of a {label.kind.value} label gives predictions of shape {list(wanted)} for {rows.num_rows} rows.",
            received=f"predictions of shape {list(predictions.shape)}",
        )
    return predictions.astype(np.float32)


def count_invalid(predictions: np.ndarray, kind: LabelKind) -> int:
    """Returns how many rows have a prediction that the kind of label does not allow; `say_invalid` says what that is."""
    if kind is LabelKind.NUMERIC:
        return int(np.sum(~np.isfinite(predictions)))
    valid = (predictions >= 0) & (predictions <= 1)
    if kind is LabelKind.MULTICLASS:
        sums = predictions.sum(axis=1, dtype=np.float64)
        valid = valid.all(axis=1) & (np.abs(sums - 1) <= PROBABILITY_TOLERANCE)
    return int(np.sum(~valid))


def say_invalid(invalid: int, rows: int, kind: LabelKind, whose: str = "") -> str:
    """Returns a sentence about predictions that `count_invalid` counted."""
    return f"{invalid:,} of {rows:,} predictions{whose} are no {_INVALID[kind]}."


def find_mismatch(candidate: Candidate, manifest: dict[str, Any]) -> str:
    """Returns why the candidate and the examples do not belong together, as a sentence; empty when they do."""
    trained, evaluated = candidate.training.get("data_version"), manifest.get("data_version")
    if trained != evaluated:
        return f"The model was trained on another data version than the examples have: {trained} instead of {evaluated}."
    label = read_label_spec(manifest)
    try:
        predicted = read_label_spec(candidate.training)
    except (UserError, KeyError):
        return f"The model does not say what label it predicts ({TRAINING_FILE})."
    if predicted != label:
        return f"The model predicts another label than the examples have: {predicted.describe()} instead of {label.describe()}."
    return ""


def _read_labels(column: pa.ChunkedArray, label: LabelSpec) -> np.ndarray:
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_boolean(column.type)):
        raise UserError(
            f"The label {label.name!r} is a number.",
            received=f"a column of {column.type}",
            remedy="Make numbers of texts with `positive` or `classes` under source.label in project.yaml.",
        )
    values = column.cast(pa.float64(), safe=False)
    missing = values.null_count + (pc.sum(pc.invert(pc.is_finite(values))).as_py() or 0)
    if missing:
        received = f"{missing:,} of {len(column):,} rows of the test split without it"
        raise UserError(f"Every row has the label {label.name!r}.", received=received, remedy="Drop those rows, or mend them.")
    if label.kind is LabelKind.NUMERIC:
        return column.cast(pa.int64() if pa.types.is_integer(column.type) else pa.float32()).to_numpy()
    found = sorted(pc.unique(values).to_pylist())
    count = len(label.classes) or 2
    if not set(found) <= set(range(count)):
        allowed = f"from 0 to {count - 1}, the number of a class" if label.classes else "0 or 1"
        remedy = "Run ingest_examples again." if label.classes else "For more classes or for numbers, set source.label.kind."
        raise UserError(f"The label {label.name!r} is {allowed}.", received=f"values {found[:10]}", remedy=remedy)
    return values.cast(pa.int64()).to_numpy()
