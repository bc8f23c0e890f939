"""The input files: what was resolved, whether it is still the same, and which of their columns are read."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from components._data.schema import SERVING, serving_features
from components._shared.digest import digest_contents, digest_file
from components._shared.errors import UserError
from components._shared.label import LabelKind
from components._shared.source import Label, Source, Splits


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputFile:
    """One input file, as resolve_inputs found it.

    Attributes:
        path: The file.
        span: Number of its span.
        size: Size in bytes.
        sha256: `sha256:<hex>` of its bytes.
    """

    path: Path
    span: int
    size: int
    sha256: str


def read_input_list(files: list[dict[str, Any]], fingerprint: str, spans: list[int]) -> list[InputFile]:
    """Returns the input files from the oldest to the latest, by span and then by path, after checking their bytes.

    Raises:
        UserError: If there is none, one has changed since it was resolved, or fingerprint or spans are those of other files.
    """
    if not files:
        raise UserError("There is at least one input file.", received="an empty list")
    try:
        inputs = [
            InputFile(path=Path(file["path"]), span=int(file["span"]), size=int(file["size"]), sha256=str(file["sha256"]))
            for file in files
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError("Every input file has path, span, size and sha256.", received=files) from error
    if digest_contents(file.sha256 for file in inputs) != fingerprint:
        raise UserError("The fingerprint is that of the files.", received=fingerprint, remedy="Run resolve_inputs again.")
    if {file.span for file in inputs} != set(spans):
        raise UserError("The spans are those of the files.", received=spans, remedy="Run resolve_inputs again.")
    for file in inputs:
        _check_unchanged(file)
    return sorted(inputs, key=lambda file: (file.span, str(file.path)))


def _check_unchanged(file: InputFile) -> None:
    try:
        digest = digest_file(file.path)
    except OSError as error:
        raise UserError("Every input file can be read.", received=f"{file.path}: {error.strerror}") from error
    if digest != file.sha256:
        raise UserError(
            "An input file stays as it is while the pipeline runs.",
            received=f"{file.path} with {digest} instead of {file.sha256}",
            remedy="Run the pipeline again.",
        )


def check_label_feature(schema: schema_pb2.Schema, label: Label) -> None:
    """Checks what the schema says of the label.

    Raises:
        UserError: If the label is no feature, no number, of several classes and not INT, or part of a request: then the
            model could read it off.
    """
    name, is_multiclass = label.name, label.spec.kind is LabelKind.MULTICLASS
    feature = next((feature for feature in schema.feature if feature.name == name), None)
    if feature is None:
        raise UserError("The schema names the label.", received=name, remedy="Add it to schema.pbtxt, or mend its name.")
    if feature.type == schema_pb2.BYTES:
        raise UserError(
            f"The label {name!r} is INT or FLOAT in the schema.",
            received="BYTES",
            remedy="Give it the type INT; `positive` or `classes` of the label in project.yaml make numbers of texts.",
        )
    if is_multiclass and feature.type != schema_pb2.INT:
        raise UserError(f"The label {name!r} is the number of a class, INT in the schema.", received="FLOAT")
    if feature in serving_features(schema):
        raise UserError(
            f"The label {name!r} is no part of a request.",
            received=f"a feature of the environment {SERVING}",
            remedy=f'Add not_in_environment: "{SERVING}" to it in schema.pbtxt.',
        )


def plan_columns(
    names: Mapping[Path, list[str]], features: Mapping[str, pa.DataType], source: Source, splits: Splits
) -> dict[str, pa.DataType]:
    """Returns the columns to read with their types: the schema's that are there, then what keys and label need besides.

    Args:
        names: The columns of every file.
        features: Type of every feature of the schema, the label's among them.
        source: Row key and label.
        splits: Split key.

    Raises:
        UserError: If a file names a column twice, or a column is missing from some files, or one that keys or label need
            from all of them.
    """
    label = source.label
    wanted = {name: kind for name, kind in features.items() if name != label.name}
    read = {*wanted, *source.row_key, *splits.key, label.name, label.source}
    for path, columns in names.items():
        if repeated := [name for name, count in Counter(columns).items() if count > 1 and name in read]:
            raise UserError("A file names each column once.", received=f"{path} with {', '.join(repeated)} repeated")
    keys = [name for name in (*source.row_key, *splits.key) if name != source.row_number]
    needed = dict.fromkeys(keys, pa.string())
    needed[label.source] = _label_type(label, features[label.name])
    present = {name for name in (*wanted, *needed) if _is_present(name, names, source)}
    if missing := [name for name in needed if name not in present]:
        raise UserError(
            "The row key, the split key and the label are columns of the data.",
            received=f"no column {', '.join(map(source.original, missing))} in {_name_files(names)}, "
            f"which has {_name_columns(names, source)}",
            remedy="Deliver the column, or mend `source` (its `delimiter` too) and `splits` in project.yaml.",
        )
    if source.row_number and any(source.row_number in columns for columns in names.values()):
        raise UserError("`source.row_number` names no column of the data.", received=source.row_number, remedy="Rename it.")
    if label.source != label.name and any(label.name in columns for columns in names.values()):
        raise UserError(
            f"A label derived from {label.column!r} is not a column of the data as well.",
            received=label.name,
            remedy="Rename one of the two, or make the label of its own column.",
        )
    return {name: kind for name, kind in {**needed, **wanted}.items() if name in present}


def _label_type(label: Label, kind: pa.DataType) -> pa.DataType:
    """Returns the type of the column that the label is made from; `kind` is that of the label itself."""
    if label.is_text:
        return pa.string()
    return pa.float64() if label.above is not None else kind


def _is_present(name: str, names: Mapping[Path, list[str]], source: Source) -> bool:
    without = [path for path, columns in names.items() if name not in columns]
    if without and len(without) < len(names):
        raise UserError(
            "A column is in all input files or in none.",
            received=f"no column {source.original(name)} in {_name_files(without)}",
            remedy="Deliver these files again, or leave them out.",
        )
    return not without


def _name_columns(names: Mapping[Path, list[str]], source: Source) -> str:
    """Returns the columns of the first file: a wrong delimiter or a blank in the header shows in them."""
    columns = [source.original(name) for name in next(iter(names.values()))]
    return ", ".join(repr(name) for name in columns[:5]) + (f" and {len(columns) - 5} more" if len(columns) > 5 else "")


def _name_files(paths: Iterable[Path]) -> str:
    names = [str(path) for path in paths]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
