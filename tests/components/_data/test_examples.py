from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components._data.examples import clear_examples, iterate_split, read_manifest, read_split, write_manifest, write_split
from components._shared.errors import UserError

TABLE = pa.table(
    {"n": pa.array([1, None, 3, 4, 5]), "s": pa.array(["a", "b", None, "", "e"]), "x": pa.array([0.5] * 5, pa.float32())}
)


def test_reads_what_was_written(tmp_path: Path):
    write_split(tmp_path, "train", TABLE)
    assert read_split(tmp_path, "train").equals(TABLE)


@pytest.mark.parametrize("columns", [None, ["s"], ["x", "n"]])
@pytest.mark.parametrize("batch_rows", [1, 2, 100])
def test_batches_are_the_split(tmp_path: Path, columns: list[str] | None, batch_rows: int):
    write_split(tmp_path, "train", TABLE)
    pq.write_table(TABLE.slice(0, 2), tmp_path / "Split-train" / "part-00001.parquet")
    batches = list(iterate_split(tmp_path, "train", columns, batch_rows))
    assert pa.concat_tables(batches).equals(read_split(tmp_path, "train", columns))
    assert max(batch.num_rows for batch in batches) <= batch_rows


def test_columns_come_in_the_order_asked_for(tmp_path: Path):
    write_split(tmp_path, "test", TABLE)
    assert read_split(tmp_path, "test", ["x", "n"]).column_names == ["x", "n"]


def test_folder_above_is_no_column(tmp_path: Path):
    write_split(tmp_path / "span=1", "train", TABLE)
    assert read_split(tmp_path / "span=1", "train").column_names == TABLE.column_names


@pytest.mark.parametrize("read", [read_split, lambda *args: list(iterate_split(*args))])
def test_missing_column_is_named(tmp_path: Path, read):
    write_split(tmp_path, "train", TABLE)
    with pytest.raises(UserError, match="without nope"):
        read(tmp_path, "train", ["n", "nope"])


@pytest.mark.parametrize("read", [read_split, lambda *args: list(iterate_split(*args))])
@pytest.mark.parametrize("kept", [0, 10, -20])
def test_torn_shard_is_named(tmp_path: Path, read, kept: int):
    shard = write_split(tmp_path, "train", TABLE)
    shard.write_bytes(shard.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"whole Parquet file.*part-00000\.parquet"):
        read(tmp_path, "train")


def test_split_without_shards_is_an_error(tmp_path: Path):
    with pytest.raises(UserError, match="Split-eval"):
        read_split(tmp_path, "eval")


def test_failed_write_leaves_no_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fill_disk(writer, table):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", fill_disk)
    with pytest.raises(OSError, match="No space"):
        write_split(tmp_path, "train", TABLE)
    assert list((tmp_path / "Split-train").iterdir()) == []


def test_manifest_comes_back(tmp_path: Path):
    write_manifest(tmp_path, {"data_version": "sha256:1"})
    assert read_manifest(tmp_path)["data_version"] == "sha256:1"


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"format": "other"}'])
def test_anything_else_is_no_manifest(tmp_path: Path, text: str):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(UserError, match="manifest"):
        read_manifest(tmp_path)


def test_examples_without_manifest_are_not_complete(tmp_path: Path):
    with pytest.raises(UserError, match=r"Complete examples.*ingest_examples"):
        read_manifest(tmp_path)


def test_clearing_leaves_nothing_to_read(tmp_path: Path):
    write_split(tmp_path, "train", TABLE)
    write_manifest(tmp_path, {})
    clear_examples(tmp_path)
    assert list(tmp_path.iterdir()) == []
