"""Whatever request a push into a bucket dies at: only complete, approved versions are named, and a retry completes it.

A process that dies sends nothing more. That its last request was not carried out leaves what the death one request earlier
leaves, so each request is carried out, and its answer lost.
"""

import itertools
import json
import re

import pytest

from components._release import gcs
from components._release.bucket_versions import read_contents
from components._release.ledger import read_ledger
from components._release.push import push
from components._release.releases import verify_ledger
from components._shared.errors import UserError


@pytest.fixture(autouse=True)
def _no_retries(monkeypatch):
    monkeypatch.setattr(gcs, "_RETRY_SECONDS", 0)
    monkeypatch.setattr(gcs, "WORKERS", 1)


def _watch(server, base, approved):
    """Checks each model configuration, the moment it is written, for what servers would load by it."""

    def check(bucket, name):
        if name == f"{base.name}/models.config" and (version := _named(server, base)):
            wrong.extend([version] if _below(server, base, version) not in approved else [])

    wrong = []
    server.watch = check
    return wrong


def _files(candidate):
    return {
        name: content.source if isinstance(content.source, bytes) else content.source.read_bytes()
        for name, content in read_contents(candidate.model, candidate.attachments).items()
    }


def _die_at(server, step):
    numbers = itertools.count(1)
    server.interrupt = lambda method, path: {-1: None, 0: "lose", 1: "drop"}[_sign(next(numbers) - step)]


def _sign(number):
    return (number > 0) - (number < 0)


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


# What the push of "two" begins with, and the version that it becomes.
BEGINNINGS = {
    "nothing": (lambda server, base, make: None, "1"),
    "version 1": (_one, "2"),
    "the same push, dead before the commit": (_dead_before_the_commit, "2"),
    "the same push, dead after the commit": (_dead_after_the_commit, "2"),
    "another push, dead before the commit": (_another_died_before_its_commit, "3"),
    "the same push, which succeeded": (_done, "2"),
}


def _interrupted_pushes(server, base, candidate):
    """Yields once per request of a push, with the bucket as the push left it that died there."""
    beginning = server.buckets[base.bucket]
    for step in itertools.count(1):
        server.buckets[base.bucket] = dict(beginning)
        _die_at(server, step)
        try:
            push(base, candidate)
        except UserError:
            server.interrupt = lambda method, path: None
            yield step
        else:
            server.interrupt = lambda method, path: None
            assert step > 10
            return


def _named(server, base):
    found = server.buckets[base.bucket].get(f"{base.name}/models.config")
    return "".join(re.findall(r"versions: (\d+)", found.data.decode())) if found else ""


def _below(server, base, folder):
    prefix = f"{base.name}/{folder}/"
    return {key.removeprefix(prefix): item.data for key, item in server.buckets[base.bucket].items() if key.startswith(prefix)}


def _told(server, base, kind):
    entries = [json.loads(data) for _, data in sorted(_below(server, base, ".ledger").items())]
    return [entry["payload"]["version"] for entry in entries if entry["kind"] == kind]


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_push_that_dies_at_any_request(bucket, make_candidate, object_server, beginning):
    prepare, number = BEGINNINGS[beginning]
    one, two = make_candidate("one"), make_candidate("two", "" if beginning == "nothing" else "1")
    prepare(object_server, bucket, make_candidate)
    before, first = _named(object_server, bucket), [] if beginning == "nothing" else [1]
    wrong = _watch(object_server, bucket, [_files(one), _files(two)])
    for step in _interrupted_pushes(object_server, bucket, two):
        assert (verify_ledger(bucket), _named(object_server, bucket) in (before, number)) == ([], True), step
        outcomes = [push(bucket, two) for _ in range(2)]
        assert [(item.pushed, item.version) for item in outcomes] == [(True, number)] * 2, step
        assert (_named(object_server, bucket), _below(object_server, bucket, number)) == (number, _files(two)), step
        assert _told(object_server, bucket, "pushed") == [*first, int(number)], step
    assert (verify_ledger(bucket), wrong) == ([], [])


def test_push_whose_baseline_went_dies_at_any_request(bucket, make_candidate, object_server):
    push(bucket, make_candidate("one"))
    stale, two = make_candidate("stale"), make_candidate("two", "1")
    for step in _interrupted_pushes(object_server, bucket, stale):
        assert [push(bucket, candidate).pushed for candidate in (stale, two)] == [False, True], step
        pushed = _told(object_server, bucket, "pushed")
        assert {name for name in gcs.list_names(bucket) if name.isdigit()} == {*map(str, pushed)}, step
        assert len(pushed) == 2, step
    assert verify_ledger(bucket) == []


@pytest.mark.parametrize("how", ["drop", "lose", 503])
def test_one_request_that_fails_is_tried_again(bucket, make_candidate, object_server, monkeypatch, how):
    monkeypatch.setattr(gcs, "_RETRY_SECONDS", 20)
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
