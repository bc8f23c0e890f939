"""Objects of Cloud Storage: listed, read, written under a precondition, removed.

Two facts carry everything: an object appears whole or not at all, and a write can demand the generation that it replaces
(0: there is none). https://cloud.google.com/storage/docs/request-preconditions

The client is imported when the first object is asked for, so nobody else pays for it. STORAGE_EMULATOR_HOST is honoured.
"""

import contextlib
import dataclasses
import functools
import io
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

from components._cloud.client import client as _client
from components._cloud.client import errors as _errors
from components._cloud.client import failures, request_options, run_parallel
from components._release.base import BucketPath
from components._shared.errors import UserError

logger = logging.getLogger(__name__)

WORKERS = 8
"""Transfers at a time; the client keeps ten connections."""

LARGE = 8 << 20
"""Above this many bytes the client uploads a file in a session, in pieces of this size, each of which it can repeat."""

_REQUEST_SECONDS = 60.0
_RETRY_SECONDS = 120.0
_FIRST_DELAY = 1.0
_ATTEMPTS = 20

S = TypeVar("S")
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class StoredObject:
    """What a listing says of an object.

    Attributes:
        name: Its name, relative to the place that was listed.
        size: In bytes.
        md5: Base64 of its MD5, computed by the store; empty if the store has none.
        generation: Which write it is.
    """

    name: str
    size: int
    md5: str
    generation: int


def list_objects(folder: BucketPath) -> list[StoredObject]:
    """Returns all objects below a place, however deep, by name."""
    prefix = f"{folder.name}/"
    fields = "items(name,size,md5Hash,generation),nextPageToken"
    with _explained(folder):
        blobs = list(_client().list_blobs(folder.bucket, prefix=prefix, fields=fields, **_options()))
    found = [(blob.name.removeprefix(prefix), blob.size, blob.md5_hash or "", blob.generation) for blob in blobs]
    return [StoredObject(*fields) for fields in sorted(found) if fields[0]]


def list_names(folder: BucketPath) -> list[str]:
    """Returns the names directly below a place, of objects and of what looks like folders."""
    prefix = f"{folder.name}/"
    fields = "items(name),prefixes,nextPageToken"
    with _explained(folder):
        found = _client().list_blobs(folder.bucket, prefix=prefix, delimiter="/", fields=fields, **_options())
        names = [blob.name for blob in found]  # the client collects the prefixes on the way
    return sorted({name.removeprefix(prefix).rstrip("/") for name in (*names, *found.prefixes)} - {""})


def read_object(path: BucketPath) -> tuple[bytes, int]:
    """Returns an object with its generation; generation 0 if there is none."""
    for _ in range(_ATTEMPTS):
        generation = find_generation(path)
        if not generation:
            return b"", 0
        data = read_generation(path, generation)
        if data is not None:
            return data, generation
    raise UserError("An object stays for as long as it takes to read it.", received=str(path), remedy="Try again.")


def find_generation(path: BucketPath) -> int:
    """Returns the generation of an object; 0 if there is none."""
    with _explained(path):
        blob = _bucket(path).get_blob(path.name, **_options())
    return int(blob.generation) if blob else 0


@functools.lru_cache(maxsize=4096)
def read_generation(path: BucketPath, generation: int) -> bytes | None:
    """Returns one generation of an object; None if it was removed or replaced.

    A generation never changes, so what was read once is remembered.
    """
    with _explained(path):
        try:
            return _bucket(path).blob(path.name, generation=generation).download_as_bytes(**_options())
        except _errors().NotFound:
            return None


def write_object(path: BucketPath, data: bytes, *, replaces: int) -> bool:
    """Writes an object if it has the generation that it is to replace (0: if there is none).

    Returns:
        Whether it holds the data now. An answer that got lost makes the client try again, and the store refuses what it has
        already; the data itself tells that from somebody else's write. Who may create but not replace objects gets the same
        answer for an object that is there as for one that may not be written.
    """
    options = {"if_generation_match": replaces, "checksum": "md5", "content_type": _content_type(path), **_options()}
    with _explained(path):
        try:
            _bucket(path).blob(path.name).upload_from_string(data, **options)
        except (_errors().PreconditionFailed, _errors().Forbidden):
            found, generation = read_object(path)
            if generation in (0, replaces):
                raise  # nobody was faster, so it is forbidden indeed
            return found == data
    return True


def create_object(path: BucketPath, source: Path | bytes, size: int) -> bool:
    """Uploads a file or bytes as a new object, in pieces if it is large; returns False if there is one of that name."""
    options = {"if_generation_match": 0, "checksum": "md5", "content_type": _content_type(path), **_options()}
    with _explained(path), io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        try:
            _bucket(path).blob(path.name, chunk_size=LARGE).upload_from_file(file, size=size, **options)
        except (_errors().PreconditionFailed, _errors().Forbidden):
            if not find_generation(path):
                raise
            return False
    return True


def copy_object(source: BucketPath, generation: int, target: BucketPath) -> bool:
    """Copies one generation of an object within the store to a new object; returns False if there is one of that name."""
    with _explained(target):
        blob, token = _bucket(target).blob(target.name), None
        try:
            while True:
                original = _bucket(source).blob(source.name, generation=generation)
                token, _, _ = blob.rewrite(original, token=token, if_generation_match=0, **_options())
                if token is None:
                    return True
        except (_errors().PreconditionFailed, _errors().Forbidden):
            if not find_generation(target):
                raise
            return False


def download_object(path: BucketPath, generation: int, target: IO[bytes]) -> None:
    """Writes one generation of an object into a file, piece by piece."""
    with _explained(path):
        _bucket(path).blob(path.name, generation=generation).download_to_file(target, checksum="md5", **_options())


def remove_objects(folder: BucketPath) -> None:
    """Removes all objects below a place, as far as the bucket's retention and the caller's rights let it."""

    def remove(found: StoredObject) -> None:
        path = folder / found.name
        with _explained(path):
            try:
                _bucket(path).blob(path.name).delete(if_generation_match=found.generation, **_options())
            except (_errors().NotFound, _errors().PreconditionFailed):
                logger.info("Somebody else removed or replaced %s", path)
            except _errors().Forbidden as error:
                logger.warning("Could not remove the leftover %s; it does no harm but takes room: %s", path, error)

    in_parallel(remove, list_objects(folder))


def in_parallel(do: Callable[[S], T], items: Iterable[S]) -> list[T]:
    """Calls a function with each item, a few at a time, and returns the results in order; the first error is raised."""
    return run_parallel(do, items, WORKERS)


@contextlib.contextmanager
def _explained(path: BucketPath) -> Iterator[None]:
    """Turns missing rights, a missing bucket and a store that does not answer into an error for the user."""
    try:
        yield
    except failures() as error:
        raise UserError(
            f"The bucket {path.bucket} can be reached, listed, read and written.",
            received=f"{path}: {error}",
            remedy="The live version is untouched. Check bucket, network and rights (docs/object-stores.md) and try again.",
        ) from error


def _content_type(path: BucketPath) -> str:
    return "application/json" if path.name.endswith(".json") else "application/octet-stream"


def _bucket(path: BucketPath) -> Any:
    return _client().bucket(path.bucket)


def _options() -> dict[str, Any]:
    # Every write carries a precondition, so to repeat it is safe.
    return request_options(_REQUEST_SECONDS, _RETRY_SECONDS, _FIRST_DELAY)
