"""Objects of Cloud Storage as input files: listed, and downloaded whole or not at all.

A download goes on where one that died has stopped: what is there is kept beside the target under the object's generation, which
never changes. The CRC32C that the store keeps of every object is compared with what arrived.
https://cloud.google.com/storage/docs/data-validation
"""

import base64
import contextlib
import dataclasses
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from components._cloud.client import client, errors, failures, request_options
from components._shared.errors import UserError
from components._shared.patterns import SCHEME

logger = logging.getLogger(__name__)

_REQUEST_SECONDS = 60.0
_RETRY_SECONDS = 120.0
_FIRST_DELAY = 1.0
_BLOCK_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredFile:
    """What a listing says of an object.

    Attributes:
        bucket: The bucket.
        name: Its name in the bucket.
        size: In bytes.
        crc32c: Base64 of its CRC32C, in network order, as the store gives it.
        generation: Which write it is.
    """

    bucket: str
    name: str
    size: int
    crc32c: str
    generation: int

    @property
    def url(self) -> str:
        """Its URL, without the generation."""
        return f"{SCHEME}{self.bucket}/{self.name}"


def list_files(bucket: str, prefix: str) -> list[StoredFile]:
    """Returns the objects whose names begin with a prefix, by name, without the markers of folders.

    Raises:
        UserError: If the bucket cannot be listed.
    """
    fields = "items(name,size,crc32c,generation,contentEncoding),nextPageToken"
    with _explained(f"{SCHEME}{bucket}/{prefix}"):
        blobs = list(client().list_blobs(bucket, prefix=prefix, fields=fields, **_options()))
    return [
        StoredFile(bucket=bucket, name=blob.name, size=blob.size, crc32c=blob.crc32c, generation=int(blob.generation))
        for blob in sorted(blobs, key=lambda blob: blob.name)
        if not blob.name.endswith("/")
    ]


def download(stored: StoredFile, target: Path) -> None:
    """Writes an object to a file, unless it is there already.

    Args:
        stored: The object, with its generation.
        target: The file. A file of that name is taken for the whole object; what has arrived of it so far is in one with the
            suffix `.part`, which another process may be writing too: then this one waits.

    Raises:
        UserError: If the object was replaced or removed, cannot be read, or arrives damaged twice.
    """
    part = target.with_name(f"{target.name}.part")
    while not target.exists():
        with part.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_same(file, part):
                continue
            if target.exists():
                part.unlink()
                return
            _complete(stored, part, file)
            part.rename(target)


def _is_same(file: IO[bytes], path: Path) -> bool:
    """Returns whether a file still has its name; whoever had the lock before may have renamed it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _complete(stored: StoredFile, part: Path, file: IO[bytes]) -> None:
    """Fetches what a file lacks of an object, and all of it if it is something else.

    Raises:
        UserError: If it arrives with another checksum twice.
    """
    for _ in range(2):
        _fetch_rest(stored, file)
        if _checksum(part) == stored.crc32c:
            os.fsync(file.fileno())
            return
        logger.warning("What has arrived of %s has another CRC32C than the object", stored.url)
        file.truncate(0)
    raise UserError(
        "An object arrives as it is stored.",
        received=f"{stored.url} (generation {stored.generation}), twice with another CRC32C than {stored.crc32c}",
        remedy="Check the network, and try again.",
    )


def _fetch_rest(stored: StoredFile, file: IO[bytes]) -> None:
    """Appends to a file what it lacks of an object."""
    start = file.seek(0, os.SEEK_END)
    if start > stored.size:
        start = file.seek(0)
        file.truncate()
    if start == stored.size:
        return
    if start:
        logger.info("%s: %d of %d bytes are there already", stored.url, start, stored.size)
    blob = client().bucket(stored.bucket).blob(stored.name, generation=stored.generation)
    with _explained(stored.url):
        try:
            # As it is stored: the store unpacks objects with Content-Encoding gzip, and then no checksum fits.
            blob.download_to_file(file, start=start, raw_download=True, checksum=None, **_options())
        except errors().NotFound as error:
            raise UserError(
                "An input file stays as it is while the pipeline runs.",
                received=f"{stored.url}, whose generation {stored.generation} is not there any more",
                remedy="Run the pipeline again.",
            ) from error
    file.flush()


def _checksum(path: Path) -> str:
    import google_crc32c  # noqa: PLC0415

    checksum = google_crc32c.Checksum()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            checksum.update(block)
    return base64.b64encode(checksum.digest()).decode()


@contextlib.contextmanager
def _explained(url: str) -> Iterator[None]:
    try:
        yield
    except failures() as error:
        raise UserError(
            "The bucket of the input files can be reached, listed and read.",
            received=f"{url}: {error}",
            remedy="Check bucket, network and rights (docs/inputs.md) and try again.",
        ) from error


def _options() -> dict[str, object]:
    return request_options(_REQUEST_SECONDS, _RETRY_SECONDS, _FIRST_DELAY)
