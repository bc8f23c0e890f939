"""Reads and writes Examples artifacts: Parquet shards by split, and a manifest."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components._shared.artifacts import MANIFEST_FILE, split_dir
from components._shared.errors import UserError

ROW_GROUP_ROWS = 65_536


def read_manifest(examples: str | Path) -> dict[str, Any]:
    """Returns the manifest of an Examples artifact."""
    return json.loads((Path(examples) / MANIFEST_FILE).read_text(encoding="utf-8"))


def write_split(examples: str | Path, split: str, table: pa.Table) -> Path:
    """Writes one split as a single Parquet shard and returns its path."""
    folder = Path(examples) / split_dir(split)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "part-00000.parquet"
    pq.write_table(table, path, compression="zstd", row_group_size=ROW_GROUP_ROWS)
    return path


def read_split(examples: str | Path, split: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Returns all rows of one split, in the order of the shards.

    Raises:
        UserError: If the split has no shard, or a shard cannot be read.
    """
    return pa.concat_tables([_read_shard(path, columns) for path in _shards(examples, split)])


def iterate_split(
    examples: str | Path, split: str, columns: Sequence[str] | None = None, batch_rows: int = ROW_GROUP_ROWS
) -> Iterator[pa.Table]:
    """Yields the rows of one split in order, at most `batch_rows` at a time, without holding the split in memory."""
    for path in _shards(examples, split):
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=batch_rows, columns=columns):
                    yield pa.Table.from_batches([batch])
        except (pa.ArrowInvalid, OSError) as error:
            raise _corrupt(path, error) from error


def _shards(examples: str | Path, split: str) -> list[Path]:
    folder = Path(examples) / split_dir(split)
    shards = sorted(folder.glob("*.parquet"))
    if not shards:
        raise UserError("A split holds at least one Parquet shard.", received=str(folder), remedy="Run ingest_examples again.")
    return shards


def _read_shard(path: Path, columns: Sequence[str] | None) -> pa.Table:
    try:
        return pq.read_table(path, columns=columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise _corrupt(path, error) from error


def _corrupt(path: Path, error: Exception) -> UserError:
    return UserError("A shard is a whole Parquet file.", received=f"{path}: {error}", remedy="Run ingest_examples again.")
