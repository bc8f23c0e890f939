"""Rollbacks, answers, labels and clean-ups of a bucket while others work on it."""

import datetime
from concurrent.futures import ThreadPoolExecutor

import pytest
from interrupted_requests import files_of, named, watch_configurations

from components._release import (
    bucket_candidates,
    bucket_labels,
    bucket_ledger,
    bucket_moves,
    bucket_push,
    bucket_retention,
    gcs,
    server_waits,
)
from components._release import rollback as rollback_module
from components._release.answers import answer
from components._release.bucket_retention import retire_in_bucket
from components._release.keeping import keep_last
from components._release.ledger import append_entry, read_ledger
from components._release.model_configuration import Configuration, read_configuration, replace_configuration
from components._release.push import push
from components._release.releases import list_releases, live_version
from components._release.rollback import rollback, withdraw
from components._release.server_client import Server
from components._release.verify import verify_ledger
from components._release.waiting import list_requests, request_approval, settle_waiting
from components._shared.errors import UserError

WHO = {"by": "Ada", "reason": "Too many false alarms."}
NOW = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
LATE = "2999-01-01T00:00:00+00:00"
GATE = {"stage": "decide_release", "gate": "approval", "verdict": "pending", "reason": "A person has to agree."}


@pytest.fixture
def three(bucket, make_candidate):
    """Returns a bucket with versions 1 to 3."""
    for number, baseline in ((1, ""), (2, "1"), (3, "2")):
        push(bucket, make_candidate(f"v{number}", baseline))
    return bucket


@pytest.fixture
def meanwhile(monkeypatch):
    """Returns a function that lets something happen right before the next call of a function."""

    def arrange(module, step, happen):
        real = getattr(module, step)

        def late(*arguments, **options):
            monkeypatch.setattr(module, step, real)
            happen()
            return real(*arguments, **options)

        monkeypatch.setattr(module, step, late)

    return arrange


def _kinds(base):
    assert verify_ledger(base) == []
    return [entry.kind for entry in read_ledger(base)]


def _states(base):
    return [release.state for release in list_releases(base)]


def test_rollback_moves_no_object(three, object_server):
    before = {name: item for name, item in object_server.buckets[three.bucket].items() if "/.ledger/" not in name}
    change = rollback(three, to="1", **WHO)
    assert (change.before, change.live, change.withdrawn) == ("3", "1", (2, 3))
    after = {name: item for name, item in object_server.buckets[three.bucket].items() if "/.ledger/" not in name}
    assert [name for name in before if after[name] is not before[name]] == [f"{three.name}/models.config"]
    assert (before.keys(), named(object_server, three)) == (after.keys(), ([1], {}))
    assert rollback(three, to="3", **WHO).restored == (3,)
    assert (_states(three), named(object_server, three)[0]) == (["pushed", "withdrawn", "pushed"], [3])
    assert verify_ledger(three) == []


def test_last_version_is_withdrawn_when_allowed(bucket, make_candidate, object_server):
    push(bucket, make_candidate("one"))
    with pytest.raises(UserError, match="--allow-none"):
        withdraw(bucket, version="1", **WHO)
    assert withdraw(bucket, version="1", allow_none=True, **WHO).live == ""
    assert (named(object_server, bucket), live_version(bucket), verify_ledger(bucket)) == (([], {}), "", [])
    assert push(bucket, make_candidate("two")).version == "2"


@pytest.mark.parametrize("change", ["changed", "gone"])
def test_rollback_to_a_version_that_is_not_whole_is_refused(three, object_server, change):
    name = f"{three.name}/2/saved_model.pb"
    object_server.put(three.bucket, name, b"x") if change == "changed" else object_server.buckets[three.bucket].pop(name)
    with pytest.raises(UserError, match="is whole"):
        rollback(three, **WHO)
    assert (live_version(three), len(read_ledger(three))) == ("3", 6)


def test_push_that_is_under_way_does_not_overtake_a_rollback(three, make_candidate, meanwhile):
    meanwhile(bucket_push, "replace_configuration", lambda: rollback(three, to="2", **WHO))
    outcome = push(three, make_candidate("v4", "3"))
    assert (outcome.pushed, outcome.reason[:15], live_version(three)) == (False, "Stale baseline:", "2")
    assert _kinds(three)[6:10] == ["push_intent", "abandoned", "rollback_intent", "rolled_back"]


@pytest.mark.parametrize("step", ["append_before_claims", "carry_out"])
def test_rollback_gives_way_to_what_is_decided_first(three, make_candidate, meanwhile, step):
    outcomes = []
    meanwhile(bucket_moves, step, lambda: outcomes.append(push(three, make_candidate("v4", "3"))))
    change = rollback(three, to="1", **WHO)
    before = {"append_before_claims": "4", "carry_out": "3"}[step]
    assert (change.before, change.live, live_version(three), outcomes[0].pushed) == (before, "1", "1", step != "carry_out")
    assert (_kinds(three).count("rolled_back"), _states(three)[:3]) == (1, ["pushed", "withdrawn", "withdrawn"])


def test_rollback_that_others_completed_does_not_come_back(three, meanwhile, object_server):
    def complete_it_and_roll_back_again():
        assert (rollback(three, **WHO).live, rollback(three, to="1", **WHO).live) == ("2", "1")
        del object_server.buckets[three.bucket][f"{three.name}/.ledger/{len(read_ledger(three)):08d}.json"]

    meanwhile(bucket_moves, "carry_out", complete_it_and_roll_back_again)
    assert (rollback(three, **WHO).live, named(object_server, three)[0]) == ("2", [1])
    assert (rollback(three, to="1", **WHO).live, verify_ledger(three)) == ("1", [])


def test_claim_that_comes_with_the_intent_is_void_first(three, make_candidate, meanwhile, monkeypatch):
    def claim():
        bucket_push._claim(three, make_candidate("v4", "3"), "sha256:whole")

    meanwhile(bucket_ledger, "append_valid", claim)
    assert rollback(three, to="1", **WHO).live == "1"
    assert _kinds(three)[6:] == ["push_intent", "abandoned", "rollback_intent", "rolled_back"]


def test_push_that_comes_after_the_versions_were_looked_at_is_rolled_back_too(three, make_candidate, meanwhile):
    meanwhile(rollback_module, "move_in_bucket", lambda: push(three, make_candidate("v4", "3")))
    assert (rollback(three, to="2", **WHO).withdrawn, live_version(three)) == ((3, 4), "2")


def test_two_withdrawals_at_once_leave_a_version(three, meanwhile):
    withdraw(three, version="3", **WHO)
    meanwhile(rollback_module, "move_in_bucket", lambda: withdraw(three, version="2", **WHO))
    with pytest.raises(UserError, match="A version is left when one is withdrawn"):
        withdraw(three, version="1", **WHO)
    assert live_version(three) == "1"


@pytest.mark.parametrize("people", [2, 6])
def test_many_rollbacks_to_one_version_are_one(three, people):
    with ThreadPoolExecutor(people) as pool:
        changes = list(pool.map(lambda _: rollback(three, to="1", **WHO), range(people)))
    assert ([change.live for change in changes], live_version(three)) == (["1"] * people, "1")
    assert _kinds(three).count("rolled_back") == 1


def test_pushes_and_rollbacks_at_once_leave_one_history(three, make_candidate, object_server):
    candidates = [make_candidate(f"c{number}", "3") for number in range(2)]
    wrong = watch_configurations(
        object_server, three, [files_of(make_candidate(f"v{n}")) for n in (1, 2, 3)] + [*map(files_of, candidates)]
    )
    with ThreadPoolExecutor(4) as pool:
        pushes = [pool.submit(push, three, candidate) for candidate in candidates]
        rollbacks = [pool.submit(rollback, three, to=to, **WHO) for to in ("1", "2")]
    assert [item.result().live for item in rollbacks] == ["1", "2"]
    assert sum(item.result().pushed for item in pushes) <= 1
    assert (live_version(three) in ("1", "2"), named(object_server, three)[0]) == (True, [int(live_version(three))])
    assert (verify_ledger(three), wrong) == ([], [])


def test_configuration_that_a_dead_rollback_left_behind_counts(three, object_server):
    kept = object_server.buckets[three.bucket][f"{three.name}/models.config"]
    rollback(three, to="1", **WHO)
    del object_server.buckets[three.bucket][f"{three.name}/.ledger/00000008.json"]
    assert (live_version(three), verify_ledger(three)) == ("1", [])
    object_server.buckets[three.bucket][f"{three.name}/models.config"] = kept
    assert (live_version(three), verify_ledger(three)) == ("3", [])


def test_configuration_from_before_a_rollback_stops_everything(three, object_server, make_candidate):
    kept = object_server.buckets[three.bucket][f"{three.name}/models.config"].data
    rollback(three, to="1", **WHO)
    object_server.put(three.bucket, f"{three.name}/models.config", kept)
    for do in (live_version, lambda base: rollback(base, **WHO), lambda base: push(base, make_candidate("v4", "1"))):
        with pytest.raises(UserError, match="but version 1 was made live by entry 8 last"):
            do(three)


WRONG = {
    "another version": ({"version": 2}, "names version 2, which entry 5 does not claim"),
    "a version beside that was withdrawn": ({"beside": (9,)}, "names version 9, which is not in place"),
    "a label that nobody gave": ({"labels": {"canary": 3}}, "gives the label canary to version 3"),
    "an entry that claims nothing": ({"claim": 6}, "which entry 6 does not claim"),
}


@pytest.mark.parametrize("case", WRONG)
def test_configuration_that_tells_something_else_is_not_trusted(three, case):
    changes, problem = WRONG[case]
    generation = read_configuration(three)[1]
    replace_configuration(three, Configuration(**{"version": 3, "claim": 5, **changes}), generation)
    assert problem in verify_ledger(three)[0]
    with pytest.raises(UserError, match="tell of the same live version"):
        live_version(three)


@pytest.fixture
def pending(make_candidate):
    """Returns a function that returns a candidate which a person has to approve."""

    def make(name="new", baseline="3"):
        return make_candidate(name, baseline, record={"policy_hash": "sha256:p", "gates": [GATE]})

    return make


def _ask(base, candidate):
    return request_approval(base, candidate, LATE, now=NOW)


def _say(base, kind, model=""):
    return answer(base, kind, model=model, by="Ada", reason="Reviewed.", now=NOW)


def test_what_was_approved_goes_live_as_it_waited(three, pending, object_server):
    candidate = pending()
    assert (_ask(three, candidate).deadline, _ask(three, candidate).deadline) == (LATE, LATE)
    (name,) = gcs.list_names(three / ".candidates")
    assert name == list_requests(three)[0].copy_digest.removeprefix("sha256:")
    _say(three, "approved")
    (settled,) = settle_waiting(three, now=NOW)
    assert (settled.kind, settled.version, live_version(three)) == ("pushed", "4", "4")
    assert any("/rewriteTo/" in path for _, path in object_server.requests)
    assert (gcs.list_names(three / ".candidates"), verify_ledger(three)) == ([], [])
    assert list_releases(three)[-1].record["approver"] == "Ada"


def test_answer_that_comes_with_the_commit_is_heard(three, pending, meanwhile, object_server):
    _ask(three, pending())
    _say(three, "approved")
    meanwhile(bucket_push, "replace_configuration", lambda: _say(three, "rejected"))
    assert settle_waiting(three, now=NOW) == []
    assert (live_version(three), [request.state for request in list_requests(three)]) == ("3", ["rejected"])
    assert (named(object_server, three)[0], verify_ledger(three)) == ([3], [])


def test_copy_that_was_changed_is_not_pushed(three, pending, object_server):
    _ask(three, pending())
    (name,) = gcs.list_names(three / ".candidates")
    _say(three, "approved")
    object_server.put(three.bucket, f"{three.name}/.candidates/{name}/saved_model.pb", b"grapf")
    assert "its copy was changed" in verify_ledger(three)[0]
    (settled,) = settle_waiting(three, now=NOW)
    assert (settled.kind, live_version(three)) == ("approval_withdrawn", "3")


def test_copy_that_changes_while_it_is_pushed_is_not_pushed(three, pending, object_server, meanwhile):
    _ask(three, pending())
    (name,) = gcs.list_names(three / ".candidates")
    _say(three, "approved")
    changed = f"{three.name}/.candidates/{name}/saved_model.pb"
    meanwhile(bucket_candidates, "push_contents", lambda: object_server.put(three.bucket, changed, b"grapf"))
    with pytest.raises(UserError, match="can be reached"):
        settle_waiting(three, now=NOW)
    assert live_version(three) == "3"
    assert [item.kind for item in settle_waiting(three, now=NOW)] == ["approval_withdrawn"]


def test_candidate_that_waits_expires_or_becomes_stale(three, pending, make_candidate):
    _ask(three, pending())
    assert [item.kind for item in settle_waiting(three, now=datetime.datetime.fromisoformat(LATE))] == ["approval_expired"]
    _ask(three, pending("newer"))
    push(three, make_candidate("v4", "3"))
    assert [item.kind for item in settle_waiting(three, now=NOW)] == ["approval_withdrawn"]
    assert (gcs.list_names(three / ".candidates"), verify_ledger(three)) == ([], [])


def test_candidate_that_waits_again_has_a_place_of_its_own(three, pending):
    _ask(three, pending())
    append_entry(three, "approval_withdrawn", lambda entries: {**entries[-1].payload, "request": 7, "reason": "Damaged."})
    (first,) = gcs.list_names(three / ".candidates")
    _ask(three, pending())
    assert gcs.list_names(three / ".candidates") == [f"{first}-2"]
    _say(three, "approved")
    assert (settle_waiting(three, now=NOW)[0].version, verify_ledger(three)) == ("4", [])


def test_first_one_approved_wins(three, pending):
    for name in ("a", "b"):
        _ask(three, pending(name))
    for request in list_requests(three):
        _say(three, "approved", request.model_digest)
    assert [item.kind for item in settle_waiting(three, now=NOW)] == ["pushed", "abandoned"]
    assert ([request.state for request in list_requests(three)], _states(three)[3:]) == (
        ["pushed", "abandoned"],
        ["pushed", "abandoned"],
    )


def test_many_who_ask_and_many_who_push_are_one(three, pending):
    candidate = pending()
    with ThreadPoolExecutor(3) as pool:
        assert {outcome.deadline for outcome in pool.map(lambda _: _ask(three, candidate), range(3))} == {LATE}
    assert _kinds(three).count("approval_requested") == 1
    _say(three, "approved")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: settle_waiting(three, now=NOW), range(3)))
    assert (live_version(three), _kinds(three).count("pushed"), _states(three)[-1]) == ("4", 4, "pushed")


def test_last_versions_stay_and_the_previous_one_too(three, object_server):
    assert keep_last(three, 1) == [1]
    assert {name for name in gcs.list_names(three) if name.isdigit()} == {"2", "3"}
    assert (_states(three), verify_ledger(three)) == (["retired", "pushed", "pushed"], [])
    assert keep_last(three, 1) == []
    with pytest.raises(UserError, match="1, which was retired"):
        rollback(three, to="1", **WHO)


def test_version_that_the_configuration_names_is_kept(three):
    generation = read_configuration(three)[1]
    replace_configuration(three, Configuration(version=3, claim=5, beside=(1,)), generation)
    assert keep_last(three, 1) == []


def test_nobody_lists_a_version_that_is_being_removed(three, meanwhile, object_server):
    wrong = []
    object_server.watch = lambda *_: wrong.extend([1] if 1 in named(object_server, three)[0] else [])
    meanwhile(bucket_labels, "replace_configuration", lambda: keep_last(three, 1))
    with pytest.raises(UserError, match="A label names a version in place"):
        bucket_labels._list(three, [1])
    assert (wrong, verify_ledger(three)) == ([], [])


def test_version_that_is_rolled_back_to_meanwhile_stays(three, meanwhile):
    meanwhile(bucket_retention, "append_valid", lambda: rollback(three, to="1", **WHO))
    assert keep_last(three, 1) == []
    assert (live_version(three), _states(three), verify_ledger(three)) == ("1", ["pushed", "withdrawn", "withdrawn"], [])


def test_objects_that_may_not_be_removed_do_no_harm(three, object_server, make_candidate):
    object_server.interrupt = lambda method, path: 403 if method == "DELETE" else None
    keep_last(three, 1)
    generation = read_configuration(three)[1]
    keep_last(three, 1)
    assert (read_configuration(three)[1], verify_ledger(three)) == (generation, [])


def test_version_with_a_label_does_not_leave(three):
    told = {"label": "stable", "version": 3, "previous": "", **WHO}
    append_entry(three, "labelled", lambda _: told)
    with pytest.raises(UserError, match="A version that leaves has no label"):
        rollback(three, **WHO)
    assert live_version(three) == "3"


def test_labels_move_in_the_configuration_beside_the_versions_only(three):
    with pytest.raises(UserError, match=r"Set serving\.model_config_file to gs://.*/models\.config"):
        bucket_labels.check_config_file(three, "served/models.config")


def test_label_that_others_left_without_its_version_waits_for_it_again(three, monkeypatch, object_server):
    told = {"label": "stable", "version": 2, "previous": "", **WHO}
    append_entry(three, "labelled", lambda _: told)
    asked = []
    monkeypatch.setattr(
        server_waits, "wait_available", lambda _, version: asked.append((version, named(object_server, three))) or ""
    )
    assert bucket_labels.follow_ledger(three, [Server(url="http://none", model_name="parcels")]) == ""
    assert asked == [(2, ([2, 3], {}))]
    assert (named(object_server, three), live_version(three)) == (([2, 3], {"stable": 2}), "2")


def test_retirement_makes_no_sense_after_another_one(three):
    assert retire_in_bucket(three, 1) == [1]
    with pytest.raises(bucket_ledger.DisturbedError, match="which is live or not there"):
        bucket_ledger.append_valid(three, "retired", lambda _: {"versions": [1], "keep": 1})
