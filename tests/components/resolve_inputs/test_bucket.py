import pytest

from components._shared.errors import UserError
from components.resolve_inputs.executor import resolve_inputs


@pytest.fixture
def deliver(object_server, bucket):
    """Returns a function that puts objects into a bucket, which holds spans 1 and 2 already."""

    def put(*names: str, data: bytes = b"") -> None:
        for name in names:
            object_server.put(bucket.bucket, name, data or f"content of {name}".encode())

    put("in/span-1/a.csv", "in/span-2/b.csv", "in/span-2/a.csv", "in/span-2/.tmp.csv", "in/span-2/", "in/other/a.csv")
    return put


def resolve(bucket, tmp_path, spans="all", name="in/span-{SPAN}/*.csv"):
    return resolve_inputs(project_dir=str(tmp_path), pattern=f"gs://{bucket.bucket}/{name}", spans=spans)


def test_objects_of_a_bucket_are_found_and_not_read(deliver, object_server, bucket, tmp_path):
    object_server.page_size = 2
    files = resolve(bucket, tmp_path).files
    assert [(file["path"].rpartition("in/")[2], file["span"]) for file in files] == [
        ("span-1/a.csv", 1),
        ("span-2/a.csv", 2),
        ("span-2/b.csv", 2),
    ]
    stored = object_server.buckets[bucket.bucket]["in/span-1/a.csv"]
    expected = {"size": len(stored.data), "crc32c": stored.hashes["crc32c"], "generation": str(stored.generation)}
    assert files[0] == {"path": f"gs://{bucket.bucket}/in/span-1/a.csv", "span": 1} | expected
    assert not [path for _, path in object_server.requests if "alt=media" in path]


def test_object_that_is_written_anew_is_another_fingerprint(deliver, bucket, tmp_path):
    before = resolve(bucket, tmp_path).fingerprint
    assert resolve(bucket, tmp_path).fingerprint == before
    deliver("in/span-1/a.csv")
    assert resolve(bucket, tmp_path).fingerprint != before


def test_latest_version_and_window(deliver, bucket, tmp_path):
    deliver("days/2013-01-05/v1.csv", "days/2013-01-05/v2.csv", "days/2013-01-06/v1.csv", "days/2013-01-07/v1.csv")
    found = resolve(bucket, tmp_path, "latest:2,skip:1", "days/{YYYY}-{MM}-{DD}/v{VERSION}.csv")
    assert [file["path"].rpartition("days/")[2] for file in found.files] == ["2013-01-05/v2.csv", "2013-01-06/v1.csv"]


def test_any_depth(deliver, bucket, tmp_path):
    assert len(resolve(bucket, tmp_path, name="in/**/a.csv").files) == 3


@pytest.mark.parametrize(
    ("spans", "name", "message"),
    [("3", "in/span-{SPAN}/*.csv", "no file of span 3"), ("all", "out/{SPAN}", "names at least one file")],
)
def test_what_is_not_there_is_told(deliver, bucket, tmp_path, spans, name, message):
    with pytest.raises(UserError, match=message):
        resolve(bucket, tmp_path, spans, name)


def test_empty_object_is_named(deliver, object_server, bucket, tmp_path):
    object_server.put(bucket.bucket, "in/span-2/c.csv", b"")
    with pytest.raises(UserError, match=r"span-2/c\.csv with 0 bytes"):
        resolve(bucket, tmp_path)


@pytest.mark.parametrize("status", [403, 404])
def test_bucket_that_cannot_be_listed_is_told(deliver, object_server, bucket, tmp_path, status):
    object_server.interrupt = lambda method, path: status
    with pytest.raises(UserError, match=rf"can be reached, listed and read.*{status}"):
        resolve(bucket, tmp_path)
