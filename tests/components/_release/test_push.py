import errno
import os
import threading

import pytest

from components._release import push as push_module
from components._release.ledger import read_ledger
from components._release.lock import hold_lock
from components._release.push import push
from components._release.releases import live_version
from components._release.verify import verify_ledger
from components._shared.errors import UserError


def _kinds(base):
    return [entry.kind for entry in read_ledger(base)]


def test_push_makes_version_1(base, make_candidate):
    outcome = push(base, make_candidate())
    assert (outcome.pushed, outcome.version, live_version(base), _kinds(base)) == (True, "1", "1", ["push_intent", "pushed"])


def test_number_is_above_every_folder_and_claim(two_versions, make_candidate):
    (two_versions / "0041").mkdir()
    assert push(two_versions, make_candidate("three", "2")).version == "42"


def test_number_of_an_abandoned_claim_is_not_used_again(two_versions, make_candidate):
    assert not push(two_versions, make_candidate("stale", "1")).pushed
    assert push(two_versions, make_candidate("three", "2")).version == "4"


def test_numbers_end_where_servers_cannot_read_them(base, make_candidate):
    (base / str(2**63 - 1)).mkdir(parents=True)
    with pytest.raises(UserError, match="64 bits"):
        push(base, make_candidate())


def test_version_that_appears_meanwhile_is_not_overwritten(base, make_candidate, monkeypatch):
    def claim_and_interfere(*arguments):
        intent = push_module_claim(*arguments)
        (base / "1").mkdir()
        return intent

    push_module_claim = push_module._claim
    monkeypatch.setattr(push_module, "_claim", claim_and_interfere)
    with pytest.raises(UserError, match="never overwritten"):
        push(base, make_candidate())
    assert list((base / "1").iterdir()) == []


def test_model_that_changes_while_it_is_pushed_is_an_error(base, make_candidate):
    with pytest.raises(UserError, match="does not change while it is pushed"):
        push(base, make_candidate(model_digest="sha256:before"))
    assert [path.name for path in base.iterdir()] == [".lock"]


def test_model_with_a_linked_folder_is_an_error(base, make_candidate, tmp_path):
    candidate = make_candidate()
    (candidate.model / "assets").symlink_to(tmp_path)
    with pytest.raises(UserError, match="plain files and folders"):
        push(base, candidate)


def test_stale_staging_folders_and_temporary_entries_are_removed(two_versions, make_candidate):
    (two_versions / ".staging-3-0123abcd/variables").mkdir(parents=True)
    (two_versions / ".ledger/.00000005-0123456789abcdef.tmp").touch()
    push(two_versions, make_candidate("three", "2"))
    assert sorted(path.name for path in two_versions.iterdir()) == [".ledger", ".lock", "1", "2", "3"]
    assert all(path.suffix == ".json" for path in (two_versions / ".ledger").iterdir())


def test_interrupted_push_in_place_is_recorded(two_versions, make_candidate):
    max((two_versions / ".ledger").glob("*.json")).unlink()
    push(two_versions, make_candidate("three", "2"))
    recovered = read_ledger(two_versions)[3]
    assert (recovered.kind, recovered.payload["version"], recovered.payload["recovered"]) == ("pushed", 2, True)


def test_interrupted_push_with_another_digest_is_abandoned(two_versions, make_candidate):
    max((two_versions / ".ledger").glob("*.json")).unlink()
    (two_versions / "2/saved_model.pb").write_text("half a gr")
    outcome = push(two_versions, make_candidate("three", "1"))
    assert (outcome.version, _kinds(two_versions)[3:]) == ("3", ["abandoned", "push_intent", "pushed"])


def test_broken_ledger_stops_the_push(two_versions, make_candidate):
    (two_versions / ".ledger/00000002.json").unlink()
    with pytest.raises(UserError, match="Entry 2 is missing"):
        push(two_versions, make_candidate("three", "2"))
    assert not (two_versions / "3").exists()


def test_push_waits_for_another_one(base, make_candidate):
    base.mkdir()
    waiting = threading.Thread(target=push, args=(base, make_candidate()))
    with hold_lock(base):
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        assert not (base / ".ledger").exists()
    waiting.join(200)
    assert live_version(base) == "1"


def test_push_that_waits_too_long_is_an_error(base, make_candidate):
    base.mkdir()
    with hold_lock(base), pytest.raises(UserError, match=r"within 0\.1 seconds"):
        push(base, make_candidate(), lock_seconds=0.1)
    assert live_version(base) == ""


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_directory_that_cannot_be_written_leaves_the_live_version(two_versions, make_candidate, monkeypatch, code):
    def write(descriptor, data):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(UserError, match="The live version is untouched"):
            push(two_versions, make_candidate("three", "2"))
    assert (live_version(two_versions), verify_ledger(two_versions)) == ("2", [])
    assert not list(two_versions.glob(".staging-*"))


def test_short_writes_are_completed(base, make_candidate, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    push(base, make_candidate())
    assert verify_ledger(base) == []


def test_failing_disk_is_no_error_of_the_user(base, make_candidate, monkeypatch):
    def fsync(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error"):
        push(base, make_candidate())
    assert not (base / "1").exists()


@pytest.fixture
def calls(monkeypatch):
    """Returns the calls that matter for a power cut, in their order: what is synced, linked and renamed."""
    seen, open_file, fsync, link, rename = [], os.open, os.fsync, os.link, os.rename
    names = {}

    def remember(path, *arguments, **options):
        descriptor = open_file(path, *arguments, **options)
        names[descriptor] = str(path)
        return descriptor

    monkeypatch.setattr(os, "open", remember)
    monkeypatch.setattr(os, "fsync", lambda descriptor: (fsync(descriptor), seen.append(("sync", names[descriptor]))))
    monkeypatch.setattr(os, "link", lambda *paths: (link(*paths), seen.append(("link", *map(str, paths)))))
    monkeypatch.setattr(os, "rename", lambda *paths: (rename(*paths), seen.append(("rename", *map(str, paths)))))
    return seen


def test_everything_is_durable_before_the_commit(base, make_candidate, calls):
    push(base, make_candidate())
    commit = next(position for position, call in enumerate(calls) if call[0] == "rename")
    synced = {call[1] for call in calls[:commit] if call[0] == "sync"}
    staging = calls[commit][1]
    paths = [str(path) for path in (base / "1").rglob("*")]
    assert {staging, *(path.replace(str(base / "1"), staging) for path in paths)} <= synced
    assert {str(base.parent), str(base), str(base / ".ledger")} <= synced


def test_commit_is_durable_before_it_is_recorded(base, make_candidate, calls):
    push(base, make_candidate())
    commit = next(position for position, call in enumerate(calls) if call[0] == "rename")
    record = next(position for position, call in enumerate(calls) if call[-1].endswith("00000002.json"))
    assert ("sync", str(base)) in calls[commit:record]


def test_entries_are_durable_before_and_after_they_are_published(base, make_candidate, calls):
    push(base, make_candidate())
    links = [position for position, call in enumerate(calls) if call[0] == "link"]
    assert len(links) == 2
    for position in links:
        assert calls[position - 1] == ("sync", calls[position][1])
        assert calls[position + 1] == ("sync", str(base / ".ledger"))


def test_model_that_is_live_is_not_pushed_again_by_another_decision(two_versions, make_candidate):
    before = read_ledger(two_versions)
    outcome = push(two_versions, make_candidate("two", "2", decision_digest="sha256:other"))
    assert (outcome.pushed, outcome.unchanged, outcome.version) == (True, True, "2")
    assert "is live already, as version 2" in outcome.reason
    assert read_ledger(two_versions) == before


def test_model_that_was_live_before_the_live_one_is_pushed_again(two_versions, make_candidate):
    outcome = push(two_versions, make_candidate("one", "2", decision_digest="sha256:other"))
    assert (outcome.pushed, outcome.version) == (True, "3")
