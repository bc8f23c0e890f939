"""push_model into a bucket, as processes of their own: the stage, several at once, and one that is killed."""

import datetime

import pytest

from components._release.answers import answer
from components._release.ledger import read_ledger
from components._release.releases import list_releases, live_version
from components._release.verify import verify_ledger
from components.push_model.executor import push_model


def test_approved_model_is_pushed_once(make_artifacts, bucket):
    options = make_artifacts("one") | {"serving_dir": str(bucket)}
    first, again = push_model(**options), push_model(**options)
    assert (first.version, first.destination, again.version) == ("1", f"{bucket}/1", "1")
    assert (live_version(bucket), verify_ledger(bucket, first.ledger_head)) == ("1", [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"approved": False}, "The decision says no"), ({"baseline": ("1", "sha256:x")}, "Stale baseline")],
)
def test_model_that_is_not_approved_is_not_pushed(make_artifacts, bucket, changes, reason):
    result = push_model(**make_artifacts("one", **changes) | {"serving_dir": str(bucket)})
    assert (result.pushed, reason in result.reason, live_version(bucket)) == (False, True, "")


def test_candidate_waits_and_is_pushed_by_the_next_run(make_artifacts, bucket):
    waits = {"status": "pending", "approved": False, "deadline": "2999-01-01T00:00:00+00:00"}
    result = push_model(**make_artifacts("one", **waits) | {"serving_dir": str(bucket)})
    assert (result.pushed, result.deadline, live_version(bucket)) == (False, waits["deadline"], "")
    answer(bucket, "approved", model="", by="Ada", reason="Reviewed.", now=datetime.datetime.now(datetime.UTC))
    (settled,) = push_model(**make_artifacts("two", approved=False) | {"serving_dir": str(bucket)}).settled
    assert (settled.kind, settled.version, live_version(bucket), verify_ledger(bucket)) == ("pushed", "1", "1", [])


def test_old_versions_go_after_a_push(make_artifacts, bucket):
    for number in "1234":
        options = make_artifacts(number, weights=number, baseline=(live_version(bucket), "")) | {"serving_dir": str(bucket)}
        push_model(**options | {"keep_versions": 2})
    assert [release.state for release in list_releases(bucket)] == ["retired", "retired", "pushed", "pushed"]
    assert verify_ledger(bucket) == []


def test_one_of_two_processes_wins(make_artifacts, make_flags, start_python, bucket, tmp_path):
    runs = {name: make_artifacts(name, weights=name) | {"serving_dir": str(bucket)} for name in ("one", "two")}
    processes = [start_python("-m", "components.push_model", *make_flags(runs[name], name)) for name in runs]
    errors = [process.communicate(timeout=500)[1] for process in processes]
    assert sorted(process.returncode for process in processes) == [0, 3], errors
    assert sorted(release.state for release in list_releases(bucket)) == ["abandoned", "pushed"]
    assert verify_ledger(bucket) == []


def test_process_that_is_killed_leaves_a_push_that_goes_on(
    make_artifacts, make_flags, start_python, bucket, object_server, tmp_path
):
    options = make_artifacts("one") | {"serving_dir": str(bucket)}
    uploads = []

    def kill_at_the_third_upload(method, path):
        uploads.extend([path] if method == "POST" else [])
        if len(uploads) < 3:
            return None
        process.kill()
        return "drop"

    object_server.interrupt = kill_at_the_third_upload
    process = start_python("-m", "components.push_model", *make_flags(options, "one"))
    assert process.wait(timeout=500) == -9
    object_server.interrupt = lambda method, path: None
    assert (live_version(bucket), verify_ledger(bucket)) == ("", [])
    assert push_model(**options).version == "1"
    assert [entry.kind for entry in read_ledger(bucket)] == ["push_intent", "pushed"]
