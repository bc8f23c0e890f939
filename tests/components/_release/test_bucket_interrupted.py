"""Whatever request a push into a bucket dies at: only complete, approved versions are named, and a retry completes it."""

import itertools
import json

import pytest
from interrupted_requests import files_below, files_of, interrupted, named, watch_configurations

from components._release import gcs
from components._release.ledger import read_ledger
from components._release.push import push
from components._release.verify import verify_ledger


@pytest.fixture(autouse=True)
def _no_retries(monkeypatch):
    monkeypatch.setattr(gcs, "_RETRY_SECONDS", 0)
    monkeypatch.setattr(gcs, "WORKERS", 1)


def _remove(server, base, *names):
    for name in [key for key in server.buckets[base.bucket] if key.startswith(tuple(f"{base.name}/{name}" for name in names))]:
        del server.buckets[base.bucket][name]


def _one(server, base, make):
    push(base, make("one"))


def _dead_before_the_commit(server, base, make):
    push(base, make("one"))
    kept = server.buckets[base.bucket][f"{base.name}/models.config"]
    push(base, make("two", "1"))
    server.buckets[base.bucket][f"{base.name}/models.config"] = kept
    _remove(server, base, ".ledger/00000004", "2/variables")


def _dead_after_the_commit(server, base, make):
    push(base, make("one"))
    push(base, make("two", "1"))
    _remove(server, base, ".ledger/00000004")


def _another_died_before_its_commit(server, base, make):
    push(base, make("one"))
    kept = server.buckets[base.bucket][f"{base.name}/models.config"]
    push(base, make("other", "1"))
    server.buckets[base.bucket][f"{base.name}/models.config"] = kept
    _remove(server, base, ".ledger/00000004", "2/variables")


def _done(server, base, make):
    push(base, make("one"))
    push(base, make("two", "1"))


# What the push of "two" begins with, the version that it becomes, and how many changes that takes at least.
BEGINNINGS = {
    "nothing": (lambda server, base, make: None, "1", 7),
    "version 1": (_one, "2", 7),
    "the same push, dead before the commit": (_dead_before_the_commit, "2", 3),
    "the same push, dead after the commit": (_dead_after_the_commit, "2", 1),
    "another push, dead before the commit": (_another_died_before_its_commit, "3", 7),
    "the same push, which succeeded": (_done, "2", 0),
}


def _told(server, base, kind):
    entries = [json.loads(data) for _, data in sorted(files_below(server, base, ".ledger").items())]
    return [entry["payload"]["version"] for entry in entries if entry["kind"] == kind]


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_push_that_dies_at_any_request(bucket, make_candidate, object_server, beginning):
    prepare, number, changes = BEGINNINGS[beginning]
    one, two = make_candidate("one"), make_candidate("two", "" if beginning == "nothing" else "1")
    prepare(object_server, bucket, make_candidate)
    before, first = named(object_server, bucket)[0], [] if beginning == "nothing" else [1]
    wrong = watch_configurations(object_server, bucket, [files_of(one), files_of(two)])
    for step in interrupted(object_server, bucket, lambda: push(bucket, two), at_least=changes):
        assert (verify_ledger(bucket), named(object_server, bucket)[0] in (before, [int(number)])) == ([], True), step
        outcomes = [push(bucket, two) for _ in range(2)]
        assert [(item.pushed, item.version) for item in outcomes] == [(True, number)] * 2, step
        assert named(object_server, bucket)[0] == [int(number)], step
        assert files_below(object_server, bucket, number) == files_of(two), step
        assert _told(object_server, bucket, "pushed") == [*first, int(number)], step
    assert (verify_ledger(bucket), wrong) == ([], [])


def test_push_whose_baseline_went_dies_at_any_request(bucket, make_candidate, object_server):
    push(bucket, make_candidate("one"))
    stale, two = make_candidate("stale"), make_candidate("two", "1")
    for step in interrupted(object_server, bucket, lambda: push(bucket, stale)):
        assert [push(bucket, candidate).pushed for candidate in (stale, two)] == [False, True], step
        pushed = _told(object_server, bucket, "pushed")
        assert {name for name in gcs.list_names(bucket) if name.isdigit()} == {*map(str, pushed)}, step
        assert len(pushed) == 2, step
    assert verify_ledger(bucket) == []


@pytest.mark.parametrize("how", ["drop", "lose", 503])
def test_one_request_that_fails_is_tried_again(bucket, make_candidate, object_server, monkeypatch, how):
    monkeypatch.setattr(gcs, "_RETRY_SECONDS", 300)
    monkeypatch.setattr(gcs, "_FIRST_DELAY", 0.001)
    push(bucket, make_candidate("one"))
    beginning, two, seen = object_server.buckets[bucket.bucket], make_candidate("two", "1"), []

    def interrupt(method, path):
        seen.append(path)
        return how if len(seen) == step else None

    object_server.interrupt = interrupt
    for step in itertools.count(1):
        seen.clear()
        object_server.buckets[bucket.bucket] = dict(beginning)
        assert push(bucket, two).version == "2", step
        assert [entry.kind for entry in read_ledger(bucket)] == ["push_intent", "pushed"] * 2, step
        if len(seen) < step:
            break
    assert (step > 10, verify_ledger(bucket)) == (True, [])
