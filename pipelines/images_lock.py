"""containers/images.lock: which image stands behind a name, written by `make images` and `sluice image`.

A line is a name and a reference: the registry's digest, `registry/name@sha256:…`, or without a registry the digest of the local
image, `sha256:…`. The image of the stages is `sluice`, that of a project `sluice-project-<project>`.
"""

from pathlib import Path

from components._shared.errors import UserError
from components._shared.images import IMAGE
from components._shared.outputs import write_text

IMAGES_LOCK = Path(__file__).parents[1] / "containers" / "images.lock"
BASE_NAME = "sluice"


def project_image_name(project: str) -> str:
    """Returns the name of a project's image."""
    return f"{BASE_NAME}-project-{project}"


def read_images_lock(path: Path = IMAGES_LOCK) -> dict[str, str]:
    """Returns the references by name; none if there is no such file.

    Raises:
        UserError: If the file is not what the build writes.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("The lock of the images can be read.", received=error, remedy="Run make images.") from error
    pairs = [line.split() for line in lines]
    if any(len(pair) != 2 or "sha256:" not in pair[1] for pair in pairs):
        raise UserError(
            "Each line of the lock of the images is a name and a reference with a digest.",
            received=path,
            remedy="Delete it, and run make images.",
        )
    return dict(pairs)


def lock_image(name: str, reference: str, path: Path = IMAGES_LOCK) -> None:
    """Records which image stands behind a name."""
    references = read_images_lock(path) | {name: reference}
    write_text(path, "".join(f"{name} {reference}\n" for name, reference in sorted(references.items())))


def image_of(project: str, path: Path = IMAGES_LOCK) -> str:
    """Returns the reference of a project's image; without one the stages' image, and without a lock `sluice:latest`."""
    references = read_images_lock(path)
    return references.get(project_image_name(project)) or references.get(BASE_NAME) or IMAGE
