"""The ledger's entries as objects of a bucket: an upload that demands that there is no such object yet."""

from collections.abc import Sequence

from components._release import gcs
from components._release.base import BucketPath


def list_names(folder: BucketPath) -> list[str]:
    """Returns all names in the ledger's folder; none if it is not there."""
    return gcs.list_names(folder)


def read_all(folder: BucketPath, names: Sequence[str]) -> list[bytes | OSError]:
    """Returns the content of each object, or why it cannot be read."""
    generations = {found.name: found.generation for found in gcs.list_objects(folder)}

    def read(name: str) -> bytes | OSError:
        if name not in generations:
            return FileNotFoundError(f"{folder / name} is no object")
        return gcs.read_generation(folder / name, generations[name])

    return gcs.in_parallel(read, names)


def publish(folder: BucketPath, name: str, data: bytes) -> bool:
    """Publishes an entry; returns False if another process was faster."""
    return gcs.write_object(folder / name, data, replaces=0)
