import os

import pytest

from components._release.keeping import keep_last
from components._release.ledger import append_entry, read_ledger
from components._release.push import push
from components._release.releases import list_releases, live_version, untrusted_versions
from components._release.rollback import rollback, withdraw
from components._release.verify import verify_ledger
from components._shared.errors import UserError

WHO = {"by": "Ada", "reason": "Too many false alarms."}


@pytest.fixture
def five_versions(base, make_candidate):
    for number in range(5):
        push(base, make_candidate(str(number), str(number or "")))
    return base


def _names(base):
    assert verify_ledger(base) == []
    return sorted(path.name for path in base.iterdir() if path.name not in (".lock", ".ledger"))


@pytest.mark.parametrize(("keep", "left"), [(0, "12345"), (1, "45"), (2, "45"), (3, "345"), (5, "12345"), (9, "12345")])
def test_last_versions_stay(five_versions, keep, left):
    keep_last(five_versions, keep)
    assert _names(five_versions) == list(left)
    assert live_version(five_versions) == "5"


def test_what_goes_is_recorded(five_versions):
    assert keep_last(five_versions, 3) == [1, 2]
    entry = read_ledger(five_versions)[-1]
    assert (entry.kind, entry.payload) == ("retired", {"versions": [1, 2], "keep": 3})
    release = list_releases(five_versions)[0]
    assert (release.state, release.reason, release.live) == ("retired", "Only 3 versions are kept.", False)
    assert keep_last(five_versions, 3) == []


def test_withdrawn_versions_go_when_they_are_older_than_what_stays(five_versions):
    withdraw(five_versions, version="1", **WHO)
    rollback(five_versions, **WHO)
    keep_last(five_versions, 2)
    assert _names(five_versions) == [".withdrawn-5", "3", "4"]


def test_retired_version_cannot_return(five_versions):
    withdraw(five_versions, version="1", **WHO)
    keep_last(five_versions, 2)
    with pytest.raises(UserError, match="1, which was retired"):
        rollback(five_versions, to="1", **WHO)


def test_retired_model_is_pushed_by_a_new_decision_only(five_versions, make_candidate, tmp_path):
    keep_last(five_versions, 2)
    candidate = make_candidate("again", "5", model_digest=list_releases(five_versions)[0].model_digest)
    assert "Stale" not in push(five_versions, make_candidate("x", "5", decision_digest="sha256:0")).reason
    models = tmp_path / "models"
    (models / "again/variables/variables.data").write_text("0")
    assert push(five_versions, candidate).reason.startswith("Stale baseline")  # x is live by now
    old = {"decision_digest": "sha256:0", "model_digest": candidate.model_digest}
    assert "was version 1 and is retired" in push(five_versions, make_candidate("old", "6", **old)).reason


def test_withdrawal_by_a_person_outlives_the_version(five_versions, make_candidate):
    digest = list_releases(five_versions)[0].model_digest
    withdraw(five_versions, version="1", **WHO)
    keep_last(five_versions, 2)
    assert "was version 1 and is retired" in push(five_versions, make_candidate("new", "5", model_digest=digest)).reason


def test_next_push_removes_what_an_interrupted_one_has_left(five_versions, make_candidate):
    append_entry(five_versions, "retired", lambda _: {"versions": [1, 2], "keep": 3})
    (five_versions / "1").rename(five_versions / ".retired-1")
    assert (verify_ledger(five_versions), untrusted_versions(five_versions, list_releases(five_versions))) == ([], [])
    push(five_versions, make_candidate("next", "5"))
    assert _names(five_versions) == ["3", "4", "5", "6"]


def test_folder_that_somebody_made_meanwhile_is_not_removed(five_versions, make_candidate):
    keep_last(five_versions, 2)
    (five_versions / "1").mkdir()
    push(five_versions, make_candidate("next", "5"))
    assert (five_versions / "1").is_dir()
    assert "1 looks like a version" in verify_ledger(five_versions)[0]


def test_version_leaves_whole_before_it_is_removed(five_versions, monkeypatch):
    seen, rename = [], os.rename
    monkeypatch.setattr(os, "rename", lambda *paths: (rename(*paths), seen.append([path.name for path in paths])))
    keep_last(five_versions, 3)
    assert seen == [["1", ".retired-1"], ["2", ".retired-2"]]


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ({"versions": [5], "keep": 2}, "retires version 5, which is live or not there"),
        ({"versions": [9], "keep": 2}, "retires version 9, which is live or not there"),
        ({"versions": [], "keep": 2}, "does not say which versions"),
        ({"versions": "1", "keep": 2}, "does not say which versions"),
    ],
)
def test_history_that_retires_the_wrong_version_is_not_trusted(five_versions, payload, problem):
    append_entry(five_versions, "retired", lambda _: payload)
    assert problem in verify_ledger(five_versions)[0]
    assert (five_versions / "5").is_dir()
