"""Which models the health check asks for; test_serving_image asks a server in a container."""

import runpy
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[2] / "containers/check-model.py"
CONFIGURATION = """
# config { name: "was" }
model_config_list {
  config { name: "flights" base_path: "/models/name/flights" model_platform: "tensorflow" }
  config { name : 'fares' base_path: "/models/fares"  # name: "no"
  }
}
"""


@pytest.fixture
def model_names(monkeypatch):
    monkeypatch.setenv("MODEL_NAME", "model")
    return runpy.run_path(str(CHECK))["model_names"]


@pytest.mark.parametrize("form", ["--model_config_file={}", "--model_config_file\0{}"])
def test_models_of_a_configuration_file_are_asked_for(model_names, tmp_path, form):
    (tmp_path / "models.config").write_text(CONFIGURATION)
    flags = form.format(tmp_path / "models.config").split("\0")
    assert model_names(["tini", "--", "serve.sh", *flags, "--rest_api_port=8501", ""]) == {"flights", "fares"}


@pytest.mark.parametrize(
    "flags", [[], ["--model_config_file=gs://bucket/models.config"], ["--model_config_file_poll_wait_seconds=5"]]
)
def test_else_the_model_of_the_environment_is(model_names, flags):
    assert model_names(["tini", "--", "serve.sh", *flags, ""]) == {"model"}


def test_file_that_names_no_model_names_none(model_names, tmp_path):
    (tmp_path / "models.config").write_text("model_config_list {}")
    assert model_names([f"--model_config_file={tmp_path / 'models.config'}"]) == set()
