"""Versions as objects of a bucket, `<base>/<version>/…`: uploaded, compared, downloaded, removed."""

import base64
import dataclasses
import hashlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from components._release import gcs
from components._release.base import BucketPath
from components._shared.artifacts import ASSETS_EXTRA_DIR, RELEASE_DIR
from components._shared.digest import digest_files
from components._shared.errors import UserError

logger = logging.getLogger(__name__)

_RELEASE = f"{ASSETS_EXTRA_DIR}/{RELEASE_DIR}"
_CHUNK = 1 << 20


@dataclasses.dataclass(frozen=True)
class Content:
    """One file of a version.

    Attributes:
        source: The file, its bytes, or an object of the same bucket with its generation.
        size: In bytes.
        digest: `sha256:<hex>`, which goes into the version's digests.
        md5: Base64 of its MD5, which a listing shows.
    """

    source: Path | bytes | tuple[BucketPath, int]
    size: int
    digest: str
    md5: str


def read_contents(model: Path, attachments: Mapping[str, bytes]) -> dict[str, Content]:
    """Returns what a version will hold, by relative POSIX path: the model as trained and what its release carries.

    Raises:
        UserError: If the model holds a link to a folder, or something that is neither file nor folder.
    """
    contents = {}
    for path in sorted(model.rglob("*")):
        name = path.relative_to(model).as_posix()
        # The release folder of a model as trained is outside its digest, so nobody vouches for what it may hold.
        if name == _RELEASE or name.startswith(f"{_RELEASE}/"):
            continue
        if path.is_file():
            contents[name] = _read_content(path)
        elif path.is_symlink() or not path.is_dir():
            raise UserError("A model holds plain files and folders.", received=str(path))
    return contents | {f"{_RELEASE}/{name}": _read_content(data) for name, data in attachments.items()}


def read_stored(folder: BucketPath) -> dict[str, Content]:
    """Returns what lies below a place, by relative POSIX path; each object is downloaded once for its SHA-256 and not kept."""

    def read(found: gcs.StoredObject) -> Content:
        path, sha256 = folder / found.name, _Hashing()
        gcs.download_object(path, found.generation, sha256)  # type: ignore[arg-type]  # all that is asked of it is to write
        return Content((path, found.generation), found.size, f"sha256:{sha256.state.hexdigest()}", found.md5)

    found = gcs.list_objects(folder)
    return dict(zip([item.name for item in found], gcs.in_parallel(read, found), strict=True))


class _Hashing:
    """Hashes what is written into it."""

    def __init__(self) -> None:
        self.state = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.state.update(data)
        return len(data)

    def flush(self) -> None:
        pass


def digests_of(contents: Mapping[str, Content]) -> tuple[str, str]:
    """Returns the digest of a version's whole folder, and that of the model as trained."""
    digests = {name: content.digest for name, content in contents.items()}
    return digest_files(digests), digest_files(digests, exclude=(_RELEASE,))


def upload_version(folder: BucketPath, contents: Mapping[str, Content]) -> str:
    """Uploads what is missing under a version's prefix, and compares all that is there with what was to be uploaded.

    What an interrupted upload has left is kept, since objects are whole or not there.

    Returns:
        What is wrong with what lies there, as a sentence; empty if all of it is right.
    """
    there = {found.name for found in gcs.list_objects(folder)}
    missing = [name for name in sorted(contents) if name not in there]
    gcs.in_parallel(lambda name: _create(folder / name, contents[name]), missing)
    found = {item.name: (item.size, item.md5) for item in gcs.list_objects(folder)}
    wanted = {name: (content.size, content.md5) for name, content in contents.items()}
    wrong = sorted(name for name in found.keys() | wanted if found.get(name) != wanted.get(name))
    if not wrong:
        return ""
    more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return f"{folder / wrong[0]}{more} is not what was uploaded."


def download_version(folder: BucketPath, target: Path) -> None:
    """Downloads a version into a new folder; nothing here says that it is what was pushed.

    Raises:
        UserError: If nothing is there, or an object's name is no path below a folder.
    """
    found = gcs.list_objects(folder)
    if not found:
        raise UserError("A version that was pushed stays in its place.", received=f"nothing is below {folder}")
    folders = {str(parent) for item in found for parent in PurePosixPath(item.name).parents}
    for item in found:
        if {"", ".", ".."} & set(item.name.split("/")) or item.name in folders:
            raise UserError("A version holds files and folders.", received=str(folder / item.name))

    def download(item: gcs.StoredObject) -> None:
        path = target / item.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            gcs.download_object(folder / item.name, item.generation, file)

    target.mkdir(parents=True)
    gcs.in_parallel(download, found)


def digest_version(folder: BucketPath) -> tuple[str, str]:
    """Returns the digests of a version's whole folder and of the model, by what is stored now."""
    return digests_of(read_stored(folder))


def _create(path: BucketPath, content: Content) -> None:
    if isinstance(content.source, tuple):
        gcs.copy_object(*content.source, path)
    else:
        gcs.create_object(path, content.source, content.size)


def _read_content(source: Path | bytes) -> Content:
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    for chunk in _chunks(source):
        sha256.update(chunk)
        md5.update(chunk)
        size += len(chunk)
    return Content(source, size, f"sha256:{sha256.hexdigest()}", base64.b64encode(md5.digest()).decode())


def _chunks(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
