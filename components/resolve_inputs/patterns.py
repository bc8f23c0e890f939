"""Finds the files that a pattern names, and the span that each belongs to."""

import fnmatch
import glob
import re
from collections import defaultdict
from pathlib import Path, PurePosixPath

from components._shared.errors import UserError

PLACEHOLDER = "{SPAN}"
_TOKEN = "SPANNUMBER"  # noqa: S105 - letters only, so that it passes through fnmatch unchanged
_NUMBER = r"(?<!\d)(\d+)(?!\d)"


def check_pattern(pattern: str) -> None:
    """Checks what can be told from the pattern alone.

    Raises:
        UserError: If it is empty, has a scheme, or holds a placeholder other than {SPAN}.
    """
    if not pattern.strip():
        raise UserError("The source has a pattern that names its files.", received="an empty pattern")
    if "://" in pattern:
        raise UserError("The input files are on a file system of this machine.", received=pattern, remedy="Mount or copy them.")
    rest = pattern.replace(PLACEHOLDER, "")
    if "{" in rest or "}" in rest:
        raise UserError(
            f"The only placeholder of a pattern is {PLACEHOLDER}, without a width.",
            received=pattern,
            remedy=f"Write {PLACEHOLDER}, and name spans without leading zeros, as in span-7.",
        )
    if PLACEHOLDER in pattern and "**" in pattern:
        raise UserError(f"A pattern holds {PLACEHOLDER} or **, not both.", received=pattern, remedy="Write one * per folder.")


def find_files(project_dir: Path, pattern: str) -> list[Path]:
    """Returns the files that a pattern without {SPAN} names, in the order of their names."""
    return sorted(path for path in _glob(project_dir, pattern) if not path.is_dir())


def find_files_by_span(project_dir: Path, pattern: str) -> dict[int, list[Path]]:
    """Returns the files of each span, in the order of their names; a span with a folder and no file has an empty list.

    Raises:
        UserError: If a span is written with leading zeros, which could name one span twice.
    """
    parts = PurePosixPath(pattern).parts
    files: dict[int, list[Path]] = defaultdict(list)
    # A folder such as span-3/ that holds no matching file is a span without data, not a span that is not there.
    deepest = max(index for index, part in enumerate(parts) if PLACEHOLDER in part)
    for path in _glob(project_dir, str(PurePosixPath(*parts[: deepest + 1]))):
        span = _span_of(project_dir, path, parts[: deepest + 1])
        if span is not None and path.is_dir():
            files[span] = []
    for path in _glob(project_dir, pattern):
        span = _span_of(project_dir, path, parts)
        if span is not None and not path.is_dir():
            files[span].append(path)
    return {span: sorted(files[span]) for span in sorted(files)}


def _glob(project_dir: Path, pattern: str) -> list[Path]:
    # Not Path.glob, which takes no absolute pattern and lists hidden files.
    names = glob.glob(pattern.replace(PLACEHOLDER, "*"), root_dir=project_dir, recursive=True)  # noqa: PTH207
    return [project_dir / name for name in names]


def _span_of(project_dir: Path, path: Path, parts: tuple[str, ...]) -> int | None:
    """Returns the number that stands for {SPAN}; None if there is none, or if two placeholders differ."""
    names = path.parts if PurePosixPath(*parts).is_absolute() else path.parts[len(project_dir.parts) :]
    numbers: set[str] = set()
    for name, part in zip(names, parts, strict=True):
        if PLACEHOLDER in part:
            expression = fnmatch.translate(part.replace(PLACEHOLDER, _TOKEN)).replace(_TOKEN, _NUMBER)
            match = re.match(expression, name, re.ASCII)
            numbers.update(match.groups() if match else ("", "no number"))
    if len(numbers) != 1:
        return None
    (number,) = numbers
    if number != str(int(number)):
        raise UserError(
            "The number of a span is written without leading zeros.",
            received=str(path),
            remedy="Rename it, or leave the zeros to a * in the pattern.",
        )
    return int(number)
