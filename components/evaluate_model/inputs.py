"""Reads and checks what is evaluated: the candidate, the rows of the test split and their labels."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import schema_pb2

from components._data.examples import read_split
from components._shared.artifacts import SERVING_MODEL_DIR, TEST, TRAINING_FILE
from components._shared.digest import digest_model
from components._shared.documents import read_object
from components._shared.errors import UserError
from components._tf.saved_model import load_model, predict_table


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
        labels: Their labels, int64 zeros and ones of shape [rows].
    """

    __test__ = False  # the name is not that of a test

    table: pa.Table
    labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class Scores:
    """What the models say about the rows.

    Attributes:
        predictions: Probabilities by model, float32 of shape [rows]; the baseline's only where it can be compared.
        invalid: How many of the candidate's are no probability.
        live_problem: Why the live version is not compared, as a sentence; empty when it is, or none is live.
    """

    predictions: dict[str, np.ndarray]
    invalid: int
    live_problem: str = ""


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
        UserError: If it is empty or corrupt, has not as many rows as its manifest says, or its label is missing somewhere or
            neither 0 nor 1.
    """
    table, label = read_split(examples, TEST), manifest["label"]
    if not table.num_rows:
        remedy = "Raise `splits.test`, choose a finer `splits.key`, or add data."
        raise UserError("The test split holds at least one row.", received="none", remedy=remedy)
    if table.num_rows != (promised := manifest["splits"].get(TEST, {}).get("rows")):
        received = f"{table.num_rows:,} rows; the manifest says {promised}"
        raise UserError("The test split is the one of its manifest.", received=received, remedy="Run ingest_examples again.")
    if label not in table.column_names:
        raise UserError(
            f"The test split has the label {label!r}.", received=table.column_names, remedy="Run ingest_examples again."
        )
    return TestRows(table, _binary_labels(table[label], label))


def predict(path: Path, rows: pa.Table, schema: schema_pb2.Schema) -> np.ndarray:
    """Returns a model's probability for every row, float32 of shape [rows]; not checked for being finite.

    Raises:
        UserError: If the model cannot be loaded or used on these rows.
    """
    predictions = predict_table(load_model(path), rows, schema)
    if predictions.ndim == 2 and predictions.shape[1] == 1:
        predictions = predictions[:, 0]
    if predictions.shape != (rows.num_rows,):
        raise UserError(
            "A binary model gives one probability per row.",
            received=f"predictions of shape {list(predictions.shape)}",
            remedy="Models of more than two classes are not evaluated yet.",
        )
    return predictions.astype(np.float32)


def count_invalid(predictions: np.ndarray) -> int:
    """Returns how many predictions are no probability: not finite, or outside [0, 1]."""
    return int(np.sum(~((predictions >= 0) & (predictions <= 1))))


def find_mismatch(candidate: Candidate, manifest: dict[str, Any]) -> str:
    """Returns why the candidate and the examples do not belong together, as a sentence; empty when they do."""
    for key, name in (("data_version", "data version"), ("label", "label")):
        trained, evaluated = candidate.training.get(key), manifest.get(key)
        if trained != evaluated:
            return f"The model was trained on another {name} than the examples have: {trained} instead of {evaluated}."
    return ""


def _binary_labels(column: pa.ChunkedArray, label: str) -> np.ndarray:
    numeric = pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_boolean(column.type)
    if not numeric:
        raise UserError(
            f"The label {label!r} is 0 or 1.", received=f"a column of {column.type}", remedy="Map it to INT 0 and 1."
        )
    values = column.cast(pa.float64(), safe=False)
    missing = values.null_count + (pc.sum(pc.is_nan(values)).as_py() or 0)
    if missing:
        received = f"{missing:,} of {len(column):,} rows of the test split without it"
        raise UserError(f"Every row has the label {label!r}.", received=received, remedy="Drop those rows, or mend them.")
    found = sorted(pc.unique(values).to_pylist())
    if not set(found) <= {0.0, 1.0}:
        remedy = "Models of more than two classes, and regression, are not evaluated yet."
        raise UserError(f"The label {label!r} is 0 or 1.", received=f"values {found[:10]}", remedy=remedy)
    return values.cast(pa.int64()).to_numpy()
