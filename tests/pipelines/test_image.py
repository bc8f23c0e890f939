import pytest

from components._shared.errors import UserError
from pipelines.config import load_project
from pipelines.image import build_project_image, write_context


@pytest.fixture
def context(tmp_path):
    folder = tmp_path / "context"
    folder.mkdir()
    return folder


def names_in(context):
    return {path.relative_to(context / "project").as_posix() for path in (context / "project").rglob("*") if path.is_file()}


def test_an_image_is_the_stages_image_and_the_project(project_dir, context):
    write_context(load_project(project_dir), context, "registry.test/sluice@sha256:0")
    lines = (context / "Dockerfile").read_text().splitlines()
    assert lines[0] == "FROM registry.test/sluice@sha256:0"
    assert lines[-1] == "COPY project /project"
    assert names_in(context) == {"project.yaml", "schema.pbtxt", "features.py", "model.py"}


@pytest.mark.parametrize("name", ["data", "served", "runs", "__pycache__", ".git"])
def test_data_models_runs_and_litter_stay_out(project_dir, context, name):
    (project_dir / name).mkdir()
    (project_dir / name / "file").write_text("secret")
    write_context(load_project(project_dir), context, "sluice:latest")
    assert name not in {path.split("/")[0] for path in names_in(context)}


@pytest.mark.parametrize(("pattern", "file"), [("incoming/*.csv", "incoming/rows.csv"), ("rows-{SPAN}.csv", "rows-1.csv")])
def test_data_stays_out_wherever_project_yaml_says_it_is(project_dir, context, pattern, file):
    configuration = (project_dir / "project.yaml").read_text()
    assert "pattern: data/span-{SPAN}/*.csv" in configuration
    (project_dir / "project.yaml").write_text(configuration.replace("pattern: data/span-{SPAN}/*.csv", f"pattern: {pattern}"))
    (project_dir / file).parent.mkdir(exist_ok=True)
    (project_dir / file).write_text("a,b\n")
    write_context(load_project(project_dir), context, "sluice:latest")
    assert names_in(context) == {"project.yaml", "schema.pbtxt", "features.py", "model.py"}


def test_code_below_a_name_that_stays_out_is_refused(project_dir, context):
    (project_dir / "data").mkdir()
    (project_dir / "data" / "__init__.py").write_text("SCALE = 2\n")
    with pytest.raises(UserError, match=r"all of the project's code.*data.*another name"):
        write_context(load_project(project_dir), context, "sluice:latest")


def test_packages_and_what_lies_deeper_go_along(project_dir, context):
    (project_dir / "helpers" / "data").mkdir(parents=True)
    (project_dir / "helpers" / "__init__.py").write_text("")
    (project_dir / "helpers" / "data" / "words.txt").write_text("late\n")
    write_context(load_project(project_dir), context, "sluice:latest")
    assert {"helpers/__init__.py", "helpers/data/words.txt"} <= names_in(context)


def test_without_an_engine_nothing_is_built(project_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="A container engine answers"):
        build_project_image(load_project(project_dir), lock=tmp_path / "images.lock")
    assert not (tmp_path / "images.lock").exists()
