"""Asks a model server for predictions of rows in a file, over TF Serving's REST interface."""

import base64
import codecs
import csv
import io
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from rich.console import Console
from rich.table import Table
from tensorflow_metadata.proto.v0 import schema_pb2

from components._shared.artifacts import SCHEMA_FILE, SIGNATURE_RAW
from components._shared.errors import UserError
from components._shared.interface import Signature, serialized_input
from components._shared.tf_example import serialize_example
from pipelines.config import Project, Source

BATCH_ROWS = 1000
_TIMEOUT_SECONDS = 60
_PREDICTION = "prediction"
_LEAST_INT64 = -(2**63)

Row = dict[str, Any]

_KINDS = {schema_pb2.INT: "whole number", schema_pb2.FLOAT: "number", schema_pb2.BYTES: "text"}
_MISSING: dict[int, Any] = {schema_pb2.INT: _LEAST_INT64, schema_pb2.FLOAT: float("nan"), schema_pb2.BYTES: ""}
"""What stands for a missing value in a request; docs/serving.md."""


class UnansweredError(UserError):
    """The server was reached, and said no."""


def predict_file(project: Project, file: Path, url: str, *, version: str = "", label: str = "") -> list[Row]:
    """Returns the outputs of the served model for each row of a file.

    Args:
        project: The project; its schema says what the model takes.
        file: Rows as CSV with a header, as a JSON list of objects, or as an object per line.
        url: Where the server's REST interface is, such as `http://127.0.0.1:8501`.
        version: Version to ask; the latest if this and `label` are empty.
        label: Label of the version to ask.

    Raises:
        UserError: If the file or a value does not suit the schema, or the server cannot be reached or says no.
    """
    if version and label:
        raise UserError("A version is asked for by number or by label.", received=f"{version} and {label}")
    features = _serving_features(project.folder / SCHEMA_FILE)
    rows = _read_rows(file, project.source)
    if not rows:
        remedy = "Name a file with rows: CSV with a header, or JSON in a file that ends in .json or .jsonl."
        raise UserError("A file of rows has one at least.", received=file, remedy=remedy)
    which = f"/versions/{version}" if version else f"/labels/{urllib.parse.quote(label, safe='')}" if label else ""
    address = f"{url.rstrip('/')}/v1/models/{urllib.parse.quote(project.serving.model_name, safe='')}{which}"
    inputs = _inputs_of(address, url)
    outputs: list[Row] = []
    for start in range(0, len(rows), BATCH_ROWS):
        batch = rows[start : start + BATCH_ROWS]
        columns = {feature.name: list(_values(batch, feature, project.source, start)) for feature in features}
        outputs += _rows_of(
            _ask(f"{address}:predict", {"inputs": _fill(inputs, columns, features)}, url)["outputs"], len(batch)
        )
    return outputs


def show_predictions(outputs: Sequence[Row], console: Console, form: str) -> None:
    """Prints predictions as `table`, `csv` or `json`, a row each, in the file's order."""
    names = list(outputs[0]) if outputs else []
    if form == "json":
        console.print(json.dumps(outputs), markup=False, highlight=False, soft_wrap=True)
        return
    if form == "csv":
        writer = csv.writer(console.file, lineterminator="\n")
        writer.writerow(["row", *names])
        writer.writerows([number, *row.values()] for number, row in enumerate(outputs, 1))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("row", *names):
        table.add_column(name, justify="right")
    for number, row in enumerate(outputs, 1):
        table.add_row(str(number), *(f"{value:.4f}" if isinstance(value, float) else str(value) for value in row.values()))
    console.print(table, highlight=False, markup=False)


def _serving_features(file: Path) -> list[Any]:
    try:
        schema = text_format.Parse(file.read_text(encoding="utf-8"), schema_pb2.Schema())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise UserError("The schema is a TFDV Schema in text form.", received=f"{file}: {error}") from error
    features = [feature for feature in schema.feature if "SERVING" not in feature.not_in_environment]
    if unknown := [feature.name for feature in features if feature.type not in _KINDS]:
        raise UserError("Every feature has the type INT, FLOAT or BYTES.", received=", ".join(unknown))
    return features


def _read_rows(file: Path, source: Source) -> list[Row]:
    """Returns the rows by the names of the features, under which they may stand as well as under those of the data."""
    return [{source.columns.get(name, name): value for name, value in row.items()} for row in _parse_rows(file, source)]


def _parse_rows(file: Path, source: Source) -> list[Row]:
    is_json = file.suffix in (".json", ".jsonl")
    encoding = "utf-8-sig" if is_json or codecs.lookup(source.encoding).name == "utf-8" else source.encoding
    try:
        text = file.read_text(encoding=encoding)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("The rows are in a text file that can be read.", received=f"{file}: {error}") from error
    if not is_json:
        return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=source.delimiter))
    try:
        rows = [json.loads(line) for line in text.splitlines() if line.strip()] if file.suffix == ".jsonl" else json.loads(text)
    except ValueError as error:
        raise UserError("The rows are JSON.", received=f"{file}: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError("The rows are a JSON list of objects, or in a .jsonl file an object per line.", received=file)
    return rows


def _values(rows: list[Row], feature: Any, source: Source, first: int) -> Iterator[Any]:
    # As the exported model has it: any other feature may be missing.
    required = feature.presence.min_fraction == 1.0 and feature.HasField("shape") and not feature.shape.dim
    for number, row in enumerate(rows, first + 1):
        value = row.get(feature.name)
        if value is None or value in source.null_values:
            if required:
                raise UserError(
                    f"Every row has the required feature {source.describe(feature.name)}.",
                    received=f"row {number} without it",
                    remedy="Complete the file, or lower `presence.min_fraction` in schema.pbtxt.",
                )
            yield _MISSING[feature.type]
        else:
            yield _convert(value, feature, source, number)


def _convert(value: Any, feature: Any, source: Source, number: int) -> Any:
    try:
        if feature.type == schema_pb2.FLOAT and isinstance(value, str):
            return float(value.replace(source.decimal_point, "."))
        if feature.type == schema_pb2.BYTES and isinstance(value, str):
            return value
        if feature.type == schema_pb2.FLOAT and not isinstance(value, bool):
            return float(value)
        if feature.type == schema_pb2.INT and not isinstance(value, bool | float) and -(2**63) < int(value) < 2**63:
            return int(value)
    except (TypeError, ValueError):
        pass
    raise UserError(
        f"The feature {source.describe(feature.name)} is a {_KINDS[feature.type]}.",
        received=f"{value!r} in row {number}",
        remedy="Mend the file.",
    )


def _inputs_of(address: str, url: str) -> dict[str, str]:
    """Returns name and dtype of what `serving_default` takes; nothing if the server does not tell."""
    try:
        signatures = _ask(f"{address}/metadata", None, url)["metadata"]["signature_def"]["signature_def"]
        inputs = signatures[SIGNATURE_RAW]["inputs"]
        return {name: str(info["dtype"]).removeprefix("DT_").lower() for name, info in inputs.items()}
    except (UnansweredError, KeyError, TypeError, AttributeError):
        return {}


def _fill(inputs: dict[str, str], columns: dict[str, list[Any]], features: list[Any]) -> dict[str, list[Any]]:
    """Returns what a request holds: raw tensors, or tf.Examples in base64 where the model takes those."""
    if not (name := serialized_input(Signature(inputs=inputs, outputs={}), columns)):
        return {name: values for name, values in columns.items() if not inputs or name in inputs}
    known = [[_unless_missing(value, feature) for value in columns[feature.name]] for feature in features]
    rows = (dict(zip(columns, values, strict=True)) for values in zip(*known, strict=True))
    return {name: [{"b64": base64.b64encode(serialize_example(row)).decode("ascii")} for row in rows]}


def _unless_missing(value: Any, feature: Any) -> Any:
    return None if value == _MISSING[feature.type] or value != value else value  # noqa: PLR0124  # NaN differs from itself


def _ask(address: str, document: Any, url: str) -> Any:
    """Returns the JSON that an address answers: to a request with a document, or to one without."""
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})  # noqa: S310  # the user's own
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310  # the user's own
            return json.loads(response.read())
    except urllib.error.HTTPError as error:
        raise UnansweredError("The model server answers.", received=f"{error.code} {_message(error.read())}") from error
    except (OSError, ValueError) as error:  # a URLError is an OSError; ValueError: no URL, or no JSON
        reason = getattr(error, "reason", error)
        remedy = "Start one: sluice serve PROJECT"
        raise UserError("A model server can be reached.", received=f"{url}: {reason}", remedy=remedy) from error


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", "replace")


def _rows_of(outputs: Any, count: int) -> list[Row]:
    """Returns columnar outputs as rows; a single output comes without its name."""
    columns = outputs if isinstance(outputs, dict) else {_PREDICTION: outputs}
    if any(not isinstance(values, list) or len(values) != count for values in columns.values()):
        raise UserError("The model gives an output per row.", received=f"{sorted(columns)} for {count} rows")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
