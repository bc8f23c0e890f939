"""The patterns that name input files, with TFX's placeholders.

| placeholder | stands for |
|---|---|
| `{SPAN}`, `{SPAN:w}` | the number of the span; with a width, in exactly that many digits |
| `{YYYY}`, `{MM}`, `{DD}` | instead of it: a day, all three once; the span is the number of days since 1970-01-01 |
| `{VERSION}`, `{VERSION:w}` | the version of the span; the latest one of each span is read |
"""

import dataclasses
import fnmatch
import functools
import re
from pathlib import PurePosixPath

from components._shared.errors import UserError
from components._shared.spans import span_of

SPAN, VERSION = "SPAN", "VERSION"
DATES = ("YYYY", "MM", "DD")
SCHEME = "gs://"

WHOLE = 0
"""The span of files whose pattern has no placeholder, as in TFX."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_RUN = re.compile(r"(?:\{[^{}]*\})+")
_KNOWN = "{SPAN}, {VERSION}, both also with a width as in {SPAN:2}, and {YYYY}, {MM} and {DD}"
_BUCKET_URL = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/(.*[^/])", re.ASCII)
_WIDTHS = {"YYYY": 4, "MM": 2, "DD": 2}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """Where a file belongs.

    Attributes:
        span: Number of its span.
        version: Version of the span; None where the pattern names none.
    """

    span: int
    version: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pattern:
    """A pattern that was checked.

    Attributes:
        text: As it was written.
        bucket: Name of the bucket; empty for a file system.
        path: The pattern of a path, or of an object's name in the bucket.
        placeholders: What stands in braces, in order, each as name and width; width 0 is none.
    """

    text: str
    bucket: str
    path: str
    placeholders: tuple[tuple[str, int], ...]

    @property
    def has_spans(self) -> bool:
        """Whether it tells spans apart."""
        return bool(self.placeholders)

    @property
    def has_dates(self) -> bool:
        """Whether its spans are days."""
        return any(name in DATES for name, _ in self.placeholders)

    @property
    def glob(self) -> str:
        """The pattern with a star for each placeholder or run of them."""
        return re.sub(r"\*+", "*", _PLACEHOLDER.sub("*", self.path)) if self.placeholders else self.path

    @property
    def folder(self) -> "Pattern":
        """The pattern of the folders that make up a span or version: as deep as the deepest placeholder."""
        parts = PurePosixPath(self.path).parts
        deepest = max(index for index, part in enumerate(parts) if _PLACEHOLDER.search(part))
        return dataclasses.replace(self, path=str(PurePosixPath(*parts[: deepest + 1])))


def parse_pattern(text: str) -> Pattern:
    """Returns a pattern after checking it.

    Raises:
        UserError: If it is empty, has another scheme than gs://, or placeholders that are unknown or do not go together.
    """
    if not text.strip():
        raise UserError("The source has a pattern that names its files.", received="an empty pattern")
    bucket, path = "", str(PurePosixPath(text))
    if "://" in text:
        bucket, path = split_url(text)
    found = tuple(_read_placeholder(item, text) for item in _PLACEHOLDER.findall(path))
    if re.search("[{}]", _PLACEHOLDER.sub("", path)):
        raise UserError("Each brace of a pattern has its other half.", received=text, remedy=f"There are {_KNOWN}.")
    _check_together(found, text)
    if found and "**" in path:
        raise UserError("A pattern holds placeholders or **, not both.", received=text, remedy="Write one * per folder.")
    return Pattern(text=text, bucket=bucket, path=path, placeholders=found)


def split_url(url: str) -> tuple[str, str]:
    """Returns bucket and name of an object, or of a pattern of objects.

    Raises:
        UserError: If it is not in Cloud Storage.
    """
    if match := _BUCKET_URL.fullmatch(url):
        return match[1], match[2]
    rule = "Input files are on a file system of this machine or in Cloud Storage."
    raise UserError(rule, received=url, remedy="Write gs://BUCKET/FOLDER/*.csv, or mount or copy the files.")


def match_path(pattern: Pattern, path: str) -> Place | None:
    """Returns span and version of a path; None if the pattern does not name it.

    Args:
        pattern: The pattern.
        path: A path with slashes, absolute if the pattern is, or the name of an object.

    Returns:
        Its place; of a pattern without placeholders, span 0.

    Raises:
        UserError: If a number is written in another width, or with leading zeros where the pattern has no width: it could name
            a span twice, and a span that nobody reads would go unnoticed. Or if a date is not in the calendar.
    """
    parts, names = tuple(pattern.path.split("/")), tuple(path.split("/"))
    texts = _match(parts, names, strict=True)
    if texts is None:
        if _match(parts, names, strict=False) is not None:
            rule = "The numbers of spans and versions are as wide as the pattern says."
            raise UserError(rule, received=f"{path} with {pattern.text}", remedy="Rename it, or mend `source.pattern`.")
        return None
    for (name, width), text in zip(pattern.placeholders, texts, strict=True):
        if not width and text != str(int(text)):
            raise UserError(
                f"The number of a {name.lower()} is written without leading zeros where the pattern gives no width.",
                received=path,
                remedy=f"Write its width, as in {{{name}:2}}, or rename it.",
            )
    return _place(pattern, path, [int(text) for text in texts])


def _read_placeholder(text: str, pattern: str) -> tuple[str, int]:
    name, colon, width = text.partition(":")
    if name not in (SPAN, VERSION, *DATES):
        raise UserError(f"The placeholders of a pattern are {_KNOWN}.", received=f"{{{text}}} in {pattern}")
    if colon and name in DATES:
        raise UserError("Year, month and day have the widths 4, 2 and 2, and no other.", received=f"{{{text}}} in {pattern}")
    if colon and not re.fullmatch("[1-9][0-9]?", width):
        raise UserError("A width is a whole number from 1 to 99.", received=f"{{{text}}} in {pattern}")
    return name, _WIDTHS.get(name) or int(width or 0)


def _check_together(found: tuple[tuple[str, int], ...], text: str) -> None:
    """Checks what placeholders may stand in one pattern.

    Raises:
        UserError: If they may not.
    """
    names = [name for name, _ in found]
    days = [name for name in names if name in DATES]
    if SPAN in names and days:
        raise UserError("A pattern has {SPAN} or a date, not both.", received=text, remedy="The date is the span.")
    if days and sorted(days) != sorted(DATES):
        raise UserError("A date is {YYYY}, {MM} and {DD}, each once.", received=text)
    if VERSION in names and not days and SPAN not in names:
        raise UserError("{VERSION} goes with {SPAN} or a date.", received=text, remedy="A version is a version of a span.")
    if names.count(VERSION) > 1:
        raise UserError("A pattern has {VERSION} once.", received=text)
    if len({width for name, width in found if name == SPAN}) > 1:
        raise UserError("{SPAN} has the same width wherever it stands.", received=text)
    for run in _RUN.finditer(text):
        if sum(not _read_placeholder(item, text)[1] for item in _PLACEHOLDER.findall(run[0])) > 1:
            raise UserError("Of placeholders that touch, one at most has no width.", received=text)


def _match(parts: tuple[str, ...], names: tuple[str, ...], *, strict: bool) -> list[str] | None:
    """Returns the texts of the placeholders, of any number of digits if it is not strict; None if the names do not match."""
    if not names:
        return [] if all(part == "**" for part in parts) else None
    if not parts:
        return None
    if parts[0] == "**":
        here = _match(parts[1:], names, strict=strict)
        deeper = here is None and not names[0].startswith(".")
        return _match(parts, names[1:], strict=strict) if deeper else here
    if names[0].startswith(".") and not parts[0].startswith("."):
        return None  # hidden, as in a shell
    found = _part_expression(parts[0], strict=strict).match(names[0])
    rest = _match(parts[1:], names[1:], strict=strict) if found else None
    return None if found is None or rest is None else [*found.groups(), *rest]


@functools.cache
def _part_expression(part: str, *, strict: bool) -> re.Pattern[str]:
    """Returns the expression for one step of a path, with a group for each placeholder."""
    numbers: dict[str, str] = {}

    def mark(run: re.Match[str]) -> str:
        widths = [_read_placeholder(item, part)[1] if strict else 0 for item in _PLACEHOLDER.findall(run[0])]
        groups = "".join(rf"(\d{{{width}}})" if width else r"(\d+)" for width in widths)
        # A number is whole: what touches it is no digit, unless the pattern itself says so.
        before = "" if part[run.start() - 1 : run.start()].isdigit() else r"(?<!\d)"
        after = "" if part[run.end() : run.end() + 1].isdigit() else r"(?!\d)"
        token = f"SLUICENUMBER{chr(ord('A') + len(numbers))}"  # letters only, so that they pass through fnmatch unchanged
        numbers[token] = before + groups + after
        return token

    expression = fnmatch.translate(_RUN.sub(mark, part))
    for token, number in numbers.items():
        expression = expression.replace(token, number)
    return re.compile(expression, re.ASCII)


def _place(pattern: Pattern, path: str, numbers: list[int]) -> Place | None:
    values: dict[str, int] = {}
    for (name, _), number in zip(pattern.placeholders, numbers, strict=True):
        if values.setdefault(name, number) != number:
            return None  # two places of {SPAN} that differ
    if not pattern.has_dates:
        return Place(span=values.get(SPAN, WHOLE), version=values.get(VERSION))
    try:
        return Place(span=span_of(*(values[name] for name in DATES)), version=values.get(VERSION))
    except ValueError as error:
        raise UserError("A date in a path is in the calendar.", received=path, remedy="Rename it.") from error
