"""The input files: what was resolved, whether it is still the same, and which of their columns are read."""

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from components._data.schema import SERVING, serving_features
from components._shared.digest import digest_file
from components._shared.errors import UserError
from components._shared.input_files import InputFile, fingerprint_of, read_input_files
from components._shared.label import LabelKind
from components._shared.source import Label, Source, Splits
from components.ingest_examples.bad_rows import shorten
from components.ingest_examples.downloads import fetched


@dataclasses.dataclass(frozen=True, kw_only=True)
class LocalFile:
    """An input file on this machine.

    Attributes:
        path: Where it can be read.
        file: What resolve_inputs says of it.
        sha256: `sha256:<hex>` of its bytes.
    """

    path: Path
    file: InputFile
    sha256: str


def read_input_list(files: list[dict[str, Any]], fingerprint: str, spans: list[int]) -> list[InputFile]:
    """Returns the input files from the oldest to the latest, by span and then by path.

    Raises:
        UserError: If there is none, or fingerprint or spans are those of other files.
    """
    inputs = read_input_files(files)
    if fingerprint_of(inputs) != fingerprint:
        raise UserError("The fingerprint is that of the files.", received=fingerprint, remedy="Run resolve_inputs again.")
    if {file.span for file in inputs} != set(spans):
        raise UserError("The spans are those of the files.", received=spans, remedy="Run resolve_inputs again.")
    return sorted(inputs, key=lambda file: (file.span, file.path))


@contextlib.contextmanager
def local_files(files: Sequence[InputFile], downloads: Path | None = None) -> Iterator[list[LocalFile]]:
    """Yields the files on this machine: those of a file system as they are, after checking their bytes, and objects downloaded.

    Errors name objects by their URLs.

    Args:
        files: The files.
        downloads: Folder for objects; one of this user, in the system's folder for temporary files, when None.

    Raises:
        UserError: If a file has changed since it was resolved, or cannot be read.
    """
    with fetched([file for file in files if file.generation], downloads) as paths:
        try:
            yield [_locate(file, paths) for file in files]
        except UserError as error:
            if not paths:
                raise
            named = str(error)
            for file, path in paths.items():
                named = named.replace(str(path), file.path)
            raise UserError(named) from error


def _locate(file: InputFile, downloaded: Mapping[InputFile, Path]) -> LocalFile:
    path = downloaded.get(file, Path(file.path))
    try:
        digest = digest_file(path)
    except OSError as error:
        raise UserError("Every input file can be read.", received=f"{path}: {error.strerror}") from error
    if file.sha256 and digest != file.sha256:
        raise UserError(
            "An input file stays as it is while the pipeline runs.",
            received=f"{path} with {digest} instead of {file.sha256}",
            remedy="Run the pipeline again.",
        )
    return LocalFile(path=path, file=file, sha256=digest)


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


def optional_features(schema: schema_pb2.Schema) -> frozenset[str]:
    """Returns the features that the schema lets be missing from any number of rows."""
    return frozenset(
        feature.name for feature in schema.feature if not feature.HasField("shape") and not feature.presence.min_fraction
    )


def plan_columns(
    names: Mapping[Path, list[str]],
    features: Mapping[str, pa.DataType],
    optional: frozenset[str],
    source: Source,
    splits: Splits,
) -> dict[str, pa.DataType]:
    """Returns the columns to read with their types: the schema's that are there or may be missing, and those of keys and label.

    Args:
        names: The columns of every file.
        features: Type of every feature of the schema, the label's among them.
        optional: Features that need not be in every file, nor in any.
        source: Row key and label.
        splits: Split key.

    Raises:
        UserError: If a file names a column twice, or a column is missing from some files that has to be in all, or one that
            keys or label need from all of them.
    """
    label = source.label
    wanted = {name: kind for name, kind in features.items() if name != label.name}
    keys = [name for name in (*source.row_key, *splits.key) if name != source.row_number]
    needed = dict.fromkeys(keys, pa.string())
    _check_names(names, {*wanted, *needed, label.name, label.source}, source.row_number)
    needed[label.source] = _label_type(label, features[label.name])
    _check_every_file(names, needed, source)
    present = {name for name in (*needed, *wanted) if _is_present(name, names, source, name in optional)}
    if missing := [name for name in needed if name not in present]:
        raise UserError(
            "The row key, the split key and the label are columns of the data.",
            received=f"no column {', '.join(map(source.original, missing))} in {_name_files(names)}, "
            f"which has {_name_columns(next(iter(names.values())), source)}",
            remedy="Deliver the column, or mend `source` (its `delimiter` too) and `splits` in project.yaml.",
        )
    if label.source != label.name and any(label.name in columns for columns in names.values()):
        raise UserError(
            f"A label derived from {label.column!r} is not a column of the data as well.",
            received=label.name,
            remedy="Rename one of the two, or make the label of its own column.",
        )
    return {name: kind for name, kind in {**needed, **wanted}.items() if name in present}


def _check_names(names: Mapping[Path, list[str]], read: set[str], row_number: str) -> None:
    """Checks that what is read is there once, and that the rows' numbers take no column's name."""
    for path, columns in names.items():
        if repeated := [name for name, count in Counter(columns).items() if count > 1 and name in read]:
            remedy = "Rename or remove the repeated column."
            raise UserError(
                "A file names each column once.", received=f"{path} with {', '.join(repeated)} repeated", remedy=remedy
            )
    if row_number and any(row_number in columns for columns in names.values()):
        raise UserError("`source.row_number` names no column of the data.", received=row_number, remedy="Rename it.")


def describe_columns(found: Sequence[tuple[int, list[str]]], types: Mapping[str, pa.DataType]) -> dict[str, Any]:
    """Returns what the manifest says of columns that are read but not in every file, and of those that are not read.

    Args:
        found: Span and columns of each file.
        types: The columns that are read.

    Returns:
        `partial_columns`: for each column the spans with a file that lacks it; `absent_columns`: those that no file has; and
        `unused_columns`: for each the spans that have it.
    """
    every = sorted({name for _, names in found for name in names})
    lacking = {name: sorted({span for span, names in found if name not in names}) for name in types}
    unused = {name: sorted({span for span, names in found if name in names}) for name in every if name not in types}
    return {
        "partial_columns": {name: spans for name, spans in lacking.items() if spans and name in every},
        "absent_columns": [name for name in types if name not in every],
        "unused_columns": unused,
    }


def _label_type(label: Label, kind: pa.DataType) -> pa.DataType:
    """Returns the type of the column that the label is made from; `kind` is that of the label itself."""
    if label.is_text:
        return pa.string()
    return pa.float64() if label.above is not None else kind


def _check_every_file(names: Mapping[Path, list[str]], needed: Iterable[str], source: Source) -> None:
    """Checks that no file alone lacks a column of the keys or the label; whether all do is said elsewhere."""
    for name in needed:
        without = [path for path, columns in names.items() if name not in columns]
        if without and len(without) < len(names):
            raise UserError(
                "The columns of the row key, the split key and the label are in every input file.",
                received=f"no column {source.original(name)} in {_name_files(without)}, "
                f"which has {_name_columns(names[without[0]], source)}",
                remedy="Look at the header and the delimiter of these files; deliver them again, or leave them out.",
            )


def _is_present(name: str, names: Mapping[Path, list[str]], source: Source, is_optional: bool) -> bool:
    without = [path for path, columns in names.items() if name not in columns]
    if without and len(without) < len(names) and not is_optional:
        raise UserError(
            "A column that the schema requires is in all input files or in none.",
            received=f"no column {source.original(name)} in {_name_files(without)}, "
            f"which has {_name_columns(names[without[0]], source)}",
            remedy="Deliver these files again, leave them out, or let the column be missing: take min_fraction and shape "
            "from its feature in schema.pbtxt.",
        )
    return is_optional or len(without) < len(names)


def _name_columns(names: list[str], source: Source) -> str:
    """Returns the columns of a file: a wrong delimiter or a blank in the header shows in them."""
    columns = [shorten(source.original(name)) for name in names]
    return ", ".join(repr(name) for name in columns[:5]) + (f" and {len(columns) - 5} more" if len(columns) > 5 else "")


def _name_files(paths: Iterable[Path]) -> str:
    names = [str(path) for path in paths]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
