"""TFRecord of tf.Example, in and out. TensorFlow writes what is read here, and reads what is written."""

import io
import json
from typing import Any

import pyarrow.csv as pa_csv
import pytest
import tensorflow as tf

from components._data.examples import read_manifest, read_split
from components._shared.errors import UserError
from components.ingest_examples.tf_examples import write_split

NULLS = pa_csv.ConvertOptions(null_values=["", "NA"], strings_can_be_null=True)
TYPES = {"count": tf.int64, "size": tf.float32, "site": tf.string, "late": tf.int64}


def to_example(row: dict[str, Any]) -> tf.train.Example:
    """Returns a row as tf.Example; lists keep all their values, and a null is left out."""
    example = tf.train.Example()
    for name, value in row.items():
        values = value if isinstance(value, list) else [] if value is None else [value]
        for item in values:
            kind = "int64_list" if isinstance(item, int) else "float_list" if isinstance(item, float) else "bytes_list"
            getattr(example.features.feature[name], kind).value.append(item.encode() if isinstance(item, str) else item)
    return example


@pytest.fixture
def rows(csv_of) -> list[dict[str, Any]]:
    """The rows of both spans."""
    return pa_csv.read_csv(io.BytesIO(csv_of(range(10)).encode()), convert_options=NULLS).to_pylist()


@pytest.fixture
def other(make_bench):
    """A workbench for TFRecord, without files yet."""
    bench = make_bench()
    bench.source["format"] = "tfrecord"
    return bench


def deliver(bench, rows, compression: str = "GZIP", name: str = "a.gz", span: int = 1):
    path = bench.add(b"", span=span, name=name)
    with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type=compression)) as writer:
        for row in rows:
            writer.write(row if isinstance(row, bytes) else to_example(row).SerializeToString())
    return path


@pytest.mark.parametrize("compression", ["GZIP", ""])
def test_same_data_is_the_same_version_as_in_csv(bench, other, rows, compression: str):
    deliver(other, rows, compression)
    assert other.ingest().data_version == bench.ingest().data_version
    assert other.rows() == bench.rows()


def test_types_of_the_records_give_way_to_the_schema_even_when_they_differ(bench, other, rows):
    deliver(other, [row | {"count": (int, float, str)[i % 3](row["count"])} for i, row in enumerate(rows)])
    assert other.ingest().data_version == bench.ingest().data_version


def test_feature_that_no_record_of_a_file_has(bench, other, rows):
    for span, days in ((1, range(5)), (2, range(5, 10))):
        part = [row | ({"size": None} if span == 1 else {}) for row in rows if row["day"] in days]
        deliver(other, part, span=span)
    other.ingest()
    assert read_manifest(other.examples)["partial_columns"] == {"size": [1]}


def test_feature_that_the_schema_does_not_know_is_told(other, rows):
    deliver(other, rows)
    other.ingest()
    assert read_manifest(other.examples)["unused_columns"] == {"note": [1]}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b"\xff\xff", r"Every record is a tf\.Example.*a\.gz, record 4"),
        ({"day": 1, "number": 1, "size": [1.0, 2.0]}, r"at most one value.*2 values of 'size' in .*a\.gz, record 4"),
        ({"day": 1, "number": 1, "delay": 1, "count": "many"}, r"'count' holds INT.*b'many' in row 4 of .*a\.gz"),
        ({"number": 1, "delay": 1}, r"'day' of a key.*1 rows without one, the first in .*a\.gz, record 4"),
    ],
)
def test_bad_record_is_told_or_set_aside(other, rows, bad, message: str):
    path = deliver(other, [*rows[:3], bad, *rows[3:]])
    with pytest.raises(UserError, match=message):
        other.ingest()
    other.source |= {"bad_rows": "quarantine", "max_bad_rows": 0.1}
    other.ingest()
    (row,) = map(json.loads, (other.examples / "quarantine/bad_rows.jsonl").read_text().splitlines())
    assert (row["file"], row["row"], len(other.rows())) == (str(path), 4, 54)


def test_feature_that_nobody_reads_may_have_several_values(bench, other, rows):
    deliver(other, [row | {"words": ["a", "b"]} for row in rows])
    assert other.ingest().data_version == bench.ingest().data_version


def test_record_without_any_feature_is_a_row(other, rows):
    deliver(other, [{}, *rows])
    with pytest.raises(UserError, match=r"'day' of a key.*record 1\."):
        other.ingest()


def test_file_without_records(other):
    deliver(other, [])
    with pytest.raises(UserError, match=r"holds rows.*a\.gz"):
        other.ingest()


def test_damaged_file_stops_whatever_the_policy(other, rows):
    path = deliver(other, rows, "")
    path.write_bytes(path.read_bytes()[:-1])
    other.source |= {"bad_rows": "quarantine", "max_bad_rows": 0.5}
    with pytest.raises(UserError, match=r"a\.gz, damaged in the record at byte"):
        other.ingest()


@pytest.fixture
def written(bench):
    """The workbench with Parquet and TFRecord of the same rows."""
    bench.also_tfrecord = True
    bench.ingest()
    return bench


def read_with_tensorflow(bench, split: str) -> list[dict[str, Any]]:
    files = sorted(str(path) for path in (bench.examples / f"Split-{split}").glob("data_tfrecord-*"))
    examples = tf.data.TFRecordDataset(files, compression_type="GZIP").batch(1000)
    spec = {name: tf.io.VarLenFeature(kind) for name, kind in TYPES.items()}
    rows: list[dict[str, Any]] = []
    for batch in examples.map(lambda serialized: tf.io.parse_example(serialized, spec)):
        ragged = {name: tf.RaggedTensor.from_sparse(values).to_list() for name, values in batch.items()}
        rows += [
            {name: values[index][0] if values[index] else None for name, values in ragged.items()}
            for index in range(len(ragged["count"]))
        ]
    return [row | {"site": row["site"] and row["site"].decode()} for row in rows]


@pytest.mark.parametrize("split", ["train", "eval", "test"])
def test_tfrecord_out_holds_the_rows_of_parquet(written, split: str):
    assert read_with_tensorflow(written, split) == read_split(written.examples, split).to_pylist()


def test_shards_have_the_names_of_tfx_and_the_manifest_their_digests(written):
    names = [path.name for path in (written.examples / "Split-train").glob("data_tfrecord-*")]
    assert names == ["data_tfrecord-00000-of-00001.gz"]
    assert f"Split-train/{names[0]}" in read_manifest(written.examples)["splits"]["train"]["files"]


def test_many_rows_make_many_shards_in_order(written):
    (written.examples / "Split-train/data_tfrecord-00000-of-00001.gz").unlink()
    table = read_split(written.examples, "train")
    names = write_split(written.examples, "train", table, shard_rows=-(-table.num_rows // 2))
    assert names == [f"Split-train/data_tfrecord-0000{number}-of-00002.gz" for number in (0, 1)]
    assert read_with_tensorflow(written, "train") == table.to_pylist()


def test_version_is_the_same_without(written):
    version = read_manifest(written.examples)["data_version"]
    written.also_tfrecord = False
    assert written.ingest().data_version == version
    assert not list(written.examples.rglob("data_tfrecord*"))
