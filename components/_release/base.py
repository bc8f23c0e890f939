"""Where a serving directory lies: in a folder, or under a prefix of a bucket."""

import dataclasses
import re
from pathlib import Path

from components._shared.errors import UserError

SCHEME = "gs://"

_BUCKET = r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.=-]*"
_URL = re.compile(rf"gs://({_BUCKET})/({_NAME}(?:/{_NAME})*)/?", re.ASCII)


@dataclasses.dataclass(frozen=True)
class BucketPath:
    """A place in a Cloud Storage bucket.

    Attributes:
        bucket: Name of the bucket.
        name: Name of an object, or of all objects below it as far as the next slash; without slashes at its ends.
    """

    bucket: str
    name: str

    def __truediv__(self, below: str) -> "BucketPath":
        return BucketPath(self.bucket, f"{self.name}/{below}")

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.name}"


Base = Path | BucketPath
"""The base path of a model."""


def is_url(text: str | Path | BucketPath) -> bool:
    """Returns whether a serving directory is named by a URL."""
    return "://" in str(text)


def to_base(text: str | Base) -> Base:
    """Returns the base path that a text names.

    Raises:
        UserError: If it is a URL that names no folder of a bucket.
    """
    if isinstance(text, BucketPath) or not is_url(text):
        return text if isinstance(text, BucketPath) else Path(text)
    match = _URL.fullmatch(str(text))
    if not match:
        raise UserError(
            "A serving directory on an object store is gs://BUCKET/FOLDER/MODEL, with letters, digits and -_.= in its names.",
            received=repr(text),
            remedy="Set serving.directory in project.yaml, or the parameter serving_dir.",
        )
    return BucketPath(*match.groups())
