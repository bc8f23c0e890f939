import re
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from components._shared.errors import UserError
from pipelines import images_lock
from pipelines.command_options import warn_of_other_code
from pipelines.config import load_project
from pipelines.images_lock import code_of, digest_programs, image_of, lock_image, read_images_lock, why_stale
from pipelines.submit import compiled

DIGEST = "sha256:" + 64 * "a"


def test_without_a_lock_the_stages_image_goes_by_its_tag(tmp_path):
    assert image_of("flights", tmp_path / "images.lock") == "sluice:latest"


def test_a_projects_own_image_goes_before_that_of_the_stages(tmp_path):
    lock = tmp_path / "images.lock"
    lock.write_text(f"sluice registry.test/sluice@{DIGEST}\nsluice-serving {DIGEST}\n")
    assert image_of("flights", lock) == f"registry.test/sluice@{DIGEST}"
    lock_image("sluice-project-flights", DIGEST, lock)
    assert image_of("flights", lock) == DIGEST
    assert image_of("serving", lock) == f"registry.test/sluice@{DIGEST}"


def test_a_name_has_one_reference(tmp_path):
    lock = tmp_path / "images.lock"
    lock_image("sluice", DIGEST, lock)
    lock_image("sluice", f"registry.test/sluice@{DIGEST}", lock)
    assert read_images_lock(lock) == {"sluice": f"registry.test/sluice@{DIGEST}"}


@pytest.mark.parametrize(
    "text",
    ["sluice\n", f"sluice {DIGEST} code:ab\n", "sluice registry.test/sluice:latest\n", f"sluice {DIGEST} {DIGEST}\n", "\xff"],
)
def test_a_lock_that_no_build_wrote_is_refused(tmp_path, text):
    (tmp_path / "images.lock").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match="lock of the images"):
        read_images_lock(tmp_path / "images.lock")


@pytest.fixture
def repository(tmp_path):
    """A folder with programs, and files that no image holds."""
    for name in (
        "components/a/executor.py",
        "components/a.py",
        "components/a/page.html.j2",
        "serving/é x.py",
        "serving/notes.md",
    ):
        file = tmp_path / "repository" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path / "repository"


def test_the_build_and_the_commands_agree_on_the_digest_of_the_programs(repository):
    script = (Path(__file__).parents[2] / "containers" / "build-images.sh").read_text()
    command = re.search(r"^code=\$\((.*)\)$", script, re.MULTILINE)[1]
    told = subprocess.run(["bash", "-c", command], cwd=repository, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == digest_programs(repository)


def test_an_image_is_stale_when_a_program_changed(repository, tmp_path):
    lock = tmp_path / "images.lock"
    lock_image("sluice", DIGEST, lock, code=digest_programs(repository))
    lock_image("sluice-project-flights", f"r/x@{DIGEST}", lock, code=code_of("sluice", lock))
    images = [DIGEST, f"r/x@{DIGEST}"]
    (repository / "serving" / "notes.md").write_text("other")
    assert [why_stale(image, lock, repository) for image in images] == ["", ""]
    (repository / "components" / "a.py").write_text("other")
    assert ["built from other code" in why_stale(image, lock, repository) for image in images] == [True, True]
    assert why_stale("another:latest", lock, repository) == ""
    lock_image("sluice", DIGEST, lock)
    assert why_stale(DIGEST, lock, repository) == ""


def test_commands_warn_of_a_stale_image(project_dir, tmp_path, monkeypatch, capsys):
    lock_image("sluice", f"r/x@{DIGEST}", tmp_path / "images.lock", code="0" * 64)
    monkeypatch.setattr(images_lock, "IMAGES_LOCK", tmp_path / "images.lock")
    console = Console(width=200)
    with compiled(load_project(project_dir), f"r/x@{DIGEST}", [], console):
        assert capsys.readouterr().out.count("Warning: the image was built from other code") == 1
    warn_of_other_code(f"r/other@{DIGEST}", console)
    assert capsys.readouterr().out == ""
