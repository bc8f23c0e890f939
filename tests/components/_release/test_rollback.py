import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from components._release import moves as moves_module
from components._release.ledger import append_entry, read_ledger
from components._release.push import push
from components._release.releases import list_releases, live_version
from components._release.rollback import rollback, withdraw
from components._release.verify import verify_ledger
from components._release.waiting import request_approval
from components._shared.errors import UserError

WHO = {"by": "Ada", "reason": "Too many false alarms."}


@pytest.fixture
def three_versions(two_versions, make_candidate):
    push(two_versions, make_candidate("three", "2"))
    return two_versions


def _seen(base):
    """Returns what servers see, what was withdrawn, and which version is live, after checking the ledger."""
    assert verify_ledger(base) == []
    names = sorted(path.name for path in base.iterdir())
    return [name for name in names if name.isdigit()], [name for name in names if "withdrawn" in name], live_version(base)


def _states(base):
    return [release.state for release in list_releases(base)]


def test_rollback_goes_to_the_version_before(three_versions):
    change = rollback(three_versions, **WHO)
    assert (change.before, change.live, change.withdrawn, change.restored) == ("3", "2", (3,), ())
    assert _seen(three_versions) == (["1", "2"], [".withdrawn-3"], "2")
    assert rollback(three_versions, **WHO).live == "1"


def test_rollback_is_recorded(three_versions):
    change = rollback(three_versions, **WHO)
    intent, outcome = read_ledger(three_versions)[-2:]
    assert (intent.kind, outcome.kind, change.entry) == ("rollback_intent", "rolled_back", outcome)
    told = {"from": "3", "to": "2", "withdraws": [3], "restores": [], **WHO, "automatic": False}
    assert (intent.payload, outcome.payload) == (told, {**told, "intent": intent.sequence})


def test_rollback_takes_all_newer_versions_away(three_versions):
    assert rollback(three_versions, to="1", **WHO).withdrawn == (2, 3)
    assert _seen(three_versions) == (["1"], [".withdrawn-2", ".withdrawn-3"], "1")
    assert list_releases(three_versions)[2].reason == "Ada rolled back to version 1: Too many false alarms."


def test_rollback_can_be_taken_back(three_versions):
    rollback(three_versions, to="1", **WHO)
    change = rollback(three_versions, to="3", **WHO)
    assert (change.withdrawn, change.restored) == ((), (3,))
    assert _seen(three_versions) == (["1", "3"], [".withdrawn-2"], "3")


def test_version_between_withdrawn_ones_returns_alone(three_versions):
    rollback(three_versions, to="1", **WHO)
    rollback(three_versions, to="3", **WHO)
    change = rollback(three_versions, to="2", **WHO)
    assert (change.withdrawn, change.restored) == ((3,), (2,))
    assert _seen(three_versions) == (["1", "2"], [".withdrawn-3"], "2")


def test_rollback_to_the_live_version_changes_nothing(three_versions):
    entries = read_ledger(three_versions)
    change = rollback(three_versions, to="3", **WHO)
    assert (change.live, change.entry, read_ledger(three_versions)) == ("3", None, entries)


def test_push_after_a_rollback_compares_with_the_live_version_and_takes_a_new_number(three_versions, make_candidate):
    rollback(three_versions, **WHO)
    assert "Stale baseline" in push(three_versions, make_candidate("stale", "3")).reason
    assert push(three_versions, make_candidate("next", "2")).version == "5"
    assert _seen(three_versions) == (["1", "2", "5"], [".withdrawn-3"], "5")


def test_withdrawn_model_is_not_pushed_again_under_any_decision(three_versions, make_candidate):
    rollback(three_versions, **WHO)
    candidate = make_candidate("again", "2", model_digest=list_releases(three_versions)[2].model_digest)
    outcome = push(three_versions, candidate)
    assert (outcome.pushed, _states(three_versions)) == (False, ["pushed", "pushed", "withdrawn"])
    assert "Ada rolled back to version 2: Too many false alarms. `sluice rollback PROJECT --to 3`" in outcome.reason
    assert not request_approval(three_versions, candidate, "2999-01-01T00:00:00+00:00", now=None).pushed


def test_model_that_failed_its_verification_may_be_pushed_by_a_new_decision_only(two_versions, make_candidate, tmp_path):
    candidate = make_candidate("three", "2")
    push(two_versions, candidate)
    withdraw(two_versions, version="3", automatic=True, **WHO)
    assert not push(two_versions, candidate).pushed
    shutil.rmtree(tmp_path / "models/three")
    assert push(two_versions, make_candidate("three", "2", decision_digest="sha256:new")).version == "4"


def test_version_that_is_not_live_can_be_withdrawn(three_versions):
    change = withdraw(three_versions, version="2", **WHO)
    assert (change.before, change.live, change.withdrawn) == ("3", "3", (2,))
    assert _seen(three_versions) == (["1", "3"], [".withdrawn-2"], "3")
    assert read_ledger(three_versions)[-1].kind == "withdrawn"
    assert rollback(three_versions, **WHO).live == "1"


def test_live_version_can_be_withdrawn(three_versions):
    assert withdraw(three_versions, version="3", **WHO).live == "2"
    assert withdraw(three_versions, version="3", **WHO).entry is None


def test_only_version_stays_unless_told_otherwise(base, make_candidate):
    push(base, make_candidate())
    with pytest.raises(UserError, match="--allow-none"):
        withdraw(base, version="1", **WHO)
    assert _seen(base) == (["1"], [], "1")
    withdraw(base, version="1", allow_none=True, **WHO)
    assert _seen(base) == ([], [".withdrawn-1"], "")
    assert push(base, make_candidate("two")).version == "2"


def _damage(base):
    (base / "2/saved_model.pb").write_text("x")


REFUSED = {
    "an older one that was changed": (_damage, {}, "is whole"),
    "an older one that is gone": (lambda base: shutil.rmtree(base / "2"), {}, "is whole"),
    "a folder of nobody above it": (lambda base: (base / "7").mkdir(), {}, "which nobody pushed"),
    "a folder of nobody with the same number": (lambda base: (base / "02").mkdir(), {}, "which nobody pushed"),
    "a version that never was": (lambda base: None, {"to": "9"}, r"Received: 9; there are 1 \(pushed\), 2 \(pushed\)"),
    "a number that is none": (lambda base: None, {"to": "latest"}, "The version was released"),
    "nobody": (lambda base: None, {"by": " "}, "keeps who wants it"),
    "no reason": (lambda base: None, {"reason": "\x1b"}, "keeps the reason"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_rollback_refuses(three_versions, case):
    prepare, options, words = REFUSED[case]
    prepare(three_versions)
    with pytest.raises(UserError, match=words):
        rollback(three_versions, **{**WHO, **options})
    assert (three_versions / "3").is_dir()
    assert len(read_ledger(three_versions)) == 6


def test_rollback_of_the_only_version_is_an_error(base, make_candidate):
    push(base, make_candidate())
    with pytest.raises(UserError, match="version 1 is the only one in place"):
        rollback(base, **WHO)


def test_rollback_of_nothing_is_an_error(base):
    with pytest.raises(UserError, match="nothing was ever released"):
        rollback(base, **WHO)


def test_damaged_live_version_can_be_rolled_back(two_versions):
    (two_versions / "2/saved_model.pb").write_text("x")
    assert rollback(two_versions, **WHO).live == "1"
    assert "Version 2 is not what was pushed" in verify_ledger(two_versions)[0]


def test_change_of_a_withdrawn_version_shows(two_versions):
    rollback(two_versions, **WHO)
    (two_versions / ".withdrawn-2/saved_model.pb").write_text("x")
    assert "Version 2 is not what was pushed" in verify_ledger(two_versions)[0]
    with pytest.raises(UserError, match="is whole"):
        rollback(two_versions, to="2", **WHO)


def test_withdrawn_folder_that_nobody_withdrew_shows(two_versions):
    (two_versions / ".withdrawn-9").mkdir()
    assert "does not say that it was withdrawn" in verify_ledger(two_versions)[0]


def test_newest_version_leaves_last_and_each_rename_is_durable(three_versions, monkeypatch):
    seen, rename = [], os.rename
    monkeypatch.setattr(os, "rename", lambda *paths: (rename(*paths), seen.append(paths[0].name)))
    monkeypatch.setattr(moves_module, "sync_folder", lambda path: seen.append("sync"))
    rollback(three_versions, to="1", **WHO)
    assert seen == ["2", "sync", "3", "sync"]


def test_version_returns_before_the_newer_ones_leave(three_versions, monkeypatch):
    rollback(three_versions, to="1", **WHO)
    rollback(three_versions, to="3", **WHO)
    seen, rename = [], os.rename
    monkeypatch.setattr(os, "rename", lambda *paths: (rename(*paths), seen.append(paths[0].name)))
    rollback(three_versions, to="2", **WHO)
    assert seen == [".withdrawn-2", "3"]


def _move(**changes):
    return {"from": "2", "to": "1", "withdraws": [2], "restores": [], **WHO, "automatic": False, **changes}


HISTORIES = {
    "a move of nothing": ([("rollback_intent", _move(withdraws=[]))], "does not say which versions"),
    "a version as text": ([("rollback_intent", _move(withdraws=["2"]))], "does not say which versions"),
    "a version that is not there": ([("withdraw_intent", _move(withdraws=[9]))], "moves version 9, which is not there"),
    "a return of what never left": ([("rollback_intent", _move(restores=[1]))], "moves version 1, which is not there"),
    "another live version": ([("rollback_intent", _move(**{"from": "1"}))], "says that version 1 is live before"),
    "nobody": ([("rollback_intent", _move(by=""))], "names nobody"),
    "no field": ([("withdraw_intent", {"version": 2})], "does not say 'from'"),
    "an end without a beginning": ([("rolled_back", _move(intent=5))], "ends what nobody began"),
    "another kind of end": ([("rollback_intent", _move()), ("withdrawn", _move(intent=5))], "ends what nobody began"),
    "another reason": ([("rollback_intent", _move()), ("rolled_back", _move(intent=5, reason="x"))], "about something else"),
    "two beginnings": ([("rollback_intent", _move()), ("withdraw_intent", _move())], "comes before the end of"),
}


def _label(**changes):
    return {"label": "stable", "version": 1, "previous": "", **WHO, **changes}


HISTORIES |= {
    "a label of nothing": ([("labelled", _label(version=9))], "gives a label to version 9, which is not in place"),
    "another version before": ([("labelled", _label(previous="2"))], "says that stable was version 2 before"),
    "a label without a name": ([("labelled", _label(label=None))], "does not say 'label'"),
    "stable stays live": ([("labelled", _label()), ("rollback_intent", _move())], "says that version 2 is live before"),
    "a label is retired": ([("labelled", _label()), ("retired", {"versions": [1]})], "retires version 1, which is live"),
    "verified and never pushed": ([("verified", {"version": 7})], "is about a version that was never pushed"),
}


@pytest.mark.parametrize("case", HISTORIES)
def test_history_of_moves_that_makes_no_sense_is_not_trusted(two_versions, case):
    entries, problem = HISTORIES[case]
    for kind, payload in entries:
        append_entry(two_versions, kind, lambda _, payload=payload: payload)
    assert problem in verify_ledger(two_versions)[0]
    with pytest.raises(UserError, match="that this program knows"):
        rollback(two_versions, **WHO)


def test_interrupted_rollback_is_completed_by_the_next_push(two_versions, make_candidate):
    append_entry(two_versions, "rollback_intent", lambda _: _move())
    assert (live_version(two_versions), verify_ledger(two_versions)) == ("2", [])
    assert "Stale baseline" in push(two_versions, make_candidate("three", "2")).reason
    assert _seen(two_versions) == (["1"], [".withdrawn-2"], "1")
    assert read_ledger(two_versions)[5].kind == "rolled_back"


def test_rollback_that_died_after_its_rename_has_happened(two_versions):
    append_entry(two_versions, "rollback_intent", lambda _: _move())
    (two_versions / "2").rename(two_versions / ".withdrawn-2")
    assert (live_version(two_versions), _states(two_versions), verify_ledger(two_versions)) == (
        "1",
        ["pushed", "withdrawn"],
        [],
    )


def test_retry_of_an_interrupted_rollback_is_its_completion(three_versions):
    payload = _move(**{"from": "3", "to": "2"}, withdraws=[3])
    append_entry(three_versions, "rollback_intent", lambda _: payload)
    change = rollback(three_versions, **WHO)
    assert (change.live, change.withdrawn, _seen(three_versions)[2]) == ("2", (3,), "2")


def test_interrupted_rollback_stops_where_both_folders_are_there(two_versions):
    append_entry(two_versions, "rollback_intent", lambda _: _move())
    (two_versions / ".withdrawn-2").mkdir()
    with pytest.raises(UserError, match="A version is in one place"):
        rollback(two_versions, **WHO)
    assert live_version(two_versions) == "2"


def test_stable_is_live_whatever_its_number(three_versions):
    append_entry(three_versions, "labelled", lambda _: _label(version=2))
    assert (live_version(three_versions), verify_ledger(three_versions)) == ("2", [])
    assert withdraw(three_versions, version="2", **WHO).live == "3"
    assert [release.labels for release in list_releases(three_versions)] == [(), (), ()]


@pytest.mark.parametrize("people", [2, 8])
def test_many_rollbacks_to_one_version_are_one(three_versions, people):
    with ThreadPoolExecutor(people) as pool:
        changes = list(pool.map(lambda _: rollback(three_versions, to="1", **WHO), range(people)))
    assert [change.live for change in changes] == ["1"] * people
    assert [entry.kind for entry in read_ledger(three_versions)].count("rolled_back") == 1
    assert _seen(three_versions) == (["1"], [".withdrawn-2", ".withdrawn-3"], "1")
