"""Whatever interrupts a push, at whatever call: servers see only complete, approved versions, and a retry completes it once."""

import datetime
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from components._release.answers import answer
from components._release.ledger import append_entry
from components._release.model_config import replace_configuration, with_labels
from components._release.releases import live_version
from components._release.rollback import rollback, withdraw
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
    """Returns a function that interrupts a push or a rollback at every step, and returns what each interruption left."""

    def run(how, template, options):
        with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else tmp_path) as work:
            process = start_python(SCRIPT, how, template, work, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            output, errors = process.communicate(json.dumps(options), timeout=500)
        assert process.returncode == 0, errors
        facts = json.loads(output)
        print(f"{len(facts)} cases: {how} at every step")  # noqa: T201  # pytest -rP shows how many
        return facts

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


HOW = [
    *(("killed", beginning) for beginning in BEGINNINGS),
    *((how, "version 1") for how in ("full", "readonly", "failing", "short", "short and full")),
]
CODES = {"killed": -9, "full": 2, "readonly": 2, "failing": 1, "short": 4, "short and full": 2}


@pytest.mark.parametrize(("how", "beginning"), HOW)
def test_next_push(make_artifacts, interrupt, tmp_path, beginning, how):
    first = push_model(**make_artifacts("one"))
    options = make_artifacts("two", weights="w2", baseline=("1", first.pushed_digest))
    second = push_model(**options)
    prepare, numbers = BEGINNINGS[beginning]
    prepare(tmp_path / "serving")
    facts = interrupt(how, tmp_path / "serving", options)
    _check(facts, {"1": first.pushed_digest}, second.pushed_digest, numbers)
    assert {found["code"] for found in facts[:-1]} == {CODES[how]}


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
    assert len(facts) > 40
    assert [len(found["interrupted"]["versions"]) for found in facts[:-1]].count(1) >= 3  # after the commit


ROLLBACKS = {
    "to the version before": ({"to": "2"}, [], {"1", "2"}),
    "over two versions": ({"to": "1"}, [], {"1"}),
    "back to a withdrawn version": ({"to": "3"}, ["1"], {"1", "3"}),
    "to one between": ({"to": "2"}, ["1", "3"], {"1", "2"}),
}


OTHERS = (("full", "over two versions"), ("failing", "to one between"))


@pytest.mark.parametrize(("how", "case"), [*(("killed", case) for case in ROLLBACKS), *OTHERS])
def test_rollback(make_artifacts, interrupt, tmp_path, how, case):
    base, digests = tmp_path / "serving", {}
    for number in "123":
        baseline = (str(int(number) - 1), digests[str(int(number) - 1)]) if digests else ("", "")
        digests[number] = push_model(**make_artifacts(number, weights=number, baseline=baseline)).pushed_digest
    options, before, after = ROLLBACKS[case]
    options = {**options, "by": "Ada", "reason": "Too slow."}
    for to in before:
        rollback(base, **{**options, "to": to})
    old, new = live_version(base), options["to"]
    facts = interrupt(how, base, options)
    for found in facts:
        left, retried = found["interrupted"], found["retried"]
        assert (left["problems"], left["live"]) == ([], max(left["versions"])), found
        assert left["live"] in (old, new), found
        assert left["versions"].items() <= digests.items(), found
        assert found["versions"] == [new, new], found
        assert (set(retried["versions"]), retried["problems"], retried["leftovers"]) == (after, [], []), found
        assert retried["moves"] == ["rollback_intent", "rolled_back"] * (len(before) + 1), found
    assert {found["code"] for found in facts[:-1]} == {CODES[how]}
    assert {found["interrupted"]["live"] for found in facts} == {old, new}


def test_push_that_keeps_two_versions(make_artifacts, interrupt, tmp_path):
    base, digests = tmp_path / "serving", {}
    for number in "12":
        baseline = (str(int(number) - 1), digests[str(int(number) - 1)]) if digests else ("", "")
        digests[number] = push_model(**make_artifacts(number, weights=number, baseline=baseline)).pushed_digest
    options = make_artifacts("3", weights="3", baseline=("2", digests["2"])) | {"keep_versions": 2}
    for found in interrupt("killed", base, options):
        left, retried = found["interrupted"], found["retried"]
        assert (left["problems"], left["live"]) == ([], max(left["versions"])), found
        assert digests["2"] in left["versions"].values(), found
        (version, again) = found["versions"]
        assert (again, set(retried["versions"])) == (version, {"2", version}), found
        assert (retried["problems"], retried["live"], retried["leftovers"]) == ([], version, []), found


@pytest.fixture
def labelled(make_artifacts, tmp_path):
    """Returns a function that pushes versions, labels two of them, and returns options that name the model configuration."""

    def make(stable, canary, versions=0):
        base, config = tmp_path / "serving", tmp_path / "models.config"
        config.write_text('model_config_list { config { name: "m" } }')
        digest = ""
        for number in range(1, max(canary, versions) + 1):
            baseline = (str(number - 1), digest) if digest else ("", "")
            artifacts = make_artifacts(str(number), weights=str(number), baseline=baseline)
            digest = push_model(**artifacts).pushed_digest
        for label, version in (("stable", stable), ("canary", canary)):
            told = {"label": label, "version": version, "previous": "", "by": "push_model", "reason": "It was pushed."}
            append_entry(base, "labelled", lambda _, told=told: told)
        replace_configuration(config, with_labels(config, "m", {stable, canary}, {"stable": stable, "canary": canary}))
        return base, {"config": str(config)}

    return make


def _check_labels(facts, how):
    """Checks that labels name versions that the server has, at every instant, and that what comes next completes it."""
    for found in facts:
        left, retried = found["interrupted"], found["retried"]
        assert (left["problems"], retried["problems"], retried["leftovers"]) == ([], [], []), found
        told, after = left["labels"], retried["labels"]
        assert left["live"] == str(told["ledger"].get("stable", max(left["versions"], default=""))), found
        assert set(told["labels"].values()) <= set(told["versions"]), found
        assert set(map(str, told["versions"])) <= set(left["versions"]), found
        assert after["labels"] == after["ledger"], found
        assert (after["versions"], retried["live"]) == (sorted({*after["labels"].values()}), str(after["labels"]["stable"])), (
            found
        )
    assert {found["code"] for found in facts[:-1]} == {CODES[how]}


# A full disk and a read-only one differ in the number of the error alone: with labels one of them says what both would.
WITH_LABELS = [how for how in CODES if how != "readonly"]
EVERY_WAY = pytest.mark.parametrize("how", WITH_LABELS)


@EVERY_WAY
def test_promotion(labelled, interrupt, how):
    base, options = labelled(stable=1, canary=2)
    facts = interrupt(how, base, {**options, "promote": True, "by": "Ada", "reason": "Good."})
    _check_labels(facts, how)
    for found in facts:
        assert (found["versions"], set(found["retried"]["versions"])) == (["2", "2"], {"1", "2"}), found
    assert {found["interrupted"]["live"] for found in facts} == ({"2"} if how == "short" else {"1", "2"})


@pytest.mark.parametrize(("how", "canary"), [*((how, 2) for how in WITH_LABELS), ("killed", 3)])
def test_rollback_of_labels(labelled, interrupt, how, canary):
    base, options = labelled(stable=2, canary=canary)
    facts = interrupt(how, base, {**options, "to": "1", "by": "Ada", "reason": "Too slow."})
    _check_labels(facts, how)
    for found in facts:
        retried = found["retried"]
        assert (found["versions"], retried["moves"]) == (["1", "1"], ["rollback_intent", "rolled_back"]), found
        assert retried["labels"]["labels"] == {"stable": 1, "canary": 1 if canary == 2 else 3}, found
        assert set(retried["versions"]) == {"1", *(["3"] if canary == 3 else [])}, found
    assert {found["interrupted"]["live"] for found in facts} == ({"1"} if how == "short" else {"1", "2"})


@pytest.mark.parametrize("how", ["killed", "full"])
def test_rollback_of_labels_to_a_withdrawn_version(labelled, interrupt, how):
    base, options = labelled(stable=1, canary=1, versions=2)
    withdraw(base, version="2", by="Ada", reason="Too slow.")
    facts = interrupt(how, base, {**options, "to": "2", "by": "Ada", "reason": "It was the data."})
    _check_labels(facts, how)
    for found in facts:
        assert (found["versions"], found["retried"]["labels"]["labels"]) == (["2", "2"], {"stable": 2, "canary": 2}), found


def test_interrupted_rollback_of_labels_is_completed_by_the_next_run(labelled, make_artifacts, interrupt):
    base, options = labelled(stable=2, canary=2)
    refused = {**options, **make_artifacts("refused", approved=False)}
    facts = interrupt("killed", base, {**options, "by": "Ada", "reason": "Too slow.", "next": refused})
    _check_labels(facts, "killed")
    for found in facts:
        rolled_back = found["interrupted"]["live"] == "1"
        labels = {"stable": 1, "canary": 1} if rolled_back else {"stable": 2, "canary": 2}
        assert (found["retried"]["labels"]["labels"], "2" in found["retried"]["versions"]) == (labels, not rolled_back), found
    assert {found["interrupted"]["live"] for found in facts} == {"1", "2"}


@EVERY_WAY
def test_next_push_with_labels(labelled, make_artifacts, interrupt, how):
    base, options = labelled(stable=1, canary=1)
    facts = interrupt(how, base, {**options, **make_artifacts("two", weights="2", baseline=("1", ""))})
    _check_labels(facts, how)
    for found in facts:
        version, again = found["versions"]
        assert (version in {"2", "3"}, again, found["interrupted"]["live"]) == (True, version, "1"), found
        assert found["retried"]["labels"]["labels"] == {"stable": 1, "canary": int(version)}, found
        assert set(found["retried"]["versions"]) == {"1", version}, found


@pytest.mark.parametrize("how", ["killed", "short"])
def test_first_push_with_labels(make_artifacts, interrupt, tmp_path, how):
    config = tmp_path / "models.config"
    config.write_text('model_config_list { config { name: "m" } }')
    facts = interrupt(how, tmp_path / "serving", {"config": str(config), **make_artifacts()})
    _check_labels(facts, how)
    for found in facts:
        version, again = found["versions"]
        assert (version in {"1", "2"}, again, set(found["retried"]["versions"])) == (True, version, {version}), found
        assert found["retried"]["labels"]["labels"] == {"stable": int(version), "canary": int(version)}, found
