"""The same pipeline with each stage in a container: the same data version, the same decision, the same metrics."""

import json
import shutil

import pytest
from container_images import find_test_image

from pipelines.container_launcher import ContainerLauncher
from pipelines.launchers import Command

pytestmark = pytest.mark.timeout(3600)  # the first test waits for two whole runs

METRIC_TOLERANCE = 1e-3
"""The image may have newer libraries than this environment: training differs in the last digits then, verdicts do not."""


@pytest.fixture(scope="module")
def image():
    """Engine and image; first among the fixtures, so that nothing is run where there is none."""
    engine, image = find_test_image()
    if not engine:
        pytest.skip(image)
    return engine, image


@pytest.fixture(scope="module")
def contained(image, released, sluice, tmp_path_factory):
    """A copy of the released project as it was before, run in containers: folder, project, and the command's result."""
    folder = tmp_path_factory.mktemp("contained")
    project = shutil.copytree(released[1], folder / "flights", ignore=shutil.ignore_patterns("served"))
    result = sluice("run", project, "--containers", "--image", image[1], cwd=folder, seconds=1500)
    return folder, project, result


@pytest.fixture(scope="module")
def records(released, contained):
    """The record of the run outside of containers, and that of the one inside."""
    folders = [next((folder / "runs").iterdir()) for folder in (released[0], contained[0])]
    return [json.loads((folder / "run.json").read_text()) | {"folder": folder} for folder in folders]


def documents(records, name):
    return [json.loads(next(record["folder"].rglob(name)).read_text()) for record in records]


def test_a_run_in_containers_pushes_too(contained):
    _, project, result = contained
    assert result.returncode == 0, result.stderr + result.stdout
    assert (project / "served" / "flights" / "1" / "saved_model.pb").exists()


def test_the_data_version_is_the_same(records):
    outside, inside = documents(records, "manifest.json")
    assert inside["data_version"] == outside["data_version"]
    assert [split["rows"] for split in inside["splits"].values()] == [split["rows"] for split in outside["splits"].values()]


def test_the_decision_is_the_same(records):
    outside, inside = documents(records, "decision.json")
    verdicts = [{gate["gate"]: gate["verdict"] for gate in decision["gates"]} for decision in (outside, inside)]
    assert verdicts[1] == verdicts[0]
    assert (inside["approved"], inside["data_version"]) == (outside["approved"], outside["data_version"])
    assert inside["policy_hash"] == outside["policy_hash"]


def test_the_metrics_are_the_same(records):
    outside, inside = (evaluation["metrics"]["candidate"] for evaluation in documents(records, "evaluation.json"))
    assert inside == pytest.approx(outside, abs=METRIC_TOLERANCE)


def test_there_are_the_same_stages_and_pages(records):
    outside, inside = ({stage["stage"]: stage["pages"] for stage in record["stages"]} for record in records)
    assert inside == outside
    assert all((records[1]["folder"] / page).is_file() for pages in inside.values() for page in pages)
    peaks = {stage["stage"]: stage["peak_bytes"] for stage in records[1]["stages"]}
    assert peaks["train_model"] > 100e6


def test_record_and_ledger_name_the_image(contained, records, image, sluice):
    _, name = image
    assert (records[1]["isolation"], records[1]["image"], records[1]["image_id"]) == ("containers", name, name)
    shown = sluice("releases", contained[1], "--verify", "--json", cwd=contained[0])
    assert shown.returncode == 0, shown.stderr
    ledger = (contained[1] / "served" / "flights" / ".ledger").glob("*.json")
    assert any(f"{name} ({name})" in entry.read_text() for entry in ledger)


def test_a_live_version_is_found_where_nothing_may_be_written(contained, image, tmp_path):
    base = contained[1] / "served" / "flights"
    outputs = {name: tmp_path / "output" / name for name in ("version", "model_digest", "pushed_digest")}
    (tmp_path / "output").mkdir()
    argv = ["python", "-m", "components.resolve_baseline", "--serving_dir", str(base)]
    argv += [text for name, path in outputs.items() for text in (f"--{name}", str(path))]
    document = {
        "inputs": {"parameterValues": {"serving_dir": str(base)}},
        "outputs": {"outputFile": str(tmp_path / "output" / "executor_output.json")},
    }
    command = Command(argv=argv, env={}, log=tmp_path / "log", image=image[1], executor_input=document)
    assert ContainerLauncher(image[0]).run(command, lambda: None).exit_code == 0
    assert outputs["version"].read_text() == "1"
