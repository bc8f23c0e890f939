"""Recognises columns of dates, and says how to take a date apart."""

import dataclasses
import re

import pyarrow as pa
import pyarrow.compute as pc

_YEAR, _MONTH, _DAY, _GAP = r"(?P<year>\d{4})", r"(?P<month>\d\d?)", r"(?P<day>\d\d?)", "[-/.]"
_TIME = r"(?:[ T](?P<hour>\d\d?):\d\d.*)?"
_ORDERS = {"year, month, day": (_YEAR, _MONTH, _DAY), "month, day, year": (_MONTH, _DAY, _YEAR)}
_ORDERS["day, month, year"] = (_DAY, _MONTH, _YEAR)
_LEAST_SHARE = 0.95


@dataclasses.dataclass(frozen=True, kw_only=True)
class DateForm:
    """How the dates of a column are written.

    Attributes:
        order: In words.
        pattern: Regular expression (RE2) of the whole text; groups 1 to 3 are the parts of the date, 4 is the hour.
        parts: Numbers of the groups year, month and day.
        has_time: Whether the time of day differs among the values.
        all_read: Whether every value is a date.
    """

    order: str
    pattern: str
    parts: tuple[int, int, int]
    has_time: bool
    all_read: bool


def find_date_form(distinct: pa.Array) -> DateForm | None:
    """Returns how the texts of a column are dates, or None if they are none.

    Where days and months could be either, as in 03/04/2020, the month comes first.

    Args:
        distinct: Its distinct texts, not null.
    """
    for order, groups in _ORDERS.items():
        pattern = rf"^\s*{_GAP.join(groups)}{_TIME}\s*$"
        found = pc.extract_regex(distinct, pattern)
        month, day = (_whole(found.field(name)) for name in ("month", "day"))
        is_date = pc.and_(pc.and_(pc.greater(month, 0), pc.less(month, 13)), pc.and_(pc.greater(day, 0), pc.less(day, 32)))
        dates = pc.sum(is_date).as_py() or 0
        if len(distinct) and dates >= _LEAST_SHARE * len(distinct):
            hours = pc.unique(pc.drop_null(_whole(found.field("hour"))))
            parts = (groups.index(_YEAR) + 1, groups.index(_MONTH) + 1, groups.index(_DAY) + 1)
            plain = re.sub(r"\?P<\w+>", "", pattern)
            all_read = dates == len(distinct)
            return DateForm(order=order, pattern=plain, parts=parts, has_time=len(hours) > 1, all_read=all_read)
    return None


def _whole(texts: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts).cast(pa.int64())
