"""The ledger's entries as objects of a bucket: an upload that demands that there is no such object yet."""

from collections.abc import Callable

from components._release import gcs
from components._release.base import BucketPath


def list_names(folder: BucketPath) -> list[str]:
    """Returns all names in the ledger's folder; none if it is not there."""
    return gcs.list_names(folder)


def read_all(folder: BucketPath, is_wanted: Callable[[str], bool]) -> dict[str, bytes | OSError]:
    """Lists the folder, and returns the content of each object that is wanted, or why it cannot be read."""

    def read(found: gcs.StoredObject) -> bytes | OSError:
        content = gcs.read_generation(folder / found.name, found.generation)
        return FileNotFoundError(f"{folder / found.name} was removed meanwhile") if content is None else content

    wanted = [found for found in gcs.list_objects(folder) if is_wanted(found.name)]
    return dict(zip([found.name for found in wanted], gcs.in_parallel(read, wanted), strict=True))


def publish(folder: BucketPath, name: str, data: bytes) -> bool:
    """Publishes an entry; returns False if another process was faster."""
    return gcs.write_object(folder / name, data, replaces=0)
