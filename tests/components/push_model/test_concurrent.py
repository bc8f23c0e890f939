"""Several pushers at once, each a process of its own: their decisions know of the same live version, so only one may win."""

import pytest

from components._release.ledger import read_ledger
from components._release.lock import hold_lock
from components._release.releases import list_releases
from components._release.verify import verify_ledger
from components.push_model.executor import push_model


@pytest.mark.parametrize("pushers", [2, 8])
@pytest.mark.parametrize("live", [False, True])
def test_one_of_many_candidates_wins(make_artifacts, make_flags, start_python, tmp_path, pushers, live):
    base = tmp_path / "serving"
    baseline = ("1", push_model(**make_artifacts("live")).pushed_digest) if live else ("", "")
    names = [f"candidate-{number}" for number in range(pushers)]
    runs = {name: make_artifacts(name, weights=name, baseline=baseline) for name in names}
    base.mkdir(exist_ok=True)
    with hold_lock(base):  # so that they really are there at the same time
        processes = [start_python("-m", "components.push_model", *make_flags(runs[name], name)) for name in names]
    errors = [process.communicate(timeout=500)[1] for process in processes]
    assert sorted(process.returncode for process in processes) == [0] + [3] * (pushers - 1), errors
    assert sum("Stale baseline" in text for text in errors) == pushers - 1
    assert sorted(release.state for release in list_releases(base)) == ["abandoned"] * (pushers - 1) + ["pushed"] * (1 + live)
    assert verify_ledger(base) == []


def test_one_candidate_pushed_twice_at_once_becomes_one_version(make_artifacts, make_flags, start_python, tmp_path):
    options = make_artifacts()
    processes = [start_python("-m", "components.push_model", *make_flags(options, "run")) for _ in range(2)]
    assert [process.wait(timeout=500) for process in processes] == [0, 0]
    assert [entry.kind for entry in read_ledger(tmp_path / "serving")] == ["push_intent", "pushed"]
