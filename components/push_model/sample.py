"""Takes the first test rows with their predictions, for a release to carry: what a server must answer."""

import base64
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tensorflow_metadata.proto.v0 import schema_pb2

from components._data.examples import iterate_split
from components._data.integrity import check_split
from components._data.schema import read_schema, serving_features
from components._release.verification import Sample
from components._shared.artifacts import CANDIDATE, PREDICTIONS_FILE, TEST, TRAINING_FILE
from components._shared.errors import UserError
from components._shared.interface import Interface
from components._shared.label import LabelKind, read_label_spec
from components._shared.tf_example import serialize_example

_ROWS = 32
_MISSING: dict[int, Any] = {schema_pb2.INT: -(2**63), schema_pb2.FLOAT: None, schema_pb2.BYTES: ""}
"""What stands for a missing value in a request (docs/serving.md), NaN being None."""


def take_sample(
    *,
    examples: str,
    schema: str,
    evaluation: str,
    manifest: dict[str, Any],
    tolerance: float | None,
    interface: dict[str, Any] | None = None,
) -> Sample:
    """Returns the first test rows as requests hold them, and the evaluation's predictions.

    Args:
        examples: The examples artifact.
        schema: The schema artifact.
        evaluation: The evaluation artifact; it is known to be about these examples.
        manifest: The manifest of the examples.
        tolerance: Greatest allowed difference; None for any.
        interface: How a model is asked that a run_fn exported, as training.json says it; None for train_model's own export.

    Raises:
        UserError: If rows or predictions are missing, are not the same in number, or the rows are not those of the manifest.
    """
    check_split(examples, manifest, TEST)
    rows = next(iterate_split(examples, TEST, batch_rows=_ROWS)).slice(0, _ROWS)
    try:
        table = pq.read_table(Path(evaluation) / PREDICTIONS_FILE, columns=[CANDIDATE])
    except (OSError, pa.ArrowException) as error:
        raise _no_sample(f"{PREDICTIONS_FILE}: {error}") from error
    if table.num_rows != (total := manifest["splits"][TEST]["rows"]):
        raise _no_sample(f"{table.num_rows} predictions for {total} rows")
    label, asked = read_label_spec(manifest), _read_interface(interface)
    values = {feature.name: _values(rows, feature) for feature in serving_features(read_schema(schema))}
    if asked and not asked.raw:
        inputs: dict[str, list[Any]] = {asked.examples_input: _serialize(rows, serving_features(read_schema(schema)))}
    else:
        inputs = {name: values[name] for name in asked.raw} if asked else values
    return Sample(
        output=asked.output if asked else label.output,
        inputs=inputs,
        predictions=table[CANDIDATE].slice(0, rows.num_rows).to_pylist(),
        tolerance=tolerance,
        relative=label.kind is LabelKind.NUMERIC,
        logits=bool(asked and asked.logits),
        kind=label.kind.value if asked else "",
    )


def _read_interface(document: dict[str, Any] | None) -> Interface | None:
    if document is None:
        return None
    try:
        return Interface(**{**document, "raw": tuple(document["raw"])})
    except (TypeError, KeyError) as error:
        raise _no_sample(f"{TRAINING_FILE}: {error!r}") from error


def _serialize(rows: pa.Table, features: list[schema_pb2.Feature]) -> list[dict[str, str]]:
    """Returns the rows as tf.Examples in base64; a missing value is left out."""
    columns = {feature.name: _typed(rows[feature.name], feature) for feature in features}
    examples = [serialize_example(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]
    return [{"b64": base64.b64encode(example).decode("ascii")} for example in examples]


def _typed(column: pa.ChunkedArray, feature: schema_pb2.Feature) -> list[Any]:
    # A whole number is written as a float where the schema says so, as everywhere.
    return column.cast(pa.float64(), safe=False).to_pylist() if feature.type == schema_pb2.FLOAT else column.to_pylist()


def _values(rows: pa.Table, feature: schema_pb2.Feature) -> list[Any]:
    if feature.name not in rows.column_names:
        raise _no_sample(f"examples without {feature.name!r}")
    missing = _MISSING[feature.type]
    # NaN is the one value that differs from itself.
    return [missing if value is None or value != value else value for value in rows[feature.name].to_pylist()]  # noqa: PLR0124


def _no_sample(received: str) -> UserError:
    return UserError("A release that a server verifies carries test rows with their predictions.", received=received)
