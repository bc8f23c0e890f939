"""The commands that change what is released, where it lies in a bucket."""

import datetime

import pytest
from interrupted_requests import named
from typer.testing import CliRunner

from components._release.ledger import append_entry, read_ledger
from components._release.precedence import explain_precedence
from components._release.push import Candidate, push
from components._release.releases import list_releases, live_version
from components._release.verify import verify_ledger
from components._release.waiting import request_approval
from components._shared.digest import digest_model
from pipelines.__main__ import app

GATE = {"stage": "decide_release", "gate": "approval", "verdict": "pending", "reason": "A person has to agree."}


@pytest.fixture
def sluice(request, project_dir, make_bucket, object_server):
    """Returns a function that runs a command on a project with a bucket, or a folder, and returns what it prints."""

    def run(command, *arguments, version="", code=0):
        done = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(
            app, [command, f"{project_dir}{version}", *map(str, arguments)]
        )
        assert done.exit_code == code, (done.output, done.exception)
        return done.output

    run.base = project_dir / "served/parcels" if hasattr(request, "param") else make_bucket("models/parcels")
    file = project_dir / "project.yaml"
    file.write_text(file.read_text().replace("directory: served/parcels", f"directory: {run.base}\n  keep_versions: 2"))
    return run


@pytest.fixture
def make(tmp_path):
    """Returns a function that returns a small approved model."""

    def candidate(name, baseline="", **record):
        model = tmp_path / name
        model.mkdir()
        (model / "saved_model.pb").write_text(name)
        fields = {"decision_digest": f"sha256:{name}", "baseline_version": baseline, "baseline_digest": "", "attachments": {}}
        record = {"reason": "No gate says no.", "policy_hash": "sha256:p", **record}
        return Candidate(model=model, model_digest=digest_model(model), record=record, **fields)

    return candidate


@pytest.fixture
def waiting(sluice, make):
    """Returns the digest of a candidate that waits beside three versions, without its prefix."""
    for number in (1, 2, 3):
        push(sluice.base, make(f"v{number}", str(number - 1 or "")))
    candidate, now = make("v4", "3", gates=[GATE]), datetime.datetime.now(datetime.UTC)
    request_approval(sluice.base, candidate, (now + datetime.timedelta(days=2)).isoformat(), now=now)
    return candidate.model_digest.removeprefix("sha256:")


@pytest.mark.parametrize("sluice", ["folder"], indirect=True)
def test_push_keeps_the_last_versions_of_a_folder_too(sluice, waiting):
    sluice("approve", "--by", "Ada", "--reason", "Slices reviewed")
    assert "Version 1, 2 is not kept any more.\n" in sluice("push")
    assert sorted(path.name for path in sluice.base.glob("[0-9]*")) == ["3", "4"]
    assert "keep_versions: 2" in sluice("show", version="@1")


def test_what_is_approved_is_pushed_and_the_last_versions_stay(sluice, waiting, object_server):
    assert f"{waiting[:12]}  approval" in sluice("releases", "--verify")
    assert f"Ada approved candidate {waiting[:12]}" in sluice("approve", "--by", "Ada", "--reason", "Slices reviewed")
    assert f"Candidate {waiting[:12]} is approved and not pushed yet." in explain_precedence(sluice.base)
    told = sluice("push")
    assert f"Candidate {waiting[:12]} is version 4. Ada approved it: Slices reviewed\n" in told
    assert "Version 1, 2 is not kept any more.\n" in told
    assert named(object_server, sluice.base)[0] == [4]
    assert [item.state for item in list_releases(sluice.base)] == ["retired", "retired", "pushed", "pushed"]
    assert "Verified: " in sluice("releases", "--verify")


def test_what_is_rejected_is_not_pushed(sluice, waiting):
    assert "Bob rejected candidate" in sluice("reject", "--by", "Bob", "--reason", "Too slow", version=f"@{waiting[:8]}")
    assert sluice("push").startswith("Nothing waits in gs://")
    assert (live_version(sluice.base), verify_ledger(sluice.base)) == ("3", [])


def test_rollback_and_withdrawal(sluice, waiting, object_server):
    told = sluice("rollback", "--by", "Ada", "--reason", "Too many alarms")
    assert told.splitlines()[0] == "Version 3 is withdrawn."
    assert told.splitlines()[1].startswith("Version 2 is live, and was version 3 before (entry ")
    assert "Ada rolled back to version 2: Too many alarms" in sluice("releases")
    sluice("rollback", "--to", "3", "--reason", "It was the data")
    assert "Version 1 is withdrawn." in sluice("withdraw", "--reason", "Personal data", version="@1")
    assert (live_version(sluice.base), named(object_server, sluice.base)[0]) == ("3", [3])
    assert verify_ledger(sluice.base) == []


def test_promotion_needs_a_server_with_labels(sluice, waiting):
    before = len(read_ledger(sluice.base))
    assert "uses labels. Received: no model configuration" in sluice("promote", "--reason", "x", code=2)
    assert len(read_ledger(sluice.base)) == before


@pytest.mark.parametrize("sluice", ["folder"], indirect=True)
@pytest.mark.parametrize("command", ["rollback", "withdraw"])
def test_live_version_is_not_taken_from_under_its_label(sluice, waiting, project_dir, command):
    told = {"label": "stable", "version": 3, "previous": "", "by": "push_model", "reason": "It is the first version."}
    append_entry(sluice.base, "labelled", lambda _: told)
    file = project_dir / "project.yaml"
    servers = "server: http://127.0.0.1:9\n  model_config_file: models.config\n  keep_versions"
    file.write_text(file.read_text().replace("keep_versions", servers))
    assert "before its version leaves. Received: stable" in sluice(command, "--reason", "x", "--server", "none", code=2)
    assert live_version(sluice.base) == "3"
    told = sluice("show")
    assert told.startswith("Version 3  live stable\n")
    assert "stable. push_model: It is the first version." in told
