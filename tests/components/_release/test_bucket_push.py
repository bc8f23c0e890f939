import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from components._release import bucket_push, gcs
from components._release.ledger import read_ledger
from components._release.model_configuration import Configuration, render, replace_configuration
from components._release.push import push
from components._release.releases import list_releases, live_version
from components._release.verify import verify_ledger
from components._shared.errors import UserError


def _kinds(base):
    return [entry.kind for entry in read_ledger(base)]


def _forget(server, base, *names):
    for name in names:
        del server.buckets[base.bucket][f"{base.name}/{name}"]


def _configuration(server, base):
    return server.buckets[base.bucket][f"{base.name}/models.config"].data.decode()


@pytest.fixture
def two_in_bucket(bucket, make_candidate):
    """Returns a bucket with versions 1 and 2."""
    push(bucket, make_candidate("one"))
    push(bucket, make_candidate("two", "1"))
    return bucket


def test_push_makes_version_1_and_names_it(bucket, make_candidate, object_server):
    outcome = push(bucket, make_candidate())
    assert (outcome.pushed, outcome.version, live_version(bucket)) == (True, "1", "1")
    assert _kinds(bucket) == ["push_intent", "pushed"]
    assert "versions: 1\n" in _configuration(object_server, bucket)
    assert verify_ledger(bucket) == []


def test_large_file_is_uploaded_in_a_session(bucket, make_candidate, object_server):
    candidate = make_candidate()
    (candidate.model / "variables/variables.data").write_bytes(b"\1" * (gcs.LARGE + 1))
    digest = bucket_push.digests_of(bucket_push.read_contents(candidate.model, {}))[1]
    push(bucket, make_candidate("again", model=candidate.model, model_digest=digest))
    assert any("uploadType=resumable" in path for _, path in object_server.requests)
    assert verify_ledger(bucket) == []


def test_same_decision_is_carried_out_once(two_in_bucket, make_candidate):
    outcome = push(two_in_bucket, make_candidate("two", "1"))
    assert (outcome.version, "carried out before" in outcome.reason, len(read_ledger(two_in_bucket))) == ("2", True, 4)


def test_stale_decision_uploads_nothing(two_in_bucket, make_candidate, object_server):
    outcome = push(two_in_bucket, make_candidate("three", "1"))
    assert (outcome.pushed, outcome.reason[:15], live_version(two_in_bucket)) == (False, "Stale baseline:", "2")
    assert _kinds(two_in_bucket)[4:] == ["push_intent", "abandoned"]
    assert not any("/3/" in name for name in object_server.buckets[two_in_bucket.bucket])


def test_interrupted_push_goes_on_with_its_claim(bucket, make_candidate, object_server):
    push(bucket, make_candidate())
    _forget(object_server, bucket, "models.config", ".ledger/00000002.json", "1/saved_model.pb")
    kept = object_server.buckets[bucket.bucket][f"{bucket.name}/1/variables/variables.data"]
    assert push(bucket, make_candidate()).version == "1"
    assert object_server.buckets[bucket.bucket][f"{bucket.name}/1/variables/variables.data"] is kept
    assert (_kinds(bucket), verify_ledger(bucket)) == (["push_intent", "pushed"], [])


def test_interrupted_push_that_was_live_is_recorded(two_in_bucket, make_candidate, object_server):
    _forget(object_server, two_in_bucket, ".ledger/00000004.json")
    assert live_version(two_in_bucket) == "2"
    push(two_in_bucket, make_candidate("three", "2"))
    recovered = read_ledger(two_in_bucket)[3]
    assert (recovered.kind, recovered.payload["version"], recovered.payload["recovered"]) == ("pushed", 2, True)


def test_claim_of_another_candidate_becomes_void_with_the_commit(bucket, make_candidate, object_server):
    push(bucket, make_candidate("dead"))
    _forget(object_server, bucket, "models.config", ".ledger/00000002.json")
    assert push(bucket, make_candidate("two")).version == "2"
    assert '"void":[1]' in _configuration(object_server, bucket)
    push(bucket, make_candidate("three", "2"))
    assert [(item.version, item.state) for item in list_releases(bucket)] == [(1, "abandoned"), (2, "pushed"), (3, "pushed")]
    assert (verify_ledger(bucket), gcs.list_objects(bucket / "1")) == ([], [])


def test_object_that_nobody_uploaded_stops_the_push(two_in_bucket, make_candidate, object_server):
    def interfere(bucket, name):
        if name.endswith("/3/saved_model.pb"):
            object_server.put(bucket, f"{two_in_bucket.name}/3/assets/extra", b"x")

    object_server.watch = interfere
    with pytest.raises(UserError, match="3/assets/extra is not what was uploaded"):
        push(two_in_bucket, make_candidate("three", "2"))
    assert (live_version(two_in_bucket), verify_ledger(two_in_bucket)) == ("2", [])
    assert push(two_in_bucket, make_candidate("three", "2")).version == "4"


def test_object_that_was_changed_stops_the_push(bucket, make_candidate, object_server):
    def interfere(bucket, name):
        if name.endswith("/1/saved_model.pb"):
            object_server.put(bucket, name, b"grapf")

    object_server.watch = interfere
    with pytest.raises(UserError, match=r"1/saved_model\.pb is not what was uploaded"):
        push(bucket, make_candidate())
    assert live_version(bucket) == ""


def test_model_that_changed_is_an_error(bucket, make_candidate):
    with pytest.raises(UserError, match="does not change while it is pushed"):
        push(bucket, make_candidate(model_digest="sha256:before"))
    assert read_ledger(bucket) == []


def test_configuration_edited_by_hand_stops_everything(two_in_bucket, make_candidate, object_server):
    edited = _configuration(object_server, two_in_bucket).replace("versions: 2", "versions: 1")
    object_server.put(two_in_bucket.bucket, f"{two_in_bucket.name}/models.config", edited.encode())
    for do in (live_version, lambda base: push(base, make_candidate("three", "2"))):
        with pytest.raises(UserError, match="as a push wrote it"):
            do(two_in_bucket)
    assert "as a push wrote it" in verify_ledger(two_in_bucket)[0]


def test_configuration_that_is_gone_stops_everything(two_in_bucket, make_candidate, object_server):
    _forget(object_server, two_in_bucket, "models.config")
    with pytest.raises(UserError, match="tell of the same live version"):
        push(two_in_bucket, make_candidate("three", "2"))
    assert "that version 2 was pushed" in verify_ledger(two_in_bucket)[0]


def test_configuration_of_an_earlier_push_stops_everything(bucket, make_candidate, object_server):
    push(bucket, make_candidate("one"))
    earlier = _configuration(object_server, bucket).encode()
    push(bucket, make_candidate("two", "1"))
    object_server.put(bucket.bucket, f"{bucket.name}/models.config", earlier)
    with pytest.raises(UserError, match="version 2 was pushed last"):
        live_version(bucket)


@pytest.fixture
def meanwhile(monkeypatch):
    """Returns a function that lets something happen right before a step of the next push."""

    def arrange(step, happen):
        real = getattr(bucket_push, step)

        def late(*arguments):
            monkeypatch.setattr(bucket_push, step, real)
            happen()
            return real(*arguments)

        monkeypatch.setattr(bucket_push, step, late)

    return arrange


def test_commit_gives_way_to_a_faster_one(bucket, make_candidate, meanwhile):
    one, two = make_candidate("one"), make_candidate("two")
    meanwhile("replace_configuration", lambda: push(bucket, two))
    assert push(bucket, one).reason.startswith("Stale baseline:")
    assert [(item.version, item.state, item.live) for item in list_releases(bucket)] == [
        (1, "abandoned", False),
        (2, "pushed", True),
    ]
    assert (verify_ledger(bucket), gcs.list_objects(bucket / "1")) == ([], [])


def test_live_version_is_recorded_before_its_name_is_overwritten(bucket, make_candidate, meanwhile, object_server):
    def push_and_die_before_the_record():
        push(bucket, make_candidate("one"))
        _forget(object_server, bucket, ".ledger/00000002.json")

    meanwhile("push_contents", push_and_die_before_the_record)
    assert push(bucket, make_candidate("two", "1")).version == "2"
    told = [(entry.kind, entry.payload["version"]) for entry in read_ledger(bucket)]
    assert told == [("push_intent", 1), ("push_intent", 2), ("pushed", 1), ("pushed", 2)]
    _forget(object_server, bucket, ".ledger/00000004.json")
    assert (live_version(bucket), verify_ledger(bucket)) == ("2", [])  # by its name, not by the order of entries


def test_same_push_that_was_faster_shares_its_version(bucket, make_candidate, meanwhile):
    meanwhile("replace_configuration", lambda: push(bucket, make_candidate()))
    assert (push(bucket, make_candidate()).version, _kinds(bucket)) == ("1", ["push_intent", "pushed"])


def test_upload_that_others_gave_up_and_removed_ends_as_stale(bucket, make_candidate, meanwhile):
    def push_two_more():
        push(bucket, make_candidate("two"))
        push(bucket, make_candidate("three", "2"))

    meanwhile("upload_version", push_two_more)
    outcome = push(bucket, make_candidate("one"))
    assert (outcome.pushed, outcome.reason[:15]) == (False, "Stale baseline:")
    assert [item.state for item in list_releases(bucket)] == ["abandoned", "pushed", "pushed"]
    assert (verify_ledger(bucket), gcs.list_objects(bucket / "1")) == ([], [])


def test_void_claim_never_goes_live_again(bucket, make_candidate, meanwhile, object_server):
    def void_ours():
        replace_configuration(bucket, Configuration(void=(1,)), 0)

    meanwhile("upload_version", void_ours)
    outcome = push(bucket, make_candidate())
    assert (outcome.version, _kinds(bucket)) == ("2", ["push_intent", "abandoned", "push_intent", "pushed"])
    assert verify_ledger(bucket) == []


def test_void_claim_of_a_dead_push_is_abandoned(bucket, make_candidate, object_server):
    push(bucket, make_candidate("dead"))
    _forget(object_server, bucket, ".ledger/00000002.json")
    object_server.put(bucket.bucket, f"{bucket.name}/models.config", render(bucket, Configuration(void=(1,))))
    assert (push(bucket, make_candidate("dead")).version, _kinds(bucket)[1]) == ("2", "abandoned")


def test_push_that_is_never_the_fastest_is_an_error(bucket, make_candidate, monkeypatch):
    monkeypatch.setattr(bucket_push, "_ATTEMPTS", 3)
    monkeypatch.setattr(bucket_push, "replace_configuration", lambda *arguments: False)
    with pytest.raises(UserError, match="comes to its turn"):
        push(bucket, make_candidate())
    assert live_version(bucket) == ""


CHANGES = {
    "missing": (lambda server, base: [server.buckets[base.bucket].pop(name) for name in _below(server, base, "1")], "missing"),
    "changed": (lambda server, base: server.put(base.bucket, f"{base.name}/1/saved_model.pb", b"x"), "is not what was pushed"),
    "an object more": (lambda server, base: server.put(base.bucket, f"{base.name}/1/assets/x", b""), "is not what was pushed"),
    "a path upwards": (lambda server, base: server.put(base.bucket, f"{base.name}/1/../x", b""), "is not what was pushed"),
    "a file below a file": (
        lambda server, base: server.put(base.bucket, f"{base.name}/1/saved_model.pb/x", b""),
        "is not what was pushed",
    ),
    "a version that nobody claimed": (lambda server, base: server.put(base.bucket, f"{base.name}/9/x", b""), "9 looks like"),
    "an edited entry": (
        lambda server, base: server.put(base.bucket, f"{base.name}/.ledger/00000002.json", b"{}"),
        "Entry 2 is no entry",
    ),
    "a foreign object": (
        lambda server, base: server.put(base.bucket, f"{base.name}/.ledger/note", b""),
        "does not belong in the ledger",
    ),
}


def _below(server, base, version):
    return [name for name in server.buckets[base.bucket] if name.startswith(f"{base.name}/{version}/")]


@pytest.mark.parametrize("case", CHANGES)
def test_verify_finds_a_change(two_in_bucket, object_server, case):
    change, problem = CHANGES[case]
    change(object_server, two_in_bucket)
    assert problem in "\n".join(verify_ledger(two_in_bucket))


@pytest.mark.parametrize(("status", "told"), [(403, "403"), (404, "404"), (401, "credentials")])
def test_bucket_that_refuses_is_an_error(two_in_bucket, make_candidate, object_server, status, told):
    object_server.interrupt = lambda method, path: status if method == "POST" else None
    with pytest.raises(UserError, match=f"can be reached, listed, read and written.*{told}"):
        push(two_in_bucket, make_candidate("three", "2"))
    object_server.interrupt = lambda method, path: None
    assert live_version(two_in_bucket) == "2"


def test_leftovers_that_may_not_be_removed_do_no_harm(bucket, make_candidate, object_server):
    push(bucket, make_candidate("dead"))
    _forget(object_server, bucket, "models.config", ".ledger/00000002.json")
    push(bucket, make_candidate("two"))
    object_server.interrupt = lambda method, path: 403 if method == "DELETE" else None
    assert push(bucket, make_candidate("three", "2")).version == "3"
    assert (gcs.list_objects(bucket / "1") != [], verify_ledger(bucket)) == (True, [])


@pytest.mark.parametrize("pushers", [2, 8])
@pytest.mark.parametrize("live", [False, True])
def test_one_of_many_candidates_wins(bucket, make_candidate, object_server, pushers, live):
    if live:
        push(bucket, make_candidate("live"))
    candidates = [make_candidate(f"candidate-{number}", "1" if live else "") for number in range(pushers)]
    named = []
    object_server.watch = lambda _, name: name.endswith("models.config") and named.append(_configuration(object_server, bucket))
    with ThreadPoolExecutor(pushers) as pool:
        outcomes = list(pool.map(lambda candidate: push(bucket, candidate), candidates))
    assert sorted(outcome.pushed for outcome in outcomes) == [False] * (pushers - 1) + [True]
    assert all("Stale baseline" in outcome.reason for outcome in outcomes if not outcome.pushed)
    assert sorted(item.state for item in list_releases(bucket)) == ["abandoned"] * (pushers - 1) + ["pushed"] * (1 + live)
    assert len({match for text in named for match in re.findall(r"versions: (\d+)", text)} - {"1"} if live else {1}) == 1
    push(bucket, candidates[0])  # removes what the losers uploaded
    assert verify_ledger(bucket) == []
    assert {name.split("/")[2] for name in object_server.buckets[bucket.bucket]} == {
        ".ledger",
        "models.config",
        *(str(item.version) for item in list_releases(bucket) if item.state == "pushed"),
    }


@pytest.mark.parametrize("pushers", [2, 8])
def test_one_candidate_pushed_at_once_becomes_one_version(bucket, make_candidate, pushers):
    candidate = make_candidate()
    with ThreadPoolExecutor(pushers) as pool:
        outcomes = list(pool.map(lambda _: push(bucket, candidate), range(pushers)))
    assert {(outcome.pushed, outcome.version) for outcome in outcomes} == {(True, "1")}
    assert (_kinds(bucket), verify_ledger(bucket)) == (["push_intent", "pushed"], [])
