import gzip
import json
import os
import time
from pathlib import Path

import pytest

from components._data.examples import read_manifest
from components._shared.digest import digest_file
from components._shared.errors import UserError
from components._shared.input_files import fingerprint_of, read_input_files
from components.ingest_examples import executor
from components.ingest_examples.downloads import fetched
from components.resolve_inputs.executor import resolve_inputs


@pytest.fixture
def remote(bench, object_server, bucket):
    """The workbench, whose files are in a bucket, too; `remote()` resolves them there."""
    for span, path in bench.paths:
        object_server.put(bucket.bucket, f"in/span-{span}/{path.name}", path.read_bytes())

    def resolve():
        pattern = f"gs://{bucket.bucket}/in/span-{{SPAN}}/*"
        return resolve_inputs(project_dir=str(bench.folder), pattern=pattern, spans="all").files

    return resolve


def ingest(bench, files):
    schema = bench.folder / "schema/schema.pbtxt"
    schema.parent.mkdir(exist_ok=True)
    schema.write_text(bench.schema)
    return executor.ingest_examples(
        schema=str(schema.parent),
        files=files,
        fingerprint=fingerprint_of(read_input_files(files)),
        spans=sorted({file["span"] for file in files}),
        source=bench.source,
        splits=bench.splits,
        examples=str(bench.examples),
        downloads=bench.folder / "downloads",
    )


def test_objects_make_the_same_version_as_files(bench, remote):
    expected = bench.ingest().data_version
    assert ingest(bench, remote()).data_version == expected
    manifest = read_manifest(bench.examples)["files"]
    assert [file["sha256"] for file in manifest] == [digest_file(path) for _, path in bench.paths]
    assert [file["path"].startswith("gs://") and file["generation"].isdigit() for file in manifest] == [True, True]


def test_nothing_is_left_after_a_run(bench, remote):
    ingest(bench, remote())
    assert [path.name for path in (bench.folder / "downloads").iterdir()] == []


def test_what_a_dead_run_has_fetched_is_not_fetched_again(bench, remote, object_server, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    files = remote()
    with monkeypatch.context() as patch:
        patch.setattr(executor, "open_file", die)
        with pytest.raises(KeyboardInterrupt):
            ingest(bench, files)
    object_server.requests.clear()
    ingest(bench, files)
    assert object_server.requests == []


def test_object_that_was_replaced_since_is_told(bench, remote, object_server, bucket):
    files = remote()
    object_server.put(bucket.bucket, "in/span-1/a.csv", b"other")
    with pytest.raises(UserError, match=r"stays as it is.*gs://.*/in/span-1/a\.csv"):
        ingest(bench, files)


def test_errors_name_the_object_and_its_line(bench, remote, object_server, bucket):
    object_server.put(bucket.bucket, "in/span-2/b.csv", b"day,number,count,size,site,delay\n1,1,x,1,x,7\n")
    with pytest.raises(UserError, match=rf"'x' in gs://{bucket.bucket}/in/span-2/b\.csv, line 2"):
        ingest(bench, remote())


def test_rows_that_are_set_aside_name_the_object(bench, remote, object_server, bucket):
    bench.source |= {"bad_rows": "quarantine", "max_bad_rows": 0.5}
    object_server.put(bucket.bucket, "in/span-2/b.csv", b"day,number,count,size,site,delay\n1,1,x,1,x,7\n")
    ingest(bench, remote())
    row = json.loads((bench.examples / "quarantine/bad_rows.jsonl").read_text())
    assert (row["file"], row["line"]) == (f"gs://{bucket.bucket}/in/span-2/b.csv", 2)


def test_ending_tells_how_an_object_is_compressed(bench, remote, object_server, bucket):
    expected = bench.ingest().data_version
    path = bench.paths[0][1]
    del object_server.buckets[bucket.bucket]["in/span-1/a.csv"]
    object_server.put(bucket.bucket, "in/span-1/a.csv.gz", gzip.compress(path.read_bytes()))
    assert ingest(bench, remote()).data_version == expected


def test_leftovers_of_a_week_ago_are_removed(remote, tmp_path):
    folder = tmp_path / "downloads"
    folder.mkdir()
    for name in ("old", "new"):
        (folder / name).write_text(name)
    (folder / "in-use-old").mkdir()
    long_ago = time.time() - 8 * 24 * 3600
    for name in ("old", "in-use-old"):
        os.utime(folder / name, (long_ago, long_ago))
    with fetched(read_input_files(remote()), folder):
        assert {"old", "in-use-old"}.isdisjoint(path.name for path in folder.iterdir())
    assert (folder / "new").exists()


def test_folder_that_others_may_write_into_is_refused(remote, tmp_path):
    folder = Path(tmp_path / "downloads")
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(UserError, match="belongs to this user"), fetched(read_input_files(remote()), folder):
        pass
