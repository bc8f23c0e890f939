from pathlib import Path

from components._shared.artifacts import MODEL_FILE
from pipelines.config import load_project
from pipelines.image import build_project_image
from pipelines.images_lock import read_images_lock

FLIGHTS = Path(__file__).parents[2] / "projects" / "flights"
DIGEST = "from components._shared.digest import digest_code; print(digest_code('/project', 'model.py'))"


def test_it_holds_the_project_as_the_pipeline_was_compiled_with_it(engine, stages_image, tmp_path):
    project, lock = load_project(FLIGHTS), tmp_path / "images.lock"
    reference = build_project_image(project, tag="sluice-test-of-a-project", engine=engine, lock=lock)
    assert read_images_lock(lock) == {"sluice-project-flights": reference}
    image = type(stages_image)(engine, reference)
    assert image.run("python", "-c", DIGEST) == project.digests[MODEL_FILE]
    assert set(image.run("ls", "/project").split()) >= {"project.yaml", "schema.pbtxt", "features.py", "model.py"}
    assert image.inspect("{{.Config.User}}") == "65532:65532"
    image.call("rmi", "sluice-test-of-a-project")
