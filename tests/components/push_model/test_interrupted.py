"""Whatever interrupts a push, at whatever call: servers see only complete, approved versions, and a retry completes it once."""

import datetime
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from components._release.answers import answer
from components._release.waiting import list_requests
from components.push_model.executor import push_model

SCRIPT = Path(__file__).parent / "interrupted_push.py"
LATE = {"deadline": "2999-01-01T00:00:00+00:00"}
MEMORY = Path("/dev/shm")  # thousands of small files, and no need for a disk


def _forget_last_entry(base):
    max((base / ".ledger").glob("*.json")).unlink()


def _undo_commit(base):
    _forget_last_entry(base)
    shutil.move(base / "2", base / ".staging-2-0123abcd")


# What the push begins with, made from a serving directory where it has succeeded, and the numbers that it may get.
BEGINNINGS = {
    "version 1": (lambda base: [shutil.rmtree(base / "2"), *map(_forget_last_entry, [base, base])], {"2", "3"}),
    "an earlier push that died before the commit": (_undo_commit, {"3", "4"}),
    "an earlier push that died after the commit": (_forget_last_entry, {"2"}),
    "a push that succeeded": (lambda base: None, {"2"}),
}


@pytest.fixture
def interrupt(start_python, tmp_path):
    """Returns a function that interrupts a push of version 2 at every step, and returns what each interruption left."""

    def run(how, template, options):
        with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else tmp_path) as work:
            process = start_python(SCRIPT, how, template, work, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            output, errors = process.communicate(json.dumps(options), timeout=200)
        assert process.returncode == 0, errors
        return json.loads(output)

    return run


def _forget_entries(base, number):
    for _ in range(number):
        _forget_last_entry(base)


def _check(facts, old, new, numbers):
    for found in facts:
        left, retried = found["interrupted"], found["retried"]
        assert (left["problems"], left["live"]) == ([], max(left["versions"], default="")), found
        assert left["versions"] in (old, *({**old, number: new} for number in numbers)), found
        version, again = found["versions"]
        assert version in numbers, found
        assert again == version, found
        assert retried["versions"] == {**old, version: new}, found
        assert (retried["problems"], retried["live"], retried["leftovers"], retried["copies"]) == ([], version, [], []), found
        assert retried["pushed"] == [*map(int, old), int(version)], found


@pytest.mark.parametrize(("how", "beginning"), [*(("killed", beginning) for beginning in BEGINNINGS), ("full", "version 1")])
def test_next_push(make_artifacts, interrupt, tmp_path, beginning, how):
    first = push_model(**make_artifacts("one"))
    options = make_artifacts("two", weights="w2", baseline=("1", first.pushed_digest))
    second = push_model(**options)
    prepare, numbers = BEGINNINGS[beginning]
    prepare(tmp_path / "serving")
    facts = interrupt(how, tmp_path / "serving", options)
    _check(facts, {"1": first.pushed_digest}, second.pushed_digest, numbers)
    assert {found["code"] for found in facts[:-1]} == {-9 if how == "killed" else 2}


@pytest.mark.parametrize("how", ["killed", "full"])
def test_request_for_approval(make_artifacts, interrupt, tmp_path, how):
    first = push_model(**make_artifacts("one"))
    options = make_artifacts("two", weights="w2", baseline=("1", first.pushed_digest), status="pending", approved=False, **LATE)
    for found in interrupt(how, tmp_path / "serving", options):
        left, retried = found["interrupted"], found["retried"]
        assert (left["problems"], left["versions"]) == ([], {"1": first.pushed_digest}), found
        assert left["requests"] in ([], ["waiting"]), found
        assert (found["versions"], retried["problems"], retried["versions"]) == (["", ""], [], left["versions"]), found
        assert (retried["requests"], len(retried["copies"]), retried["leftovers"]) == (["waiting"], 1, []), found


@pytest.mark.parametrize("how", ["killed", "full"])
@pytest.mark.parametrize("own", ["the same model", "a model that is refused"])
def test_approved_candidate_is_taken_up(make_artifacts, interrupt, tmp_path, how, own):
    first, base = push_model(**make_artifacts("one")), tmp_path / "serving"
    pending = {"baseline": ("1", first.pushed_digest), "status": "pending", "approved": False, **LATE}
    options = make_artifacts("two", weights="w2", **pending)
    push_model(**options)
    answer(base, "approved", model="", by="Ada", reason="Reviewed.", now=datetime.datetime.now(datetime.UTC))
    candidate = list_requests(base)[0].copy_digest
    if own == "the same model":
        _check(interrupt(how, base, options), {"1": first.pushed_digest}, candidate, {"2", "3"})
        return
    for found in interrupt(how, base, make_artifacts("three", weights="w3", approved=False)):
        left, retried = found["interrupted"], found["retried"]
        (number,) = set(retried["versions"]) - {"1"}
        assert left["problems"] == retried["problems"] == [], found
        assert left["versions"] in ({"1": first.pushed_digest}, retried["versions"]), found
        assert retried["versions"] == {"1": first.pushed_digest, number: candidate}, found
        assert (retried["requests"], retried["copies"], retried["leftovers"]) == (["pushed"], [], []), found


def test_candidate_that_waits_gives_way_to_a_push(make_artifacts, interrupt, tmp_path):
    first = push_model(**make_artifacts("one"))
    baseline = ("1", first.pushed_digest)
    options = make_artifacts("two", weights="w2", baseline=baseline)
    second = push_model(**options)
    shutil.rmtree(tmp_path / "serving/2")
    _forget_entries(tmp_path / "serving", 2)
    push_model(**make_artifacts("three", weights="w3", baseline=baseline, status="pending", approved=False, **LATE))
    facts = interrupt("killed", tmp_path / "serving", options)
    _check(facts, {"1": first.pushed_digest}, second.pushed_digest, {"2", "3"})
    assert {request for found in facts for request in found["retried"]["requests"]} == {"withdrawn"}


def test_expired_candidate_is_removed(make_artifacts, interrupt, tmp_path):
    pending = make_artifacts("one", status="pending", approved=False)
    push_model(**pending, now=datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC))
    for found in interrupt("killed", tmp_path / "serving", make_artifacts("two", approved=False)):
        left, retried = found["interrupted"], found["retried"]
        assert (left["problems"], left["versions"], retried["problems"]) == ([], {}, []), found
        assert (retried["requests"], retried["copies"], retried["leftovers"]) == (["expired"], [], []), found


@pytest.mark.parametrize("how", ["killed", "full"])
def test_first_push(make_artifacts, interrupt, tmp_path, how):
    options = make_artifacts()
    whole = push_model(**options | {"serving_dir": str(tmp_path / "another")})
    facts = interrupt(how, tmp_path / "serving", options)
    _check(facts, {}, whole.pushed_digest, {"1", "2"})
    assert len(facts) > 100
    assert [len(found["interrupted"]["versions"]) for found in facts[:-1]].count(1) >= 5  # after the commit
