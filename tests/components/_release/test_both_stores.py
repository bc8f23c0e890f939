"""What holds of a serving directory wherever it lies: in a folder, or in a bucket."""

import pytest

from components._release.base import BucketPath
from components._release.ledger import append_entry, foreign_files, read_chain, read_ledger
from components._release.push import push
from components._release.releases import list_releases, live_release, live_version, untrusted_versions
from components._release.rollback import rollback, undo, withdraw
from components._release.verify import verify_ledger
from components._shared.errors import UserError


@pytest.fixture(params=["folder", "bucket"])
def anywhere(request, tmp_path):
    """Returns the base path of a model in a folder, and then in a bucket."""
    return tmp_path / "serving" if request.param == "folder" else request.getfixturevalue("bucket")


@pytest.fixture
def write(request):
    """Returns a function that writes a file or object as somebody else would."""

    def write_anywhere(path, data):
        if isinstance(path, BucketPath):
            request.getfixturevalue("object_server").put(path.bucket, path.name, data)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    return write_anywhere


@pytest.fixture
def two(anywhere, make_candidate):
    """Returns a serving directory with versions 1 and 2."""
    push(anywhere, make_candidate("one"))
    push(anywhere, make_candidate("two", "1"))
    return anywhere


def test_nothing_is_live_where_nothing_was_pushed(anywhere):
    assert (read_ledger(anywhere), list_releases(anywhere), live_version(anywhere), verify_ledger(anywhere)) == ([], [], "", [])


def test_entries_come_back_in_order(anywhere):
    entries = [append_entry(anywhere, "noted", lambda before: {"before": len(before), "wind": "süd"}) for _ in range(12)]
    assert read_ledger(anywhere) == entries
    assert [entry.payload["before"] for entry in entries] == list(range(12))


def test_append_gives_way_to_a_faster_process(anywhere):
    seen = []

    def make_payload(before):
        seen.append(len(before))
        if len(seen) == 1:
            append_entry(anywhere, "noted", lambda _: {"faster": True})
        return {"slower": True}

    assert append_entry(anywhere, "noted", make_payload).sequence == 2
    assert (seen, read_ledger(anywhere)[0].payload) == ([0, 1], {"faster": True})


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("00000002.json", b"{}", "Entry 2 is no entry"),
        ("00000002.json", b"", "Entry 2 is no entry"),
        ("00000009.json", b"{}", "Entries 5 to 8 are missing"),
    ],
)
def test_tampering_is_found(two, write, name, data, problem):
    write(two / ".ledger" / name, data)
    assert problem in "\n".join(read_chain(two)[1])
    for do in (read_ledger, lambda base: append_entry(base, "noted", lambda _: {})):
        with pytest.raises(UserError, match="is whole"):
            do(two)


def test_foreign_names_in_the_ledger_are_found(two, write):
    write(two / ".ledger/note.txt", b"")
    assert foreign_files(two) == ["note.txt"]


def test_same_pushes_leave_the_same_history(two, make_candidate):
    assert not push(two, make_candidate("stale", "1")).pushed
    assert push(two, make_candidate("three", "2")).version == "4"
    assert push(two, make_candidate("three", "2")).version == "4"
    kinds = [(entry.kind, entry.payload["version"]) for entry in read_ledger(two)]
    assert kinds[4:] == [("push_intent", 3), ("abandoned", 3), ("push_intent", 4), ("pushed", 4)]
    assert (live_version(two), verify_ledger(two)) == ("4", [])


def test_same_rollback_leaves_the_same_history(two):
    change = rollback(two, by="Ada", reason="Too slow.")
    assert (change.before, change.live, change.withdrawn, live_version(two)) == ("2", "1", (2,), "1")
    told = {"from": "2", "to": "1", "withdraws": [2], "restores": [], "by": "Ada", "reason": "Too slow.", "automatic": False}
    assert [(entry.kind, entry.payload) for entry in read_ledger(two)[4:]] == [
        ("rollback_intent", told),
        ("rolled_back", {**told, "intent": 5}),
    ]
    assert rollback(two, to="2", by="Ada", reason="It was the data.").restored == (2,)
    assert (live_version(two), verify_ledger(two)) == ("2", [])


def test_return_that_is_taken_back_leaves_who_withdrew_the_version(two):
    withdraw(two, version="2", by="Ada", reason="Too slow.")
    undo(two, rollback(two, to="2", by="Bob", reason="I want it back."), by="Bob", reason="Taken back: it does not load.")
    assert (live_version(two), list_releases(two)[1].withdrawn_by, verify_ledger(two)) == ("1", "Ada", [])
    rollback(two, to="2", by="Bob", reason="It loads now.")
    withdraw(two, version="2", by="push_model", reason="It failed.", automatic=True)
    assert list_releases(two)[1].withdrawn_by == ""


def test_same_model_has_the_same_digests(two, make_candidate, tmp_path):
    push(tmp_path / "other", make_candidate("one"))
    first, other = list_releases(two)[0], live_release(tmp_path / "other")
    assert (first.pushed_digest, first.model_digest) == (other.pushed_digest, other.model_digest)


def test_baseline_is_known_by_its_digest_too(two, make_candidate):
    assert (
        "not the one that the decision compared with" in push(two, make_candidate("a", "2", baseline_digest="sha256:x")).reason
    )
    assert push(two, make_candidate("b", "2", baseline_digest=live_release(two).pushed_digest)).pushed


def test_number_is_above_every_name_and_claim(two, make_candidate, write):
    write(two / "0041/x", b"")
    assert push(two, make_candidate("three", "2")).version == "42"
    assert untrusted_versions(two, list_releases(two)) == ["0041"]


@pytest.mark.parametrize("name", ["saved_model.pb", "assets.extra/sluice/decision.json", "assets/more"])
def test_verify_finds_a_change(two, write, name):
    write(two / "1" / name, b"changed")
    assert verify_ledger(two) == ["Version 1 is not what was pushed: its folder has another digest."]


def test_verify_knows_a_head(two):
    head = read_ledger(two)[-1].hash
    assert (verify_ledger(two, head), verify_ledger(two, "sha256:x")[0][:13]) == ([], "No entry has ")


def test_model_with_a_linked_folder_is_an_error(anywhere, make_candidate, tmp_path):
    candidate = make_candidate()
    (candidate.model / "assets").symlink_to(tmp_path)
    with pytest.raises(UserError, match="plain files and folders"):
        push(anywhere, candidate)


def test_release_folder_of_a_model_as_trained_is_left_out(anywhere, make_candidate):
    candidate = make_candidate()
    (candidate.model / "assets.extra/sluice").mkdir(parents=True)
    (candidate.model / "assets.extra/sluice/decision.json").write_text("forged")
    push(anywhere, candidate)
    assert verify_ledger(anywhere) == []
