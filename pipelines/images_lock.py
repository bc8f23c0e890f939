"""containers/images.lock: which image stands behind a name, written by `make images` and `sluice image`.

A line is a name and a reference: the registry's digest, `registry/name@sha256:…`, or without a registry the digest of the local
image, `sha256:…`. The image of the stages is `sluice`, that of a project `sluice-project-<project>`. A third word, `code:…`, is
the digest of the programs that the image was built from.
"""

import hashlib
import re
from pathlib import Path

from components._shared.errors import UserError
from components._shared.images import IMAGE
from components._shared.outputs import write_text

_ROOT = Path(__file__).parents[1]
IMAGES_LOCK = _ROOT / "containers" / "images.lock"
BASE_NAME = "sluice"
_PROGRAMS = ("components", "serving")
_LINE = re.compile(r"(?P<name>\S+)\s+(?P<reference>\S*sha256:\S*)(?:\s+code:(?P<code>[0-9a-f]{64}))?\s*")


def project_image_name(project: str) -> str:
    """Returns the name of a project's image."""
    return f"{BASE_NAME}-project-{project}"


def read_images_lock(path: Path = IMAGES_LOCK) -> dict[str, str]:
    """Returns the references by name; none if there is no such file.

    Raises:
        UserError: If the file is not what the build writes.
    """
    return {name: reference for name, (reference, _) in _read(path).items()}


def lock_image(name: str, reference: str, path: Path = IMAGES_LOCK, *, code: str = "") -> None:
    """Records which image stands behind a name, and the digest of the programs in it where that is known."""
    images = _read(path) | {name: (reference, code)}
    lines = (f"{name} {reference}{f' code:{code}' if code else ''}\n" for name, (reference, code) in sorted(images.items()))
    write_text(path, "".join(lines))


def image_of(project: str, path: Path = IMAGES_LOCK) -> str:
    """Returns the reference of a project's image; without one the stages' image, and without a lock `sluice:latest`."""
    references = read_images_lock(path)
    return references.get(project_image_name(project)) or references.get(BASE_NAME) or IMAGE


def code_of(name: str, path: Path = IMAGES_LOCK) -> str:
    """Returns the digest of the programs that an image was built from; empty if the lock does not tell."""
    return _read(path).get(name, ("", ""))[1]


def why_stale(image: str, path: Path = IMAGES_LOCK, root: Path = _ROOT) -> str:
    """Returns a warning if an image is known to hold other programs than this folder; empty if it is not.

    Args:
        image: Reference of the image that stages are to run in.
        path: The lock.
        root: The repository.
    """
    codes = {code for reference, code in _read(path).values() if reference == image and code}
    if not codes or digest_programs(root) in codes:
        return ""
    again = "`make images`, and for a project's own image `sluice image`"
    return f"Warning: the image was built from other code than that of {' and '.join(_PROGRAMS)} here. Build it again: {again}."


def digest_programs(root: Path = _ROOT) -> str:
    """Returns the digest, in hex, of the programs in an image of the stages: what containers/build-images.sh computes."""
    files = [path for folder in _PROGRAMS for path in (root / folder).rglob("*") if path.suffix in (".py", ".j2")]
    names = sorted(path.relative_to(root).as_posix() for path in files)
    lines = (f"{hashlib.sha256((root / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _read(path: Path) -> dict[str, tuple[str, str]]:
    """Returns reference and digest of the programs, which may be empty, by name."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("The lock of the images can be read.", received=error, remedy="Run make images.") from error
    images = {}
    for line in lines:
        if not (found := _LINE.fullmatch(line)):
            raise UserError(
                "Each line of the lock of the images is a name and a reference with a digest.",
                received=path,
                remedy="Delete it, and run make images.",
            )
        images[found["name"]] = (found["reference"], found["code"] or "")
    return images
