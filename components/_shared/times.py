"""Moments as documents hold them and as people read them: always UTC."""

import datetime


def to_text(moment: datetime.datetime) -> str:
    """Returns a moment in ISO 8601, in UTC and to the second."""
    return moment.astimezone(datetime.UTC).isoformat(timespec="seconds")


def from_text(text: str) -> datetime.datetime:
    """Reads a moment in ISO 8601.

    Raises:
        ValueError: If it is none, or does not say its distance from UTC: nobody could tell when that is.
    """
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone")
    return moment


def to_people(moment: datetime.datetime) -> str:
    """Returns a moment as `2026-11-28 14:00 UTC`."""
    return f"{moment.astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC"
