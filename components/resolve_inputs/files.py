"""Finds what a pattern names: files of a file system, or objects of a bucket."""

import dataclasses
import glob
import re
from pathlib import Path, PurePosixPath

from components._cloud.objects import StoredFile, list_files
from components._shared.patterns import Pattern, Place, match_path

_WILDCARD = re.compile(r"[*?\[{]")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """One thing that a pattern names.

    Attributes:
        place: Its span and version.
        file: The file or the object; None for a folder that makes up a span or version, whether it holds files or not.
    """

    place: Place
    file: Path | StoredFile | None


def find(project_dir: Path, pattern: Pattern) -> list[Found]:
    """Returns what a pattern names, by name.

    A folder such as span-3/ that holds no matching file is a span without data, not a span that is not there. In a bucket there
    are no folders.

    Raises:
        UserError: If a number is not written as the pattern says, or the bucket cannot be listed.
    """
    if pattern.bucket:
        objects = list_files(pattern.bucket, _WILDCARD.split(pattern.path)[0])
        places = [(match_path(pattern, item.name), item) for item in objects]
        return [Found(place=place, file=item) for place, item in places if place]
    folders = [] if not pattern.has_spans else _match(project_dir, pattern.folder)
    found = [Found(place=place, file=None) for place, path in folders if path.is_dir()]
    files = [Found(place=place, file=path) for place, path in _match(project_dir, pattern) if not path.is_dir()]
    return found + files


def _match(project_dir: Path, pattern: Pattern) -> list[tuple[Place, Path]]:
    # Not Path.glob, which takes no absolute pattern and lists hidden files.
    names = sorted(glob.glob(pattern.glob, root_dir=project_dir, recursive=True))  # noqa: PTH207
    places = [(match_path(pattern, str(PurePosixPath(name))), project_dir / name) for name in names]
    return [(place, path) for place, path in places if place]
