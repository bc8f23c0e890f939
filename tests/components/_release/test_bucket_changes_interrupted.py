"""Whatever request a change of a bucket dies at: nothing wrong is named by then, and a retry completes it once."""

import datetime

import pytest
from interrupted_requests import files_of, interrupted, named, watch_configurations

from components._release import gcs, promotion, server_waits
from components._release.answers import answer
from components._release.base import to_base
from components._release.keeping import keep_last
from components._release.labels import Labels
from components._release.ledger import read_ledger
from components._release.promotion import end_labels, promote, roll_back_labels, verify_canary
from components._release.push import push
from components._release.releases import live_version
from components._release.rollback import rollback, withdraw
from components._release.server_client import Server
from components._release.verify import verify_ledger
from components._release.waiting import list_requests, request_approval, settle_waiting

WHO = {"by": "Ada", "reason": "Too many false alarms."}
NOW = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
LATE = "2999-01-01T00:00:00+00:00"
GATE = {"stage": "decide_release", "gate": "approval", "verdict": "pending", "reason": "A person has to agree."}


@pytest.fixture(autouse=True)
def _no_retries(monkeypatch):
    monkeypatch.setattr(gcs, "_RETRY_SECONDS", 0)
    monkeypatch.setattr(gcs, "WORKERS", 1)


@pytest.fixture
def labels(bucket, object_server, monkeypatch):
    """Returns labels in a server that has every version as soon as the model configuration names it."""

    def wait_available(server, version):
        return "" if version in named(object_server, bucket)[0] else f"The server does not know version {version}."

    def wait_label(server, label, version):
        return "" if named(object_server, bucket)[1].get(label) == version else f"{label} is another version."

    for module in (server_waits, promotion):
        monkeypatch.setattr(module, "wait_available", wait_available)
    monkeypatch.setattr(server_waits, "wait_label", wait_label)
    monkeypatch.setattr(promotion, "check_all_reachable", lambda servers: None)
    return Labels(config_file=to_base(f"{bucket}/models.config"), servers=(Server(url="http://none", model_name="parcels"),))


@pytest.fixture
def versions(bucket, make_candidate, object_server):
    """Returns a function that pushes versions one after another, and a list of what any configuration names wrongly."""
    candidates = [make_candidate(f"v{number}", str(number - 1 or "")) for number in range(1, 6)]

    def push_first(count):
        for candidate in candidates[:count]:
            push(bucket, candidate)
        return watch_configurations(object_server, bucket, [files_of(candidate) for candidate in candidates])

    return push_first


def _count(base, *kinds):
    return [entry.kind for entry in read_ledger(base) if entry.kind in kinds]


MOVES = {
    "to the version before": (lambda base: rollback(base, to="2", **WHO), "2", ["rollback_intent", "rolled_back"]),
    "over two versions": (lambda base: rollback(base, to="1", **WHO), "1", ["rollback_intent", "rolled_back"]),
    "withdrawal of the live one": (lambda base: withdraw(base, version="3", **WHO), "2", ["withdraw_intent", "withdrawn"]),
    "withdrawal of another one": (lambda base: withdraw(base, version="1", **WHO), "3", ["withdraw_intent", "withdrawn"]),
}


@pytest.mark.parametrize("case", MOVES)
def test_move_that_dies(bucket, versions, object_server, case):
    act, live, kinds = MOVES[case]
    wrong = versions(3)
    for step in interrupted(object_server, bucket, lambda: act(bucket)):
        assert (verify_ledger(bucket), live_version(bucket) in ("3", live)) == ([], True), step
        assert named(object_server, bucket)[0] == [int(live_version(bucket))], step
        for _ in range(2):
            assert act(bucket).live == live, step
        assert (named(object_server, bucket)[0], _count(bucket, *kinds)) == ([int(live)], kinds), step
    assert (verify_ledger(bucket), wrong) == ([], [])


def test_rollback_with_a_push_under_way_dies(bucket, versions, make_candidate, object_server):
    wrong, four = versions(3), make_candidate("v4", "3")
    before = dict(object_server.buckets[bucket.bucket])
    push(bucket, four)
    left = (f"{bucket.name}/.ledger/00000007.json", f"{bucket.name}/4/saved_model.pb")
    object_server.buckets[bucket.bucket] = before | {name: object_server.buckets[bucket.bucket][name] for name in left}
    for step in interrupted(object_server, bucket, lambda: rollback(bucket, to="1", **WHO), at_least=5):
        assert (verify_ledger(bucket), live_version(bucket) in ("1", "3")) == ([], True), step
        decided = any(entry.kind == "rollback_intent" for entry in read_ledger(bucket))
        assert push(bucket, four).pushed is not decided, step
        assert rollback(bucket, to="1", **WHO).live == "1", step
        assert (live_version(bucket), _count(bucket, "rolled_back")) == ("1", ["rolled_back"]), step
        assert not push(bucket, four).pushed, step
    assert (verify_ledger(bucket), wrong) == ([], [])


def test_version_that_returns_dies_on_its_way(bucket, versions, object_server):
    wrong = versions(3)
    rollback(bucket, to="1", **WHO)
    for step in interrupted(object_server, bucket, lambda: rollback(bucket, to="3", **WHO)):
        assert (verify_ledger(bucket), live_version(bucket) in ("1", "3")) == ([], True), step
        assert rollback(bucket, to="3", **WHO).live == "3", step
        assert _count(bucket, "rolled_back") == ["rolled_back"] * 2, step
        assert (named(object_server, bucket)[0], live_version(bucket)) == ([3], "3"), step
    assert (verify_ledger(bucket), wrong) == ([], [])


def _two_labelled(base, labels, versions, make):
    versions(1)
    promotion.begin_labels(base, labels)
    push(base, make("v2", "1", record={"server": "http://none"}))
    assert verify_canary(base, labels) == ("", "")


def test_labels_of_a_push_die(bucket, versions, make_candidate, labels, object_server):
    wrong = versions(1)
    two = make_candidate("v2", "1", record={"server": "http://none"})

    def act():
        promotion.begin_labels(bucket, labels)
        outcome = push(bucket, two)
        assert verify_canary(bucket, labels) == ("", "")
        return outcome

    for step in interrupted(object_server, bucket, act, at_least=12):
        assert (verify_ledger(bucket), live_version(bucket)) == ([], "1"), step
        assert [act().version, act().version] == ["2", "2"], step
        assert named(object_server, bucket) == ([1, 2], {"stable": 1, "canary": 2}), step
        assert (_count(bucket, "pushed", "labelled"), live_version(bucket)) == (["pushed", "labelled"] * 2, "1"), step
    assert (verify_ledger(bucket), wrong) == ([], [])


def test_promotion_that_dies(bucket, versions, make_candidate, labels, object_server):
    _two_labelled(bucket, labels, versions, make_candidate)
    wrong = watch_configurations(object_server, bucket, [files_of(make_candidate(name)) for name in ("v1", "v2")])
    for step in interrupted(object_server, bucket, lambda: promote(bucket, labels, **WHO)):
        assert verify_ledger(bucket) == [], step
        assert named(object_server, bucket)[1]["stable"] in (1, 2), step
        assert promote(bucket, labels, **WHO).live == "2", step
        assert named(object_server, bucket) == ([2], {"stable": 2, "canary": 2}), step
        assert (_count(bucket, "labelled"), live_version(bucket)) == (["labelled"] * 3, "2"), step
    assert (verify_ledger(bucket), wrong) == ([], [])


def test_end_of_labels_dies(bucket, versions, make_candidate, labels, object_server):
    _two_labelled(bucket, labels, versions, make_candidate)
    promote(bucket, labels, **WHO)
    for step in interrupted(object_server, bucket, lambda: end_labels(bucket, labels, **WHO), at_least=2):
        assert (verify_ledger(bucket), live_version(bucket)) == ([], "2"), step
        end_labels(bucket, labels, **WHO)
        assert (named(object_server, bucket), _count(bucket, "unlabelled")) == (([2], {}), ["unlabelled"]), step
        assert (verify_ledger(bucket), live_version(bucket)) == ([], "2"), step


def test_rollback_by_label_dies(bucket, versions, make_candidate, labels, object_server):
    _two_labelled(bucket, labels, versions, make_candidate)
    promote(bucket, labels, **WHO)
    wrong = watch_configurations(object_server, bucket, [files_of(make_candidate(name)) for name in ("v1", "v2")])
    for step in interrupted(object_server, bucket, lambda: roll_back_labels(bucket, labels, to="1", **WHO), at_least=8):
        assert verify_ledger(bucket) == [], step
        assert named(object_server, bucket)[1]["stable"] in (1, 2), step
        assert roll_back_labels(bucket, labels, to="1", **WHO).live == "1", step
        assert (named(object_server, bucket)[1]["stable"], live_version(bucket)) == (1, "1"), step
    assert (verify_ledger(bucket), wrong) == ([], [])


def test_clean_up_that_dies(bucket, versions, object_server):
    wrong = versions(5)
    rollback(bucket, to="4", **WHO)
    for step in interrupted(object_server, bucket, lambda: keep_last(bucket, 2), at_least=10):
        assert (verify_ledger(bucket), live_version(bucket)) == ([], "4"), step
        assert keep_last(bucket, 2) in ([], [1, 2]), step
        assert {name for name in gcs.list_names(bucket) if name.isdigit()} == {"3", "4", "5"}, step
        assert (_count(bucket, "retired"), verify_ledger(bucket)) == (["retired"], []), step
    assert (verify_ledger(bucket), wrong) == ([], [])


@pytest.fixture
def pending(make_candidate):
    """Returns a function that returns a candidate which a person has to approve."""

    def make(name="new", baseline=""):
        return make_candidate(name, baseline, record={"policy_hash": "sha256:p", "gates": [GATE]})

    return make


def _ask(base, candidate):
    return request_approval(base, candidate, LATE, now=NOW)


def _say(base, kind):
    return answer(base, kind, model="", by="Ada", reason="Reviewed.", now=NOW)


def test_request_that_dies(bucket, versions, pending, object_server):
    wrong, candidate = versions(1), pending(baseline="1")
    for step in interrupted(object_server, bucket, lambda: _ask(bucket, candidate), at_least=5):
        assert (verify_ledger(bucket), live_version(bucket)) == ([], "1"), step
        assert [_ask(bucket, candidate).deadline for _ in range(2)] == [LATE] * 2, step
        assert [request.state for request in list_requests(bucket)] == ["waiting"], step
        assert (len(gcs.list_names(bucket / ".candidates")), verify_ledger(bucket)) == (1, []), step
    assert (verify_ledger(bucket), wrong) == ([], [])


def test_push_of_what_was_approved_dies(bucket, versions, pending, make_candidate, object_server):
    versions(1)
    candidate = pending(baseline="1")
    wrong = watch_configurations(object_server, bucket, [files_of(candidate), files_of(make_candidate("v1"))])
    _ask(bucket, candidate)
    _say(bucket, "approved")
    for step in interrupted(object_server, bucket, lambda: settle_waiting(bucket, now=NOW), at_least=10):
        assert (verify_ledger(bucket), live_version(bucket) in ("1", "2")) == ([], True), step
        settle_waiting(bucket, now=NOW)
        assert (live_version(bucket), [request.state for request in list_requests(bucket)]) == ("2", ["pushed"]), step
        assert (_count(bucket, "pushed"), gcs.list_names(bucket / ".candidates")) == (["pushed"] * 2, []), step
    assert (verify_ledger(bucket), wrong) == ([], [])


def test_approval_is_taken_back_wherever_its_push_has_died(bucket, versions, pending, object_server):
    versions(1)
    _ask(bucket, pending(baseline="1"))
    _say(bucket, "approved")
    for step in interrupted(object_server, bucket, lambda: settle_waiting(bucket, now=NOW), at_least=10):
        if live_version(bucket) == "2":
            continue  # too late to say no
        _say(bucket, "rejected")
        wrong = watch_configurations(object_server, bucket, [])
        assert [settle_waiting(bucket, now=NOW) for _ in range(2)] == [[], []], step
        assert (live_version(bucket), verify_ledger(bucket), wrong) == ("1", [], []), step
        assert {name for name in gcs.list_names(bucket) if name.isdigit()} == {"1"}, step


@pytest.mark.parametrize("how", ["lose", 503])
@pytest.mark.parametrize("what", ["rollback", "clean-up", "approval"])
def test_one_change_that_fails_is_tried_again(bucket, versions, pending, object_server, monkeypatch, how, what):
    monkeypatch.setattr(gcs, "_RETRY_SECONDS", 300)
    monkeypatch.setattr(gcs, "_FIRST_DELAY", 0.001)
    versions(4 if what == "clean-up" else 2)
    if what == "approval":
        _ask(bucket, pending(baseline="2"))
        _say(bucket, "approved")
    act, live, kinds = {
        "rollback": (lambda: rollback(bucket, **WHO), "1", ["rollback_intent", "rolled_back"]),
        "clean-up": (lambda: keep_last(bucket, 2), "4", ["retired"]),
        "approval": (lambda: settle_waiting(bucket, now=NOW), "3", ["pushed"] * 3),
    }[what]
    for step in interrupted(object_server, bucket, act, how=how):
        assert (live_version(bucket), _count(bucket, *kinds), verify_ledger(bucket)) == (live, kinds, []), step
