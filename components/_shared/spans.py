"""The notation of spans: which of the spans that are there a run reads.

| text | spans |
|---|---|
| `all` | all there are |
| `3`, `1-9`, `1-3,7` | these numbers |
| `2013-01-05`, `2013-01-01..2013-01-31` | these days, where the pattern has {YYYY}, {MM} and {DD} |
| `latest:7` | the last seven there are |
| `latest:7,skip:1` | the last seven but for the latest one, which may still be growing |
"""

import dataclasses
import datetime
import re
from collections.abc import Iterable, Sequence

from components._shared.errors import UserError

ALL = "all"
_MOST_SPANS = 100_000
_EPOCH = datetime.date(1970, 1, 1)
_DATE = r"\d{4}-\d\d-\d\d"
_NUMBERS = re.compile(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", re.ASCII)
_DATES = re.compile(rf"\s*({_DATE})\s*(?:\.\.\s*({_DATE})\s*)?", re.ASCII)
_LATEST = re.compile(r"\s*latest\s*:\s*(\d+)\s*(?:,\s*skip\s*:\s*(\d+)\s*)?", re.ASCII | re.IGNORECASE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpanChoice:
    """Which spans are asked for.

    Attributes:
        numbers: Numbers of the spans, ascending; None for all, or for the latest.
        latest: How many of the latest spans; 0 for no such window.
        skip: How many spans at the end the window leaves out.
    """

    numbers: tuple[int, ...] | None = None
    latest: int = 0
    skip: int = 0

    @property
    def is_all(self) -> bool:
        """Whether every span there is is asked for."""
        return self.numbers is None and not self.latest

    def among(self, found: Sequence[int]) -> list[int]:
        """Returns the spans that are asked for; of a window, those that are there.

        Args:
            found: Numbers of the spans there are, ascending. They need not follow each other without a gap.
        """
        if self.numbers is not None:
            return list(self.numbers)
        if not self.latest:
            return list(found)
        return list(found[: len(found) - self.skip] if self.skip < len(found) else [])[-self.latest :]


def parse_spans(text: str) -> SpanChoice:
    """Returns what a text asks for.

    Raises:
        UserError: If the text is no such notation, or a range runs backwards or is absurdly long.
    """
    if text.strip().lower() in ("", ALL):
        return SpanChoice()
    if match := _LATEST.fullmatch(text):
        if not int(match[1]):
            raise UserError("A window holds at least one span.", received=text, remedy="Write latest:1.")
        return SpanChoice(latest=int(match[1]), skip=int(match[2] or 0))
    spans: set[int] = set()
    for item in text.split(","):
        first, last = _bounds(item, text)
        if last < first:
            raise UserError("A range of spans runs upwards.", received=text, remedy="Exchange its ends.")
        if last - first >= _MOST_SPANS:
            raise UserError(f"A range holds at most {_MOST_SPANS} spans.", received=text)
        spans.update(range(first, last + 1))
    return SpanChoice(numbers=tuple(sorted(spans)))


def format_spans(spans: Iterable[int], *, dated: bool = False) -> str:
    """Returns spans in the same notation, such as `1-3, 7`, or as days."""
    runs: list[list[int]] = []
    for span in sorted(set(spans)):
        if runs and span == runs[-1][1] + 1:
            runs[-1][1] = span
        else:
            runs.append([span, span])
    name, to = (date_of, "..") if dated else (str, "-")
    return ", ".join(name(first) if first == last else f"{name(first)}{to}{name(last)}" for first, last in runs)


def span_of(year: int, month: int, day: int) -> int:
    """Returns the span of a day: days since 1970-01-01, as in TFX.

    Raises:
        ValueError: If there is no such day.
    """
    return (datetime.date(year, month, day) - _EPOCH).days


def date_of(span: int) -> str:
    """Returns the day of a span in ISO form."""
    return (_EPOCH + datetime.timedelta(days=span)).isoformat()


def _bounds(item: str, text: str) -> tuple[int, int]:
    if match := _NUMBERS.fullmatch(item):
        return int(match[1]), int(match[2] or match[1])
    if match := _DATES.fullmatch(item):
        try:
            first, last = (span_of(*map(int, day.split("-"))) for day in (match[1], match[2] or match[1]))
        except ValueError as error:
            raise UserError("A day of the spans is in the calendar.", received=text) from error
        return first, last
    raise UserError(
        "Spans are `all`, a window such as `latest:7`, or numbers, days and ranges of them, parted by commas.",
        received=text,
        remedy="Write 1-9, or 1-3,7, or 2013-01-01..2013-01-31, or latest:7,skip:1.",
    )
