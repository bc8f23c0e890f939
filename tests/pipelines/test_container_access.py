import json
from pathlib import Path

import pytest

from components._shared.errors import UserError
from pipelines.container_access import PATH_PARAMETERS, SERVER_PARAMETERS, access_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("STORAGE_EMULATOR_HOST", "GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def access(tmp_path):
    """Returns what a stage may reach that is given parameters and input artifacts."""

    def access(stage="some_stage", artifacts=(), **parameters):
        inputs = {name: {"artifacts": [{"uri": str(tmp_path / "artifacts" / name)}]} for name in artifacts}
        document = {
            "inputs": {"parameterValues": parameters, "artifacts": inputs},
            "outputs": {"outputFile": str(tmp_path / "artifacts" / stage / "executor_output.json")},
        }
        return access_of(["python", "-m", f"components.{stage}"], document)

    return access


@pytest.fixture
def project(tmp_path):
    for month in (1, 2):
        (tmp_path / "project" / "data" / f"span-{month}").mkdir(parents=True)
        (tmp_path / "project" / "data" / f"span-{month}" / "rows.csv").write_text("")
    return tmp_path / "project"


def test_a_stage_reads_its_inputs_and_writes_its_own_folder(access, tmp_path):
    for name in ("model", "examples", "of_another"):
        (tmp_path / "artifacts" / name).mkdir(parents=True)
    reached = access("train_model", ["model", "examples"])
    assert reached.read == (tmp_path / "artifacts" / "examples", tmp_path / "artifacts" / "model")
    assert (reached.output, reached.write) == (tmp_path / "artifacts" / "train_model", ())


def test_only_push_writes_the_serving_directory(access, tmp_path):
    served = tmp_path / "served"
    served.mkdir()
    assert access("push_model", serving_dir=str(served)).write == (served,)
    assert access("push_model", serving_dir=str(served)).read == ()
    for stage in ("resolve_baseline", "fetch_baseline"):
        assert (access(stage, serving_dir=str(served)).read, access(stage, serving_dir=str(served)).write) == ((served,), ())


def test_training_writes_its_checkpoints_and_reads_its_project(access, project, tmp_path):
    reached = access("train_model", project_dir=str(project), checkpoint_dir=str(tmp_path / "checkpoints"))
    assert (reached.read, reached.write) == ((project,), (tmp_path / "checkpoints",))
    assert access("train_model", project_dir=str(project), checkpoint_dir="").write == ()


def test_push_is_given_a_serving_directory_that_is_not_there_yet(access, tmp_path):
    assert access("push_model", serving_dir=str(tmp_path / "new")).write == (tmp_path / "new",)
    assert access("resolve_baseline", serving_dir=str(tmp_path / "new")).read == ()


def test_push_replaces_the_model_configuration_in_its_folder(access, tmp_path):
    file = tmp_path / "config" / "models.config"
    reached = access("push_model", serving_dir=str(tmp_path / "served"), model_config_file=str(file))
    assert reached.write == (tmp_path / "config", tmp_path / "served")


def test_ingest_reads_the_folders_of_its_files_alone(access, project):
    files = [{"path": str(project / "data" / "span-2" / "rows.csv"), "span": 2}]
    assert access("ingest_examples", files=files).read == (project / "data" / "span-2",)


def test_a_path_by_way_of_another_folder_leads_there(access, project, tmp_path):
    (tmp_path / "way").mkdir()
    files = [{"path": str(tmp_path / "way" / ".." / "project" / "data" / "span-1" / "rows.csv"), "span": 1}]
    assert access("ingest_examples", files=files).read == (project / "data" / "span-1", tmp_path / "way")


def test_a_pattern_outside_of_the_project_is_read_from_where_its_wildcards_begin(access, project, tmp_path):
    (tmp_path / "empty").mkdir()
    for pattern, place in ((f"{project}/data/span-{{SPAN}}/*.csv", project / "data"), ("../project/data/*", project / "data")):
        reached = access("resolve_inputs", project_dir=str(tmp_path / "empty"), pattern=pattern)
        assert place in [path.resolve() for path in reached.read]


@pytest.mark.parametrize("linked", ["data", "data/span-1", "data/span-1/rows.csv"])
def test_what_links_of_the_data_lead_to_is_there_too(access, project, tmp_path, linked):
    (tmp_path / "disk").mkdir()
    (project / linked).rename(tmp_path / "disk" / "moved")
    (tmp_path / "way").symlink_to("disk/moved")
    (project / linked).symlink_to(tmp_path / "way")
    rows = project / "data" / "span-1" / "rows.csv"
    for reached in (
        access("resolve_inputs", project_dir=str(project), pattern="data/span-{SPAN}/*.csv"),
        access("ingest_examples", files=[{"path": str(rows), "span": 1}]),
    ):
        rest = rows.relative_to(project / linked)
        for place in (rows, tmp_path / "way" / rest, tmp_path / "disk" / "moved" / rest):
            assert {place, *place.parents} & set(reached.read), place


def test_a_folder_below_another_is_not_mounted_twice(access, project):
    assert access("resolve_inputs", project_dir=str(project), pattern="data/*/*.csv").read == (project,)


@pytest.mark.parametrize("path", ["/", "/usr", "/opt"])
def test_a_folder_that_would_hide_the_containers_own_is_refused(access, path):
    with pytest.raises(UserError, match="in a folder of its own"):
        access("resolve_inputs", project_dir="/", pattern=f"{path}/*.csv")


@pytest.mark.parametrize(
    ("parameters", "network"),
    [
        ({}, "none"),
        ({"server": ""}, "none"),
        ({"eval_config": {"about": "http://example.org"}}, "none"),
        ({"server": "http://flights:8501"}, ""),
        ({"serving_dir": "gs://bucket/models/flights"}, ""),
        ({"files": [{"path": "gs://bucket/rows.csv"}]}, ""),
        ({"server": "http://flights:8501,grpc://flights:8500"}, ""),
        ({"server": "http://127.0.0.1:8501"}, "host"),
        ({"server": "http://flights:8501,grpc://127.0.0.1:8500"}, "host"),
        ({"server": "http://localhost:8501", "serving_dir": "gs://bucket/models/flights"}, "host"),
        ({"server": "http://[::1]:8501"}, "host"),
    ],
)
def test_a_stage_has_the_network_that_its_parameters_take(access, parameters, network):
    assert access(**parameters).network == network


def test_variables_and_credentials_are_for_stages_that_read_buckets(access, monkeypatch, tmp_path):
    file = tmp_path / "home" / ".config" / "gcloud" / "application_default_credentials.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    reached = access("resolve_baseline", serving_dir="gs://bucket/models/flights")
    assert reached.variables == {"GOOGLE_APPLICATION_CREDENTIALS": str(file), "HTTPS_PROXY": "http://proxy:3128"}
    assert reached.read == (file,)
    assert access("resolve_baseline", serving_dir=str(tmp_path)).variables == {}


@pytest.mark.parametrize("host", ["http://127.0.0.1:4443", "localhost:4443"])
def test_a_storage_emulator_of_this_machine_takes_its_network(access, monkeypatch, host):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", host)
    assert access("resolve_baseline", serving_dir="gs://bucket/models/flights").network == "host"


def test_every_parameter_that_names_a_place_is_known():
    """A component with another one would not find in a container what it finds outside."""
    spec = (ROOT / "tests" / "pipelines" / "golden" / "flights-training.yaml").read_text()
    names = {line.strip().removesuffix(":") for line in spec.splitlines() if line.strip().endswith(":")}
    places = {name for name in names if name.endswith(("_dir", "_file", "_path", "_url", "files", "server", "pattern"))}
    assert places <= {*PATH_PARAMETERS, *SERVER_PARAMETERS}, json.dumps(sorted(places))
