"""Columns that come and go from span to span."""

import pytest

from components._data.examples import read_manifest
from components._shared.errors import UserError

WITHOUT_SIZE = "day,number,count,site,delay\n90,1,901,x,7\n"


def test_optional_column_that_a_span_lacks_is_missing_there(bench):
    bench.add(WITHOUT_SIZE, span=3)
    bench.ingest()
    assert [row["size"] for row in bench.rows() if row["count"] == 901] == [None]
    assert [row["size"] for row in bench.rows() if row["count"] == 13] == [1.625]
    assert read_manifest(bench.examples)["partial_columns"] == {"size": [3]}


def test_optional_column_may_begin_in_a_later_span(bench):
    bench.schema += 'feature { name: "colour" type: BYTES value_count { min: 1 max: 1 } }'
    bench.add("day,number,count,size,site,delay,colour\n90,1,901,1,x,7,red\n", span=3)
    bench.ingest()
    assert {row["count"]: row["colour"] for row in bench.rows()}[901] == "red"
    assert read_manifest(bench.examples)["partial_columns"] == {"colour": [1, 2]}


def test_optional_column_that_no_file_has_is_missing_everywhere(bench):
    bench.schema += 'feature { name: "colour" type: BYTES value_count { min: 1 max: 1 } }'
    bench.ingest()
    assert {row["colour"] for row in bench.rows()} == {None}
    manifest = read_manifest(bench.examples)
    assert (manifest["partial_columns"], manifest["absent_columns"]) == ({}, ["colour"])


@pytest.mark.parametrize("demand", ["presence { min_fraction: 1 }", "presence { min_fraction: 0.1 }", "shape {}"])
def test_column_that_the_schema_demands_may_not(bench, demand: str):
    bench.schema = bench.schema.replace("type: FLOAT value_count { min: 1 max: 1 }", f"type: FLOAT {demand}")
    bench.add(WITHOUT_SIZE, span=3)
    with pytest.raises(UserError, match="no column size in"):
        bench.ingest()


def test_optional_column_that_keys_need_may_not(bench):
    bench.splits["key"] = ["site"]
    bench.add("day,number,count,size,delay\n90,1,901,1,7\n", span=3)
    with pytest.raises(UserError, match="no column site in"):
        bench.ingest()


def test_column_that_the_schema_does_not_know_is_told_with_its_spans(bench):
    bench.add("day,number,count,size,site,delay,colour\n90,1,901,1,x,7,red\n", span=3)
    before = bench.ingest().data_version
    assert read_manifest(bench.examples)["unused_columns"] == {"colour": [3], "note": [1, 2]}
    bench.add("day,number,count,size,site,delay,colour\n90,1,901,1,x,7,blue\n", span=3)
    assert bench.ingest().data_version == before


def test_column_of_another_type_stops(bench):
    bench.add("day,number,count,size,site,delay\n90,1,901,large,x,7\n90,2,902,small,x,7\n", span=3)
    with pytest.raises(UserError, match=r"'size' holds FLOAT.*'large' in .*line 2"):
        bench.ingest()


def test_column_of_another_type_stops_though_bad_rows_are_set_aside(bench):
    bench.source |= {"bad_rows": "quarantine", "max_bad_rows": 0.5}
    bench.add("day,number,count,size,site,delay\n" + "".join(f"90,{i},9,large{i},x,7\n" for i in range(61)), span=3)
    with pytest.raises(UserError, match=r"At most 50.*61 of 121, the first in .*line 2, column 'size', value 'large0'"):
        bench.ingest()
