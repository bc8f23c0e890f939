import json
import shutil

import pytest

from components._release.ledger import append_entry, read_ledger
from components._release.push import push
from components._release.releases import list_releases, live_release, live_version, untrusted_versions
from components._release.verify import verify_ledger
from components._shared.errors import UserError


def _forget_last_entry(base):
    max((base / ".ledger").glob("*.json")).unlink()


def test_nothing_is_live_in_a_missing_directory(base):
    assert (list_releases(base), live_version(base), verify_ledger(base)) == ([], "", [])


def test_last_pushed_version_is_live(two_versions):
    assert [(release.version, release.state, release.live) for release in list_releases(two_versions)] == [
        (1, "pushed", False),
        (2, "pushed", True),
    ]
    assert (live_version(two_versions), verify_ledger(two_versions)) == ("2", [])


def test_release_tells_what_stands_behind_it(two_versions):
    release = live_release(two_versions)
    assert (release.data_version, release.metrics, release.reason) == ("sha256:data", {"auc": 0.75}, "All gates passed.")
    assert (release.baseline_version, release.decision_digest) == ("1", "sha256:two")


def test_intent_alone_is_not_live(two_versions):
    _forget_last_entry(two_versions)
    shutil.rmtree(two_versions / "2")
    assert [release.state for release in list_releases(two_versions)] == ["pushed", "intended"]
    assert (live_version(two_versions), verify_ledger(two_versions)) == ("1", [])


def test_intent_whose_version_is_in_place_is_live(two_versions):
    _forget_last_entry(two_versions)
    assert (live_version(two_versions), list_releases(two_versions)[1].settled_at) == ("2", "")
    assert verify_ledger(two_versions) == []


def test_intent_whose_version_is_incomplete_is_not_live(two_versions):
    _forget_last_entry(two_versions)
    (two_versions / "2/saved_model.pb").unlink()
    assert live_version(two_versions) == "1"
    assert "2 looks like a version" in verify_ledger(two_versions)[0]


@pytest.mark.parametrize("name", ["7", "007", "+7", "-1"])
def test_folder_that_nobody_pushed_is_never_live(two_versions, name):
    (two_versions / name).mkdir()
    assert live_version(two_versions) == "2"
    assert untrusted_versions(two_versions, list_releases(two_versions)) == [name]
    assert f"{name} looks like a version" in verify_ledger(two_versions)[0]


def test_other_names_are_no_versions(two_versions):
    for name in ("7.partial", ".staging-7-x", "v7", str(2**63)):
        (two_versions / name).mkdir()
    assert untrusted_versions(two_versions, list_releases(two_versions)) == []


CHANGES = {
    "missing": (lambda base: shutil.rmtree(base / "1"), "Version 1 was pushed, and its folder is missing"),
    "changed": (lambda base: (base / "1/saved_model.pb").write_text("x"), "Version 1 is not what was pushed"),
    "changed statistics": (
        lambda base: (base / "1/assets.extra/sluice/statistics/Split-train/FeatureStats.pb").write_text("x"),
        "Version 1 is not what was pushed",
    ),
    "a file more": (lambda base: (base / "1/assets").write_text("x"), "Version 1 is not what was pushed"),
    "a file less": (lambda base: (base / "2/variables/variables.data").unlink(), "Version 2 is not what was pushed"),
    "swapped": (
        lambda base: [(base / a).rename(base / b) for a, b in (("1", "x"), ("2", "1"), ("x", "2"))],
        "Version 1 is not what was pushed",
    ),
    "foreign file": (lambda base: (base / ".ledger/00000005.json.bak").touch(), "does not belong in the ledger's folder"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_verify_finds_a_change(two_versions, case):
    change, problem = CHANGES[case]
    change(two_versions)
    assert problem in "\n".join(verify_ledger(two_versions))


def test_verify_finds_truncation_only_with_a_head(two_versions):
    head = read_ledger(two_versions)[-1].hash
    assert verify_ledger(two_versions, head) == []
    for _ in range(2):
        _forget_last_entry(two_versions)
    shutil.rmtree(two_versions / "2")
    assert verify_ledger(two_versions) == []
    assert "cut off or written anew" in verify_ledger(two_versions, head)[0]


def test_verify_accepts_a_head_that_is_not_the_last_any_more(two_versions, make_candidate):
    head = read_ledger(two_versions)[-1].hash
    push(two_versions, make_candidate("three", "2"))
    assert verify_ledger(two_versions, head) == []


def _payload(entries, sequence, **changes):
    return {**entries[sequence - 1].payload, **changes}


HISTORIES = {
    "unknown kind": ("forgotten", lambda entries: {"version": 1}, "kind that this program does not know"),
    "claim without a digest": ("push_intent", lambda entries: {"version": 3}, "does not say 'model_digest'"),
    "version as a list": ("push_intent", lambda entries: _payload(entries, 1, version=[1]), "does not say 'version'"),
    "number claimed again": ("push_intent", lambda entries: _payload(entries, 1), "claims version 1, which entry 1 claimed"),
    "push without a claim": ("pushed", lambda entries: _payload(entries, 1, version=9), "which nobody claimed"),
    "settled twice": ("abandoned", lambda entries: _payload(entries, 1), "a second time"),
}


@pytest.mark.parametrize("case", HISTORIES)
def test_history_that_makes_no_sense_is_not_trusted(two_versions, case):
    kind, make_payload, problem = HISTORIES[case]
    append_entry(two_versions, kind, make_payload)
    assert problem in verify_ledger(two_versions)[0]
    with pytest.raises(UserError, match="that this program knows"):
        live_version(two_versions)


def test_outcome_of_another_model_is_not_trusted(two_versions):
    _forget_last_entry(two_versions)
    append_entry(two_versions, "pushed", lambda entries: _payload(entries, 3, pushed_digest="sha256:other"))
    assert "about something else than the claim in entry 3" in verify_ledger(two_versions)[0]


def test_edit_of_the_last_entry_shows_in_its_version(two_versions):
    path = max((two_versions / ".ledger").glob("*.json"))
    fields = json.loads(path.read_text())
    fields["payload"]["pushed_digest"] = "sha256:other"
    path.write_text(json.dumps(fields))
    assert verify_ledger(two_versions) != []


@pytest.mark.parametrize("field", ["reason", "data_version", "metrics"])
def test_edit_of_what_the_last_entry_tells_shows_against_its_claim(two_versions, field):
    path = max((two_versions / ".ledger").glob("*.json"))
    fields = json.loads(path.read_text())
    fields["payload"][field] = "nicer"
    path.write_text(json.dumps(fields))
    assert "about something else than the claim in entry 3" in verify_ledger(two_versions)[0]
