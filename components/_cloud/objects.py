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


def download(file: StoredFile, target: Path) -> None:
    """Writes an object to a file, unless it is there already.

    Args:
        file: The object, with its generation.
        target: The file. A file of that name is taken for the whole object; what has arrived of it so far is in one with the
            suffix `.part`, which another process may be writing too: then this one waits.

    Raises:
        UserError: If the object was replaced or removed, cannot be read, or arrives damaged twice.
    """
    with target.with_name(f"{target.name}.part").open("ab") as part:
        fcntl.flock(part, fcntl.LOCK_EX)
        if target.exists():
            return
        for _ in range(2):
            _fetch_rest(file, part)
            if _checksum(Path(part.name)) == file.crc32c:
                os.fsync(part.fileno())
                Path(part.name).rename(target)
                return
            logger.warning("What has arrived of %s has another CRC32C than the object; it is fetched anew", file.url)
            part.truncate(0)
    raise UserError(
        "An object arrives as it is stored.",
        received=f"{file.url} (generation {file.generation}), twice with another CRC32C than {file.crc32c}",
        remedy="Check the network, and try again.",
    )


def _fetch_rest(file: StoredFile, part: IO[bytes]) -> None:
    """Appends to a file what it lacks of an object."""
    part.seek(0, os.SEEK_END)
    if part.tell() > file.size:
        part.truncate(0)
    start = part.tell()
    if start == file.size:
        return
    if start:
        logger.info("%s: %d of %d bytes are there already", file.url, start, file.size)
    blob = client().bucket(file.bucket).blob(file.name, generation=file.generation)
    with _explained(file.url):
        try:
            # As it is stored: the store unpacks objects with Content-Encoding gzip, and then no checksum fits.
            blob.download_to_file(part, start=start, raw_download=True, checksum=None, **_options())
        except errors().NotFound as error:
            raise UserError(
                "An input file stays as it is while the pipeline runs.",
                received=f"{file.url}, whose generation {file.generation} is not there any more",
                remedy="Run the pipeline again.",
            ) from error
    part.flush()


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
