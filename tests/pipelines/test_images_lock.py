import pytest

from components._shared.errors import UserError
from pipelines.images_lock import image_of, lock_image, read_images_lock

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


@pytest.mark.parametrize("text", ["sluice\n", "sluice registry.test/sluice:latest\n", f"sluice {DIGEST} {DIGEST}\n", "\xff"])
def test_a_lock_that_no_build_wrote_is_refused(tmp_path, text):
    (tmp_path / "images.lock").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match="lock of the images"):
        read_images_lock(tmp_path / "images.lock")
