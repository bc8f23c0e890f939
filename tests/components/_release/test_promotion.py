"""Labels beside a server that has every version as soon as it is told to; tests/components/push_model has a real one."""

import pytest

from components._release import promotion, server_waits
from components._release.labels import Labels, drop_labels
from components._release.ledger import append_entry, read_ledger
from components._release.model_config import make_configuration, read_labels, replace_configuration, with_labels
from components._release.promotion import end_labels, promote, roll_back_labels, settle_labels, verify_canary
from components._release.push import push
from components._release.releases import list_releases, live_version
from components._release.rollback import rollback, withdraw
from components._release.server_client import Server
from components._release.verify import verify_ledger
from components._shared.errors import UserError

WHO = {"by": "Ada", "reason": "Too slow."}


@pytest.fixture
def labels(base, two_versions, make_candidate, tmp_path, monkeypatch):
    """Returns labels of three versions, of which the third is stable and the canary."""
    for name in ("wait_available", "wait_label"):
        monkeypatch.setattr(server_waits, name, lambda *arguments: "")
    monkeypatch.setattr(promotion, "check_all_reachable", lambda servers: None)
    monkeypatch.setattr(promotion, "verify_version", lambda *arguments: "")
    push(base, make_candidate("three", "2"))
    for label in ("stable", "canary"):
        _append(base, label=label, version=3, previous="")
    file = tmp_path / "models.config"
    replace_configuration(file, make_configuration("m", base))
    replace_configuration(file, with_labels(file, "m", [3], {"stable": 3, "canary": 3}))
    return Labels(config_file=file, servers=(Server(url="http://none", model_name="m"),))


def _append(base, **told):
    append_entry(base, "labelled", lambda _: {**WHO, **told})


def _seen(base, labels):
    assert verify_ledger(base) == []
    return live_version(base), read_labels(labels.config_file, "m"), [item.state for item in list_releases(base)]


GONE = ("2", ({2}, {"stable": 2, "canary": 2}), ["pushed", "pushed", "withdrawn"])


def test_retry_of_an_interrupted_rollback_is_its_completion(base, labels):
    _append(base, label="stable", version=2, previous="3", withdraws=[3])
    change = roll_back_labels(base, labels, **WHO)
    assert (change.before, change.live, change.withdrawn) == ("3", "2", (3,))
    assert _seen(base, labels) == GONE


@pytest.mark.parametrize("command", [settle_labels, verify_canary])
def test_interrupted_rollback_is_completed_by_what_comes_next(base, labels, command):
    _append(base, label="stable", version=2, previous="3", withdraws=[3])
    command(base, labels)
    entries = read_ledger(base)
    assert _seen(base, labels) == GONE
    command(base, labels)
    assert read_ledger(base) == entries


def test_promotion_that_died_before_the_servers_knew_is_completed(base, labels, make_candidate):
    push(base, make_candidate("four", "3"))
    _append(base, label="canary", version=4, previous="3")
    _append(base, label="stable", version=4, previous="3")
    settle_labels(base, labels)
    assert _seen(base, labels) == ("4", ({4}, {"stable": 4, "canary": 4}), ["pushed"] * 4)


def test_promotion_takes_nothing_away(base, labels, make_candidate):
    push(base, make_candidate("four", "3"))
    _append(base, label="canary", version=4, previous="3")
    promote(base, labels, **WHO)
    settle_labels(base, labels)
    assert _seen(base, labels) == ("4", ({4}, {"stable": 4, "canary": 4}), ["pushed"] * 4)


def test_version_that_returns_and_does_not_serve_leaves_again(base, labels, monkeypatch):
    roll_back_labels(base, labels, **WHO)
    monkeypatch.setattr(promotion, "verify_version", lambda *arguments: "It does not load.")
    with pytest.raises(UserError, match=r"It does not load.*Version 2 is live as before"):
        roll_back_labels(base, labels, to="3", by="Bob", reason="It was the data.")
    assert _seen(base, labels) == GONE
    assert list_releases(base)[2].withdrawn_by == "Ada"


def test_version_that_returned_is_no_new_canary(base, labels, make_candidate):
    push(base, make_candidate("four", "3", record={"server": "http://none"}))
    withdraw(base, version="4", **WHO)
    rollback(base, to="4", **WHO)
    assert verify_canary(base, labels) == ("", "")
    assert read_labels(labels.config_file, "m") == ({3}, {"stable": 3, "canary": 3})


def test_canary_that_was_verified_stays_where_a_server_does_not_follow(base, labels, make_candidate, monkeypatch):
    def verify(base, version, *rest):
        append_entry(base, "verified", lambda _: {"version": version})
        return ""

    push(base, make_candidate("four", "3", record={"server": "http://none"}))
    monkeypatch.setattr(promotion, "verify_version", verify)
    with monkeypatch.context() as patch:
        patch.setattr(server_waits, "wait_label", lambda *arguments: "It answers with version 3.")
        with pytest.raises(UserError, match=r"It answers with version 3\. Nothing was withdrawn"):
            verify_canary(base, labels)
    assert verify_canary(base, labels) == ("", "")
    assert _seen(base, labels) == ("3", ({3, 4}, {"stable": 3, "canary": 4}), ["pushed"] * 4)


@pytest.mark.parametrize("withdraws", [[9], [2], ["3"], 3, [True]])
def test_label_that_takes_away_what_it_cannot_is_not_trusted(base, labels, withdraws):
    _append(base, label="stable", version=2, previous="3", withdraws=withdraws)
    assert "takes versions away that are not in place" in verify_ledger(base)[0]


def test_labels_end_and_the_stable_version_stays_live(base, labels, make_candidate):
    change = end_labels(base, labels, **WHO)
    assert (change.entry.kind, change.entry.payload["labels"], change.live) == ("unlabelled", {"canary": 3, "stable": 3}, "3")
    assert _seen(base, labels) == ("3", (set(), {}), ["pushed"] * 3)
    assert "model_version_policy" not in labels.config_file.read_text()
    assert end_labels(base, labels, **WHO).entry is None
    push(base, make_candidate("four", "3"))
    assert _seen(base, labels)[0] == "4"


def test_labels_do_not_end_while_another_version_is_the_highest(base, labels, make_candidate):
    push(base, make_candidate("four", "3"))
    with pytest.raises(UserError, match="version 3 is stable, and version 4 the highest"):
        end_labels(base, labels, **WHO)
    assert _seen(base, labels)[:2] == ("3", ({3}, {"stable": 3, "canary": 3}))


def test_labels_that_servers_let_go_of_and_the_ledger_has_come_back(base, labels):
    drop_labels(base, labels)
    assert read_labels(labels.config_file, "m") == (set(), {})
    settle_labels(base, labels)
    assert _seen(base, labels)[1] == ({3}, {"stable": 3, "canary": 3})


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ({}, "does not say 'labels'"),
        ({"labels": {"stable": 3}}, "says something else of the labels"),
        ({"labels": {"stable": 2, "canary": 4}}, "and version 4 would be live"),
    ],
)
def test_end_of_labels_that_makes_no_sense_is_not_trusted(base, labels, make_candidate, told, problem):
    push(base, make_candidate("four", "3"))
    _append(base, label="stable", version=2, previous="3")
    _append(base, label="canary", version=4, previous="3")
    append_entry(base, "unlabelled", lambda _: {**WHO, **told})
    assert problem in verify_ledger(base)[0]
