"""Turns input files into Examples: typed, deduplicated, in hash order, split, and versioned by content."""

import dataclasses
import json
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from components._data.content import digest_table
from components._data.examples import FORMAT, clear_examples, write_manifest, write_split
from components._data.integrity import digest_split
from components._data.schema import arrow_types, read_schema
from components._data.split_keys import has_split_keys, write_split_keys
from components._shared.artifacts import SHARD_FILE, SPLITS, split_dir
from components._shared.digest import digest_parts
from components._shared.errors import UserError
from components._shared.label import LabelKind
from components._shared.source import Source, Splits
from components.ingest_examples.config import read_source, read_splits
from components.ingest_examples.inputs import InputFile, check_label_feature, plan_columns, read_input_list
from components.ingest_examples.keys import assign_splits, hash_keys, order_rows
from components.ingest_examples.labels import with_label
from components.ingest_examples.rows import Rows, check_keys, drop_without_label
from components.ingest_examples.tables import read_names, read_table

logger = logging.getLogger(__name__)

_TYPE_NAMES = {pa.int64(): "INT", pa.float32(): "FLOAT", pa.string(): "BYTES"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class IngestedExamples:
    """What was written.

    Attributes:
        data_version: `sha256:<hex>` of the content: rows, types and split rule.
        rows: Number of rows of each split.
        rows_read: Number of rows in the files.
        spans: Numbers of the spans.
    """

    data_version: str
    rows: dict[str, int]
    rows_read: int
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
) -> IngestedExamples:
    """Reads the input files and writes Parquet examples with their manifest.

    Args:
        schema: The schema, which pins columns and types.
        files: The files with path, span, size and sha256.
        fingerprint: Digest over the contents of the files.
        spans: Numbers of the spans.
        source: Settings of config.Source.
        splits: Settings of config.Splits.
        examples: Folder of the artifact to write.

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
    rows = _read_rows(read_input_list(files, fingerprint, numbers), features, reading, rule)
    positions, counts = _choose_rows(rows)
    tables, keys = _split(rows, positions, [name for name in features if name in rows.table.column_names], rule)
    for name, table in tables.items():
        write_split(examples, name, table)
    for name, values in keys.items():
        write_split_keys(examples, name, values)
    digests = {name: digest_split(examples, name) for name in tables}
    manifest = _describe(rows, tables, keys, digests, rule) | {"spans": numbers, "fingerprint": fingerprint, "rows": counts}
    write_manifest(examples, manifest)
    logger.info("Kept %(kept)d of %(read)d rows: %(duplicates)d duplicates, %(without_label)d without a label", counts)
    sizes = {name: table.num_rows for name, table in tables.items()}
    return IngestedExamples(data_version=manifest["data_version"], rows=sizes, rows_read=counts["read"], spans=numbers)


def _read_rows(inputs: list[InputFile], features: Mapping[str, pa.DataType], source: Source, rule: Splits) -> Rows:
    names = {file.path: read_names(file.path, source) for file in inputs}
    types = plan_columns(names, features, source, rule)
    tables = [read_table(file.path, source, types) for file in inputs]
    rows = Rows(table=pa.concat_tables(tables), inputs=inputs, counts=[part.num_rows for part in tables], source=source)
    if source.row_number:
        rows = dataclasses.replace(
            rows, table=rows.table.append_column(source.row_number, pa.array(range(rows.table.num_rows)))
        )
    rows = with_label(rows, features[source.label.name])
    check_keys(rows, tuple(dict.fromkeys((*source.row_key, *rule.key))))
    return rows


def _choose_rows(rows: Rows) -> tuple[np.ndarray, dict[str, int]]:
    """Returns the positions of the rows to keep, in hash order, and how many rows were dropped for what.

    The latest row of a key wins before rows without a label are dropped: a later row may take a label back, or bring it.
    """
    row_key = rows.source.row_key
    hashes = hash_keys(rows.table, row_key or rows.table.column_names)
    latest = order_rows(hashes, unique=bool(row_key))
    kept = drop_without_label(rows, latest)
    counts = {"read": len(hashes), "duplicates": len(hashes) - len(latest), "without_label": len(latest) - len(kept)}
    return kept, counts | {"kept": len(kept)}


def _split(
    rows: Rows, positions: np.ndarray, columns: list[str], rule: Splits
) -> tuple[dict[str, pa.Table], dict[str, np.ndarray]]:
    """Returns the rows of each split, and where rows may share a split key, the hashes of their keys by split."""
    # Without any key, rows of equal content share a split, so that none is both trained and tested on.
    hashes = hash_keys(rows.table, rule.key or rows.table.column_names, rule.salt)[positions]
    index = assign_splits(hashes, [getattr(rule, name) for name in SPLITS])
    content = rows.table.select(columns).combine_chunks()  # taking from many chunks is slow
    tables = {name: content.take(pa.array(positions[index == number])) for number, name in enumerate(SPLITS)}
    if empty := [name for name in SPLITS if tables[name].num_rows == 0]:
        keys = len(np.unique(hashes[:, 0]))
        raise UserError(
            "Every split holds rows.",
            received=f"none for {', '.join(empty)} from {len(positions)} rows with {keys} values of the split key",
            remedy="Read more data, or choose a split key with more values or larger shares in `splits`.",
        )
    if not has_split_keys(rule.key, rows.source.row_key):
        return tables, {}
    return tables, {name: hashes[index == number, 0] for number, name in enumerate(SPLITS)}


def _describe(
    rows: Rows,
    tables: Mapping[str, pa.Table],
    keys: Mapping[str, np.ndarray],
    files: Mapping[str, dict[str, str]],
    rule: Splits,
) -> dict[str, Any]:
    columns = {field.name: _TYPE_NAMES[field.type] for field in tables[SPLITS[0]].schema}
    split_rule = {"key": list(rule.key), "salt": rule.salt, **{name: float(getattr(rule, name)) for name in SPLITS}}
    label = rows.source.label.spec
    # The same numbers are other data under other classes; of the other kinds the content says all.
    classes = [json.dumps(label.classes)] if label.kind is LabelKind.MULTICLASS else []
    contents = [part for name in SPLITS for part in (name, digest_table(tables[name]))]
    contents += [digest_table(pa.table({"split_key": keys[name].view(np.int64)})) for name in SPLITS if name in keys]
    return {
        "data_version": digest_parts([FORMAT, json.dumps(list(columns.items())), json.dumps(split_rule), *classes, *contents]),
        "splits": {
            name: {"rows": tables[name].num_rows, "shards": [f"{split_dir(name)}/{SHARD_FILE}"], "files": files[name]}
            for name in SPLITS
        },
        "columns": columns,
        "column_names": {name: rows.source.original(name) for name in columns if rows.source.original(name) != name},
        "label": label.name,
        "label_kind": label.kind.value,
        "label_classes": list(label.classes),
        "files": [
            {"path": str(file.path), "span": file.span, "size": file.size, "sha256": file.sha256, "rows": count}
            for file, count in zip(rows.inputs, rows.counts, strict=True)
        ],
        "split_rule": split_rule,
        "row_key": list(rows.source.row_key),
    }
