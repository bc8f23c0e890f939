"""Reads and writes Examples artifacts: Parquet shards by split, and a manifest that is written last."""

import dataclasses
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components._shared.artifacts import MANIFEST_FILE, QUARANTINE_FILE, SHARD_FILE, split_dir
from components._shared.documents import read_object
from components._shared.errors import UserError
from components._shared.outputs import write_json

FORMAT = "sluice/examples/1"
ROW_GROUP_ROWS = 65_536

_RUN_AGAIN = "Run ingest_examples again."


def clear_examples(examples: str | Path) -> None:
    """Removes what an earlier run left behind, the manifest first, so that old and new shards never mix."""
    examples = Path(examples)
    (examples / MANIFEST_FILE).unlink(missing_ok=True)
    for folder in (*examples.glob(split_dir("*")), *examples.glob(str(Path(QUARANTINE_FILE).parent))):
        shutil.rmtree(folder)


def write_manifest(examples: str | Path, manifest: dict[str, Any]) -> None:
    """Writes the manifest, which says that the artifact is complete: call it last."""
    write_json(Path(examples) / MANIFEST_FILE, {"format": FORMAT, **manifest})


def read_manifest(examples: str | Path) -> dict[str, Any]:
    """Returns the manifest of an Examples artifact.

    Raises:
        UserError: If it is missing, which means that the artifact is not complete, or is no manifest of this format.
    """
    path = Path(examples) / MANIFEST_FILE
    try:
        manifest = read_object(path)
    except (OSError, ValueError) as error:
        raise UserError("Complete examples hold a manifest.", received=f"{path}: {error}", remedy=_RUN_AGAIN) from error
    if manifest.get("format") != FORMAT:
        raise UserError(f"The manifest has the format {FORMAT!r}.", received=str(path), remedy=_RUN_AGAIN)
    return manifest


def write_split(examples: str | Path, split: str, table: pa.Table) -> Path:
    """Writes one split as a single Parquet shard, whole or not at all, and returns its path."""
    starts = range(0, max(table.num_rows, 1), ROW_GROUP_ROWS)
    return write_batches(examples, split, table.schema, (table.slice(start, ROW_GROUP_ROWS) for start in starts))


def write_batches(examples: str | Path, split: str, schema: pa.Schema, batches: Iterable[pa.Table]) -> Path:
    """Writes one split as `write_split` does, from tables of at most ROW_GROUP_ROWS rows, each a row group."""
    folder = Path(examples) / split_dir(split)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / SHARD_FILE
    temporary = folder / f".{path.name}.{os.getpid()}.tmp"
    try:
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_table(batch)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_split(examples: str | Path, split: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Returns all rows of one split, in the order of the shards.

    Args:
        examples: The artifact's folder.
        split: The split's name.
        columns: Columns to read, in this order; all when None.

    Raises:
        UserError: If the split has no shard, a shard cannot be read, or a column is not there.
    """
    return pa.concat_tables([_read_shard(path, columns) for path in _shards(examples, split)])


def iterate_split(
    examples: str | Path, split: str, columns: Sequence[str] | None = None, batch_rows: int = ROW_GROUP_ROWS
) -> Iterator[pa.Table]:
    """Yields the rows that read_split returns, at most `batch_rows` at a time, without holding the split in memory.

    Raises:
        UserError: As read_split.
    """
    for path in _shards(examples, split):
        try:
            with pq.ParquetFile(path) as file:
                names = _check_columns(path, file, columns)
                for batch in file.iter_batches(batch_size=batch_rows, columns=names):
                    yield pa.Table.from_batches([batch]).select(names)
        except (pa.ArrowException, OSError) as error:
            raise _corrupt(path, error) from error


@dataclasses.dataclass(frozen=True)
class RowGroup:
    """A part of a shard that can be read by itself.

    Attributes:
        path: The shard.
        index: Its number in the shard.
        rows: Number of rows.
    """

    path: Path
    index: int
    rows: int


def list_row_groups(examples: str | Path, split: str) -> list[RowGroup]:
    """Returns the row groups of a split, in the order of its rows; raises as read_split."""
    groups = []
    for path in _shards(examples, split):
        try:
            metadata = pq.read_metadata(path)
        except (pa.ArrowException, OSError) as error:
            raise _corrupt(path, error) from error
        groups += [RowGroup(path, index, metadata.row_group(index).num_rows) for index in range(metadata.num_row_groups)]
    return groups


def read_row_groups(groups: Sequence[RowGroup], columns: Sequence[str]) -> pa.Table:
    """Returns the rows of some row groups, in their order; raises as read_split."""
    tables = []
    for group in groups:
        try:
            with pq.ParquetFile(group.path) as file:
                names = _check_columns(group.path, file, columns)
                tables.append(file.read_row_group(group.index, columns=names).select(names))
        except (pa.ArrowException, OSError) as error:
            raise _corrupt(group.path, error) from error
    return pa.concat_tables(tables)


def _shards(examples: str | Path, split: str) -> list[Path]:
    folder = Path(examples) / split_dir(split)
    shards = sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))
    if not shards:
        raise UserError("A split holds at least one Parquet shard.", received=str(folder), remedy=_RUN_AGAIN)
    return shards


def _read_shard(path: Path, columns: Sequence[str] | None) -> pa.Table:
    try:
        # ParquetFile and not read_table, which takes a folder such as `span=1` above the file for a column.
        with pq.ParquetFile(path) as file:
            names = _check_columns(path, file, columns)
            return file.read(columns=names).select(names)
    except (pa.ArrowException, OSError) as error:
        raise _corrupt(path, error) from error


def _check_columns(path: Path, file: pq.ParquetFile, columns: Sequence[str] | None) -> list[str]:
    """Returns the columns to read; Parquet readers leave out silently what is not there."""
    present = file.schema_arrow.names
    names = list(present if columns is None else columns)
    if missing := [name for name in names if name not in present]:
        raise UserError(
            "The examples hold every column that is asked for.",
            received=f"{path} without {', '.join(missing)}",
            remedy="Bring a feature of schema.pbtxt back into the source or take it out there too; else run the stage again.",
        )
    return names


def _corrupt(path: Path, error: Exception) -> UserError:
    return UserError("A shard is a whole Parquet file.", received=f"{path}: {error}", remedy=_RUN_AGAIN)
