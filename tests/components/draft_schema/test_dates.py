import re

import pyarrow as pa
import pytest

from components.draft_schema.dates import find_date_form


@pytest.mark.parametrize(
    ("texts", "order", "has_time"),
    [
        (["2024-02-29", "2023-12-01"], "year, month, day", False),
        (["2024/2/9", "2023/12/31"], "year, month, day", False),
        (["2024-02-29 08:15:00", "2024-03-01T17:00:00Z"], "year, month, day", True),
        (["2024-02-29 00:00:00", "2024-03-01 00:00:00"], "year, month, day", False),
        (["12/31/2024", "01/02/2024"], "month, day, year", False),
        (["31.12.2024", "01.02.2024"], "day, month, year", False),
    ],
)
def test_the_order_of_a_date_is_the_one_that_fits_all(texts, order, has_time):
    form = find_date_form(pa.array(texts))
    assert (form.order, form.has_time) == (order, has_time)
    match = re.search(form.pattern, texts[0])
    assert match.group(form.parts[0]) == "2024"


@pytest.mark.parametrize("texts", [["2024-13-01", "2024-02-30x"], ["10-12", "11-13"], ["yesterday", "2024-01-01"], []])
def test_other_texts_are_no_dates(texts):
    assert find_date_form(pa.array(texts, pa.string())) is None


@pytest.mark.parametrize(("last", "all_read"), [("2024-03-01", True), ("never", False), ("0000-00-00", False)])
def test_a_value_that_is_no_date_is_noticed(last, all_read):
    texts = [f"2024-02-{day:02d}" for day in range(1, 29)]
    assert find_date_form(pa.array([*texts, last])).all_read is all_read
