"""The main job from end to end: files in, a judged model out, and nothing pushed when something is wrong."""

import concurrent.futures
import json
import random
import re
import shutil
import signal
import time

import pyarrow.parquet as pq
import pytest

from components._release.push import Candidate, push
from components._release.releases import list_releases, live_release, live_version
from components._shared.digest import digest_model

REPORTING = (
    "generate_statistics",
    "validate_examples",
    "train_model",
    "evaluate_model",
    "validate_serving",
    "decide_release",
)
RELEASE_DIR = "assets.extra/sluice"
pytestmark = pytest.mark.timeout(1800)  # whole runs, of which each takes minutes on a machine that has other work
RELEASED = ("schema.pbtxt", "evaluation.json", "decision.json", "manifest.json", "model_card.md")


def tree(folder):
    """Returns path → bytes of what a server reads: the integer folders."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0].isdigit())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def latest_run(folder):
    return max((folder / "runs").iterdir(), key=lambda path: path.stat().st_mtime)


def link_runs(folder, other):
    """Puts the latest run of a folder beside the runs of another: its results may be used there."""
    (other / "runs").mkdir()
    (other / "runs" / "earlier").symlink_to(latest_run(folder))


def find_artifact(run, name):
    return next(path for path in sorted(run.rglob(name)) if path.is_file())


@pytest.fixture
def copied(released, tmp_path):
    """A private copy of the project with version 1 live, to damage."""
    _, project, _ = released
    return shutil.copytree(project, tmp_path / "flights")


def test_first_run_pushes_version_1(released):
    _, project, result = released
    assert result.returncode == 0, result.stderr
    assert (project / "served" / "flights" / "1" / "saved_model.pb").exists()


def test_first_run_says_what_happened(released):
    _, _, result = released
    shown = result.stdout + result.stderr
    for word in ("push_model", "performance", "auc", "index.html", "releases"):
        assert word in shown


def test_run_folder_links_every_page(released):
    folder, _, _ = released
    index = (latest_run(folder) / "index.html").read_text()
    for stage in (
        "generate_statistics",
        "validate_examples",
        "train_model",
        "evaluate_model",
        "validate_serving",
        "decide_release",
    ):
        assert f'href="{stage}' in index
        assert list(latest_run(folder).glob(f"{stage}*.html"))


def test_release_carries_its_evidence(released):
    _, project, _ = released
    release = project / "served" / "flights" / "1" / "assets.extra" / "sluice"
    names = {path.relative_to(release).as_posix() for path in release.rglob("*") if path.is_file()}
    wanted = {
        "schema.pbtxt",
        "evaluation.json",
        "decision.json",
        "manifest.json",
        "model_card.md",
        "statistics/Split-train/FeatureStats.pb",
    }
    assert wanted <= names


def test_ledger_verifies(released, sluice):
    folder, project, _ = released
    result = sluice("releases", project, "--verify", "--json", cwd=folder)
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def second(released, start_sluice, sluice, write_span, tmp_path_factory):
    """A project with version 1 live gets more data; a run is killed while it trains, and then two runs begin at once.

    Returns the folder, the project, what servers saw before and after the kill, and the results of the two runs.
    """
    folder = tmp_path_factory.mktemp("second")
    project = shutil.copytree(released[1], folder / "flights")
    write_span(project, 3)
    before = tree(project / "served" / "flights")
    killed = start_sluice("run", project, "--isolation", "fork", cwd=folder)
    _wait_for(lambda: any(folder.glob("runs/*/logs/train_model.log")))
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    seen = before, tree(project / "served" / "flights")
    options = ("--isolation", "fork", "--tighten", "regression.margin=0.9")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: sluice("run", project, *options, cwd=folder), range(2)))
    return folder, project, seen, results


def test_killed_run_leaves_nothing_and_the_next_one_completes(second):
    _, project, (before, after), results = second
    assert after == before
    assert min(result.returncode for result in results) == 0, [result.stderr for result in results]
    assert (project / "served" / "flights" / "2").exists()


def test_two_runs_at_once_push_at_most_one_version_each(second, sluice):
    folder, project, _, _ = second
    versions = sorted(int(path.name) for path in (project / "served" / "flights").iterdir() if path.name.isdigit())
    assert versions == [1, 2]
    assert sluice("releases", project, "--verify", cwd=folder).returncode == 0


def test_second_run_compares_with_the_live_version(second):
    folder, _, _, _ = second
    decisions = [json.loads(path.read_text()) for path in folder.glob("runs/*/artifacts/decide_release/**/decision.json")]
    decision = next(decision for decision in decisions if decision["baseline_version"] == "1")
    verdicts = {gate["gate"]: gate["verdict"] for gate in decision["gates"]}
    assert (verdicts["regression"], verdicts["evidence"], decision["approved"]) == ("passed", "passed", True)
    assert [(item["key"], item["to"]) for item in decision["overrides"]] == [("regression.margin", 0.9)]


def test_unchanged_run_is_served_from_earlier_results_and_still_decided_and_pushed(released, sluice, tmp_path):
    folder, project, _ = released
    link_runs(folder, tmp_path)
    result = sluice("run", project, "--serving-dir", tmp_path / "served", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    record = json.loads(next(tmp_path.glob("runs/flights-*/run.json")).read_text())
    ran = {stage["stage"] for stage in record["stages"] if not stage["reused_from"]}
    assert ran == {"resolve_baseline", "fetch_baseline", "resolve_inputs", "decide_release", "push_model"}
    pushed = [digest_model(place / "1") for place in (tmp_path / "served", project / "served" / "flights")]
    assert pushed[0] == pushed[1]


def test_unchanged_run_after_its_push_trains_no_other_model_and_pushes_nothing(released, sluice, tmp_path):
    folder, project, _ = released
    shutil.copytree(project / "served", tmp_path / "served")
    link_runs(folder, tmp_path)
    arguments = ("run", project, "--serving-dir", tmp_path / "served" / "flights", "--isolation", "fork")
    result = sluice(*arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Version 1 was this very model before" in result.stdout
    record = json.loads(next(tmp_path.glob("runs/flights-*/run.json")).read_text())
    ran = {stage["stage"] for stage in record["stages"] if not stage["reused_from"]}
    assert "transform_features" in ran  # it has to honour the data gate, which compares with the live version
    assert "train_model" not in ran
    assert [item.state for item in list_releases(tmp_path / "served" / "flights")] == ["pushed"]


@pytest.mark.parametrize(
    ("damage", "code", "words"),
    [
        ("drop_column", 3, ["distance", "transform_features"]),
        ("text_in_column", 2, ["distance", "flights.csv", "far"]),
        ("empty_file", 2, ["span-2", "flights.csv"]),
        ("missing_span", 2, ["7"]),
    ],
)
def test_broken_data_stops_with_one_message(
    damage, code, words, copied, sluice, make_flights, write_span, columns, released, tmp_path
):
    before = tree(copied / "served" / "flights")
    link_runs(released[0], tmp_path)  # where there are results, nothing is imported before its turn
    spans = ["--spans", "1-7"] if damage == "missing_span" else []
    if damage == "drop_column":
        for month in (1, 2):
            write_span(copied, month, columns=[name for name in columns if name != "distance"])
    if damage == "text_in_column":
        write_span(copied, 2, [{**row, "distance": "far"} for row in make_flights(2)])
    if damage == "empty_file":
        (copied / "data" / "span-2" / "flights.csv").write_text("")
    result = sluice("run", copied, "--isolation", "fork", *spans, cwd=tmp_path)
    assert result.returncode == code, result.stderr
    assert all(word in result.stderr + result.stdout for word in words)
    assert "Traceback" not in result.stderr
    assert tree(copied / "served" / "flights") == before


def test_predictions_stand_beside_the_test_rows(released):
    folder, _, _ = released
    predictions = pq.read_table(find_artifact(latest_run(folder), "predictions.parquet"))
    manifest = json.loads(find_artifact(latest_run(folder), "manifest.json").read_text())
    assert predictions.num_rows == manifest["splits"]["test"]["rows"]


def test_the_released_model_is_served_and_asked(released, start_sluice, sluice, tmp_path):
    folder, project, _ = released
    lines = (project / "data" / "span-2" / "flights.csv").read_text().splitlines()[:51]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    server = start_sluice("serve", project, "--port", "0", "--rest-port", "-1", cwd=folder)
    try:
        port = next(found[1] for line in server.stderr if (found := re.search(r"REST API at:127\.0\.0\.1:(\d+)", line)))
        result = sluice("predict", project, tmp_path / "rows.csv", "--url", f"http://127.0.0.1:{port}", "--json", cwd=folder)
    finally:
        server.terminate()
        server.communicate(timeout=600)
    assert result.returncode == 0, result.stderr
    probabilities = [row["prediction"] for row in json.loads(result.stdout)]
    assert len(probabilities) == 50
    assert all(0 < value < 1 for value in probabilities)
    assert server.returncode == 0


def _wait_for(condition, seconds=900):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def copy_release(folder, bucket):
    """Pushes the live version of a folder into a bucket."""
    release = live_release(folder)
    version = folder / str(release.version)
    files = [path for path in (version / RELEASE_DIR).rglob("*") if path.is_file()]
    candidate = Candidate(
        model=version,
        model_digest=release.model_digest,
        decision_digest=release.decision_digest,
        baseline_version="",
        baseline_digest="",
        attachments={path.relative_to(version / RELEASE_DIR).as_posix(): path.read_bytes() for path in files},
        record={"reason": release.reason},
    )
    assert push(bucket, candidate).pushed_digest == release.pushed_digest


def splits_of(artifacts):
    """Returns path → bytes of the rows of a run."""
    examples = artifacts / "ingest_examples" / "examples"
    found = {path.relative_to(examples).as_posix(): path.read_bytes() for path in examples.glob("Split-*/*")}
    assert len(found) >= 3
    return found


@pytest.fixture
def shuffled(make_project, make_flights, write_span, tmp_path):
    """The same flights as those of the released project, in another order of rows."""
    project = make_project(tmp_path)
    for month in (1, 2):
        rows = list(make_flights(month))
        random.Random(0).shuffle(rows)
        write_span(project, month, rows)
    return project


def test_order_of_rows_changes_nothing_and_a_run_compares_with_the_live_version_of_the_bucket(
    released, shuffled, sluice, make_bucket, tmp_path
):
    folder, project, _ = released
    bucket = make_bucket("models/flights")
    copy_release(project / "served/flights", bucket)
    result = sluice("run", shuffled, "--serving-dir", bucket, "--isolation", "fork", "--set", "seed=1", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    ours, theirs = (latest_run(where) / "artifacts" for where in (tmp_path, folder))
    assert splits_of(ours) == splits_of(theirs)
    measured, before = (json.loads(find_artifact(run, "evaluation.json").read_text()) for run in (ours, theirs))
    assert measured["data_version"] == before["data_version"]
    assert measured["metrics"]["baseline"] == pytest.approx(before["metrics"]["candidate"], abs=1e-9)
    decision = json.loads(find_artifact(ours, "decision.json").read_text())
    assert (decision["baseline_version"], decision["baseline_pushed_digest"][:7]) == ("1", "sha256:")
    assert decision["approved"], decision["reason"]
    assert (live_version(bucket), [item.state for item in list_releases(bucket)]) == ("2", ["pushed", "pushed"])
    assert f"{bucket}/2" in result.stdout
    verified = sluice("releases", project, "--serving-dir", bucket, "--verify", cwd=tmp_path)
    assert (verified.returncode, "Verified: 4 entries" in verified.stdout) == (0, True), verified.stderr
