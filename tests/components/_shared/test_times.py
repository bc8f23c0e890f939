import datetime

import pytest

from components._shared.times import from_text, to_people, to_text

NOON_IN_BERLIN = datetime.datetime(2026, 3, 2, 12, 0, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))


def test_moments_are_written_in_utc():
    assert (to_text(NOON_IN_BERLIN), to_people(NOON_IN_BERLIN)) == ("2026-03-02T11:00:30+00:00", "2026-03-02 11:00 UTC")
    assert from_text(to_text(NOON_IN_BERLIN)) == NOON_IN_BERLIN


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-03-02T11:00:30"])
def test_what_is_no_moment_everywhere_is_refused(text):
    with pytest.raises(ValueError, match=r"isoformat|no time zone"):
        from_text(text)
