import dataclasses
import threading

import pytest

from components._cloud import objects
from components._shared.errors import UserError

DATA = bytes(range(256)) * 1000


@pytest.fixture(autouse=True)
def _no_delay(monkeypatch):
    monkeypatch.setattr(objects, "_FIRST_DELAY", 0.001)


@pytest.fixture
def stored(object_server, bucket):
    """An object of 256,000 bytes, as a listing shows it."""
    object_server.put(bucket.bucket, "in/a.csv", DATA)
    return objects.list_files(bucket.bucket, "in/")[0]


@pytest.fixture
def target(tmp_path):
    return tmp_path / "a.csv"


def downloads(object_server):
    """Returns the requests for an object's bytes."""
    return [path for method, path in object_server.requests if "alt=media" in path]


def test_object_arrives_whole(stored, target):
    objects.download(stored, target)
    assert target.read_bytes() == DATA
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_what_is_there_is_not_fetched_again(stored, target, object_server):
    objects.download(stored, target)
    objects.download(stored, target)
    assert len(downloads(object_server)) == 1


def test_download_that_died_goes_on_where_it_stopped(stored, target, object_server, caplog):
    target.with_name("a.csv.part").write_bytes(DATA[:200_000])
    sent = []
    answer = object_server.answer
    object_server.answer = lambda *request: sent.append(answer(*request)) or sent[-1]
    try:
        objects.download(stored, target)
    finally:
        del object_server.answer
    assert target.read_bytes() == DATA
    assert max(len(body) for _, _, body in sent) == 56_000


def test_whole_object_whose_last_step_is_missing_is_not_fetched_again(stored, target, object_server):
    target.with_name("a.csv.part").write_bytes(DATA)
    objects.download(stored, target)
    assert (target.read_bytes(), downloads(object_server)) == (DATA, [])


@pytest.mark.parametrize("leftover", [b"other" * 40_000, DATA + b"more", b"x" * len(DATA)])
def test_leftover_of_something_else_is_thrown_away(stored, target, leftover):
    target.with_name("a.csv.part").write_bytes(leftover)
    objects.download(stored, target)
    assert target.read_bytes() == DATA


def test_connection_that_breaks_once_is_taken_up_again(stored, target, object_server):
    breaks = iter(["100000"])
    object_server.interrupt = lambda method, path: next(breaks, None) if "alt=media" in path else None
    objects.download(stored, target)
    assert target.read_bytes() == DATA


def test_connection_that_always_breaks_leaves_what_has_arrived_for_the_next_run(stored, target, object_server, monkeypatch):
    monkeypatch.setattr(objects, "_RETRY_SECONDS", 0.2)
    object_server.interrupt = lambda method, path: 503
    target.with_name("a.csv.part").write_bytes(DATA[:1000])
    with pytest.raises(UserError, match="can be reached, listed and read"):
        objects.download(stored, target)
    assert not target.exists()
    object_server.interrupt = lambda method, path: None
    monkeypatch.setattr(objects, "_RETRY_SECONDS", 120)
    objects.download(stored, target)
    assert target.read_bytes() == DATA


def test_object_with_another_checksum_is_refused_after_a_second_try(stored, target, object_server):
    with pytest.raises(UserError, match=r"arrives as it is stored.*in/a\.csv .*twice with another CRC32C"):
        objects.download(dataclasses.replace(stored, crc32c="AAAAAA=="), target)
    assert not target.exists()
    assert len(downloads(object_server)) == 2


@pytest.mark.parametrize("change", ["replaced", "removed"])
def test_object_that_changes_is_told(stored, target, object_server, bucket, change):
    if change == "replaced":
        object_server.put(bucket.bucket, "in/a.csv", b"new")
    else:
        object_server.buckets[bucket.bucket].clear()
    with pytest.raises(UserError, match=r"stays as it is.*generation \d+ is not there any more"):
        objects.download(stored, target)


def test_two_processes_fetch_an_object_once(stored, target, object_server):
    threads = [threading.Thread(target=objects.download, args=(stored, target)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() == DATA
    assert len(downloads(object_server)) == 1
