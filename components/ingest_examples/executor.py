"""Turns input files into Examples: typed, deduplicated, in hash order, split, and versioned by content."""

import dataclasses
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from components._data.content import digest_table
from components._data.examples import FORMAT, clear_examples, read_split, write_manifest
from components._data.integrity import digest_split
from components._data.schema import arrow_types, read_schema
from components._data.split_keys import has_split_keys, write_split_keys
from components._shared.artifacts import QUARANTINE_FILE, SHARD_FILE, SPLITS, split_dir
from components._shared.digest import digest_parts
from components._shared.errors import UserError
from components._shared.label import LabelKind
from components._shared.source import QUARANTINE, Source, Splits
from components.ingest_examples import tf_examples
from components.ingest_examples.config import read_source, read_splits
from components.ingest_examples.inputs import (
    LocalFile,
    check_label_feature,
    describe_columns,
    local_files,
    optional_features,
    plan_columns,
    read_input_list,
)
from components.ingest_examples.keys import assign_splits, hash_keys, order_rows
from components.ingest_examples.labels import with_label
from components.ingest_examples.quarantine import check_share, write_quarantine
from components.ingest_examples.rows import Rows, drop_without_label, join_rows, with_whole_keys
from components.ingest_examples.tables import open_file, read_table
from components.ingest_examples.writing import write_splits

logger = logging.getLogger(__name__)

_TYPE_NAMES = {pa.int64(): "INT", pa.float32(): "FLOAT", pa.string(): "BYTES"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class IngestedExamples:
    """What was written.

    Attributes:
        data_version: `sha256:<hex>` of the content: rows, types and split rule.
        rows: Number of rows of each split.
        rows_read: Number of rows in the files.
        rows_quarantined: Number of rows that were set aside; None unless the source sets bad rows aside.
        spans: Numbers of the spans.
    """

    data_version: str
    rows: dict[str, int]
    rows_read: int
    rows_quarantined: int | None
    spans: list[int]


def ingest_examples(
    *,
    schema: str,
    files: list[dict[str, Any]],
    fingerprint: str,
    spans: list[int],
    source: dict[str, Any],
    splits: dict[str, Any],
    examples: str,
    also_tfrecord: bool = False,
    downloads: Path | None = None,
) -> IngestedExamples:
    """Reads the input files and writes Parquet examples with their manifest.

    Args:
        schema: The schema, which pins columns and types.
        files: The files as resolve_inputs lists them.
        fingerprint: Digest over the contents of the files.
        spans: Numbers of the spans.
        source: Settings of config.Source.
        splits: Settings of config.Splits.
        examples: Folder of the artifact to write.
        also_tfrecord: Whether to write each split as TFRecord of tf.Example, too.
        downloads: Folder for objects of Cloud Storage while they are read; a folder for temporary files when None.

    Raises:
        UserError: If a setting is wrong, a file has changed, or the data cannot become examples.
    """
    clear_examples(examples)
    reading = read_source(source)
    rule = read_splits(splits, reading.row_key)
    curated = read_schema(schema)
    check_label_feature(curated, reading.label)
    features = arrow_types(curated)
    numbers = [int(span) for span in spans]  # Kubeflow sends whole numbers as 5.0
    with local_files(read_input_list(files, fingerprint, numbers), downloads) as inputs:
        rows, columns = _read_rows(inputs, curated, reading, rule)
        rows, positions, counts = _choose_rows(rows)
        quarantine = write_quarantine(examples, rows)
        parts, keys = _split(rows, positions, rule)
        rows, values = rows.without([name for name in features if name in rows.table.column_names])
        types = {name: column.type for name, column in values.items()}
        contents = write_splits(examples, values, parts)
        for name, hashes in keys.items():
            write_split_keys(examples, name, hashes)
        for name in SPLITS if also_tfrecord else ():
            tf_examples.write_split(examples, name, read_split(examples, name))
        splits_written = {name: _describe_split(examples, name, part) for name, part in parts.items()}
        manifest = _describe(rows, types, contents, keys, rule) | {"splits": splits_written} | columns
        manifest |= {"spans": numbers, "fingerprint": fingerprint, "rows": counts}
        write_manifest(examples, manifest | ({"quarantine": quarantine} if quarantine else {}))
    if rows.count_bad:
        logger.warning("Set %d rows aside, listed in %s of the examples", rows.count_bad, QUARANTINE_FILE)
    logger.info("Kept %(kept)d of %(read)d rows: %(duplicates)d duplicates, %(without_label)d without a label", counts)
    return IngestedExamples(
        data_version=manifest["data_version"],
        rows={name: len(part) for name, part in parts.items()},
        rows_read=counts["read"],
        rows_quarantined=quarantine["rows"] if quarantine else None,
        spans=numbers,
    )


def _read_rows(inputs: list[LocalFile], schema: schema_pb2.Schema, source: Source, rule: Splits) -> tuple[Rows, dict[str, Any]]:
    """Returns the rows, and what the manifest says of columns that are not in every file or not in the schema."""
    features = arrow_types(schema)
    opened = [open_file(file.path, source) for file in inputs]
    types = plan_columns({file.path: file.names for file in opened}, features, optional_features(schema), source, rule)
    rows = join_rows(inputs, [read_table(file, source, types) for file in opened], source)
    if source.row_number:
        rows = dataclasses.replace(
            rows, table=rows.table.append_column(source.row_number, pa.array(np.arange(rows.table.num_rows)))
        )
    rows = with_label(rows, features[source.label.name])
    rows = with_whole_keys(rows, tuple(dict.fromkeys((*source.row_key, *rule.key))))
    check_share(rows)
    return rows, describe_columns([(file.file.span, found.names) for file, found in zip(inputs, opened, strict=True)], types)


def _choose_rows(rows: Rows) -> tuple[Rows, np.ndarray, dict[str, int]]:
    """Returns the rows, the positions of those to keep, in hash order, and how many rows were dropped for what.

    The latest row of a key wins before rows without a label are dropped: a later row may take a label back, or bring it.
    """
    row_key = rows.source.row_key
    hashes = hash_keys(rows.table, row_key or rows.table.column_names)
    latest = order_rows(hashes, unique=bool(row_key))
    rows, kept = drop_without_label(rows, latest)
    check_share(rows)
    counts = {"read": rows.count, "duplicates": len(hashes) - len(latest), "kept": len(kept)}
    if rows.source.bad_rows == QUARANTINE:
        counts["quarantined"] = rows.count_bad
    without_label = rows.count - rows.count_bad - counts["duplicates"] - len(kept)
    return rows, kept, counts | {"without_label": without_label}


def _split(rows: Rows, positions: np.ndarray, rule: Splits) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Returns the positions of each split's rows, and where rows may share a split key, the hashes of their keys by split."""
    # Without any key, rows of equal content share a split, so that none is both trained and tested on.
    hashes = hash_keys(rows.table, rule.key or rows.table.column_names, rule.salt)[positions]
    index = assign_splits(hashes, [getattr(rule, name) for name in SPLITS])
    parts = {name: positions[index == number] for number, name in enumerate(SPLITS)}
    if empty := [name for name in SPLITS if not len(parts[name])]:
        keys = len(np.unique(hashes[:, 0]))
        raise UserError(
            "Every split holds rows.",
            received=f"none for {', '.join(empty)} from {len(positions)} rows with {keys} values of the split key",
            remedy="Read more data, or choose a split key with more values or larger shares in `splits`.",
        )
    if not has_split_keys(rule.key, rows.source.row_key):
        return parts, {}
    return parts, {name: hashes[index == number, 0] for number, name in enumerate(SPLITS)}


def _describe(
    rows: Rows, types: Mapping[str, pa.DataType], contents: Mapping[str, str], keys: Mapping[str, np.ndarray], rule: Splits
) -> dict[str, Any]:
    """Returns what the manifest says of the rows as a whole.

    Args:
        rows: The rows; their values are not needed any more.
        types: The features.
        contents: Digest of the content of each split.
        keys: Where rows may share a split key, the hashes of their keys by split.
        rule: How the rows were split.
    """
    columns = {name: _TYPE_NAMES[kind] for name, kind in types.items()}
    split_rule = {"key": list(rule.key), "salt": rule.salt, **{name: float(getattr(rule, name)) for name in SPLITS}}
    label = rows.source.label.spec
    # The same numbers are other data under other classes; of the other kinds the content says all.
    classes = [json.dumps(label.classes)] if label.kind is LabelKind.MULTICLASS else []
    # Rows that were set aside are missing from the content, so their number says that it is not all there was.
    aside = [json.dumps({"quarantined": rows.count_bad})] if rows.count_bad else []
    digests = [part for name in SPLITS for part in (name, contents[name])]
    digests += [digest_table(pa.table({"split_key": keys[name].view(np.int64)})) for name in SPLITS if name in keys]
    return {
        "data_version": digest_parts(
            [FORMAT, json.dumps(list(columns.items())), json.dumps(split_rule), *classes, *aside, *digests]
        ),
        "columns": columns,
        "column_names": {name: rows.source.original(name) for name in columns if rows.source.original(name) != name},
        "label": label.name,
        "label_kind": label.kind.value,
        "label_classes": list(label.classes),
        "files": _describe_files(rows),
        "split_rule": split_rule,
        "row_key": list(rows.source.row_key),
    }


def _describe_split(examples: str, name: str, positions: np.ndarray) -> dict[str, Any]:
    shards = [f"{split_dir(name)}/{SHARD_FILE}"]
    return {"rows": len(positions), "shards": shards, "files": digest_split(examples, name)}


def _describe_files(rows: Rows) -> list[dict[str, Any]]:
    counts = np.bincount(rows.files, minlength=len(rows.inputs)).tolist()
    return [
        file.file.to_json() | {"sha256": file.sha256, "rows": count + len(bad)} | ({"quarantined": len(bad)} if bad else {})
        for file, count, bad in zip(rows.inputs, counts, rows.bad, strict=True)
    ]
