import pytest

from components._release.model_config import make_configuration, replace_configuration
from pipelines.config import load_project
from pipelines.serve import model_flags


@pytest.fixture
def labelled(project_dir):
    """Returns a project whose versions have labels, and its serving directory."""
    text = (project_dir / "project.yaml").read_text()
    serving = "served/parcels\n  server: http://localhost:8501\n  model_config_file: models.config"
    (project_dir / "project.yaml").write_text(text.replace("served/parcels", serving))
    return load_project(project_dir), project_dir / "served" / "parcels"


def test_without_labels_the_folder_is_served(project_dir):
    base = project_dir / "served" / "parcels"
    assert model_flags(load_project(project_dir), base) == ["--model_name=parcels", f"--model_base_path={base}"]


def test_with_labels_the_model_configuration_is_served(labelled):
    project, base = labelled
    replace_configuration(project.folder / "models.config", make_configuration("parcels", base))
    assert model_flags(project, base)[0] == f"--model_config_file={project.folder / 'models.config'}"


@pytest.mark.parametrize("written", [True, False])
def test_a_configuration_for_servers_elsewhere_is_not(labelled, written, tmp_path):
    project, base = labelled
    if written:
        replace_configuration(project.folder / "models.config", make_configuration("parcels", tmp_path / "models"))
    assert model_flags(project, base)[1] == f"--model_base_path={base}"
