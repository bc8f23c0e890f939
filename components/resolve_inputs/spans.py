"""The notation of spans: `all`, or numbers and ranges such as `3`, `1-9` and `1-3,7`."""

import re
from collections.abc import Iterable

from components._shared.errors import UserError

ALL = "all"
_MOST_SPANS = 100_000
_ITEM = re.compile(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", re.ASCII)


def parse_spans(text: str) -> list[int] | None:
    """Returns the numbers of the requested spans in ascending order, each once; None for all there are.

    Raises:
        UserError: If the text is no such notation, or a range runs backwards or is absurdly long.
    """
    if text.strip().lower() in ("", ALL):
        return None
    spans: set[int] = set()
    for item in text.split(","):
        match = _ITEM.fullmatch(item)
        if not match:
            raise UserError(
                "Spans are `all`, or numbers and ranges, parted by commas.", received=text, remedy="Write 1-9, or 1-3,7."
            )
        first = int(match[1])
        last = int(match[2] or match[1])
        if last < first:
            raise UserError("A range of spans runs upwards.", received=text, remedy=f"Write {last}-{first}.")
        if last - first >= _MOST_SPANS:
            raise UserError(f"A range holds at most {_MOST_SPANS} spans.", received=text)
        spans.update(range(first, last + 1))
    return sorted(spans)


def format_spans(spans: Iterable[int]) -> str:
    """Returns spans in the same notation, such as `1-3, 7`."""
    runs: list[list[int]] = []
    for span in sorted(set(spans)):
        if runs and span == runs[-1][1] + 1:
            runs[-1][1] = span
        else:
            runs.append([span, span])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
