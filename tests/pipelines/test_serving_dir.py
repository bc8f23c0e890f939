import pytest

from components._release.base import BucketPath
from components._shared.errors import UserError
from pipelines.compiler import compile_training_pipeline, read_pipeline_spec
from pipelines.config import load_project
from pipelines.parameters import defaults_of
from pipelines.serve import serve_project
from pipelines.serving_dir import problems_of_serving, resolve_serving_dir


def _document(directory):
    return {"serving": {"model_name": "parcels", "directory": directory}}


def test_path_starts_at_the_folder_and_a_url_stands_for_itself(tmp_path):
    assert resolve_serving_dir("served", tmp_path) == tmp_path / "served"
    assert resolve_serving_dir("gs://bucket/models/parcels", tmp_path) == BucketPath("bucket", "models/parcels")


@pytest.mark.parametrize(
    ("directory", "problem"),
    [
        ("gs://bucket", "serving.directory: a path, or gs://BUCKET/FOLDER/MODEL. Received: gs://bucket."),
        ("s3://bucket/parcels", "serving.directory: a path, or gs://BUCKET/FOLDER/MODEL. Received: s3://bucket/parcels."),
        ("gs://bucket/other", "serving.directory: ends with serving.model_name"),
    ],
)
def test_url_that_servers_cannot_use_is_a_problem(directory, problem):
    assert problem in problems_of_serving(_document(directory))[0]


def test_labels_are_in_the_model_configuration_beside_the_versions():
    document = _document("gs://bucket/models/parcels")
    document["serving"]["model_config_file"] = "served/models.config"
    (problem,) = problems_of_serving(document)
    assert problem.startswith("serving.model_config_file: gs://bucket/models/parcels/models.config, where the directory is")
    document["serving"]["model_config_file"] = "gs://bucket/models/parcels/models.config"
    assert problems_of_serving(document) == []
    document["serving"]["labels"] = "reload"
    assert problems_of_serving(document) == ["serving.labels: file, where the directory is in a bucket. Received: reload."]


@pytest.mark.parametrize("document", [_document("served"), _document("gs://bucket/models/parcels"), {}, {"serving": []}])
def test_other_documents_have_no_problem(document):
    assert problems_of_serving(document) == []


def test_project_with_a_bucket(project_dir):
    file = project_dir / "project.yaml"
    labels = "server: http://parcels:8501\n  model_config_file: gs://bucket/models/parcels/models.config"
    file.write_text(file.read_text().replace("served/parcels", f"gs://bucket/models/parcels\n  {labels}"))
    project = load_project(project_dir)
    assert project.serving_dir == BucketPath("bucket", "models/parcels")
    with pytest.raises(UserError, match=r"--model_config_file=gs://bucket/models/parcels/models\.config"):
        serve_project(project, None, port=0, rest_port=0, host="localhost")
    compile_training_pipeline(project, project_dir / "ir.yaml")
    defaults = defaults_of(read_pipeline_spec(project_dir / "ir.yaml"))
    assert defaults["serving_dir"] == "gs://bucket/models/parcels"
    assert defaults["model_config_file"] == "gs://bucket/models/parcels/models.config"
    file.write_text(file.read_text().replace("bucket/models/parcels", "bucket/models/other"))
    with pytest.raises(UserError, match=r"serving.directory: ends with serving\.model_name"):
        load_project(project_dir)
