import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components._data.examples import read_manifest
from components._shared.digest import digest_file
from components._shared.errors import UserError

HEADER = "day,number,count,size,site,delay,note\n"
GOOD = "90,1,901,1,x,7,n\n"


@pytest.fixture
def lenient(bench):
    """The workbench with 60 rows, which sets up to half of the rows aside."""
    bench.source |= {"bad_rows": "quarantine", "max_bad_rows": 0.5}
    return bench


def aside(bench) -> list[dict[str, Any]]:
    """Ingests, and returns the rows that were set aside without their file, after checking what the manifest says of them."""
    bench.ingest()
    text = (bench.examples / "quarantine/bad_rows.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    summary = read_manifest(bench.examples)["quarantine"]
    assert set(summary) == {"rows", "of", "max_share", "by_rule", "file", "sha256"}  # no values: it goes where the model does
    counts = read_manifest(bench.examples)["rows"]
    assert summary["rows"] == counts["quarantined"] == len(rows)
    assert counts.pop("read") == summary["of"] == sum(counts.values())
    assert summary["sha256"] == digest_file(bench.examples / "quarantine/bad_rows.jsonl")
    assert sum(rule["rows"] for rule in summary["by_rule"]) == len(rows)
    return [{key: value for key, value in row.items() if key != "file"} for row in rows]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("90,2,many,1,x,7,n", {"column": "count", "value": "many", "rule": "Column 'count' holds INT, as the schema says."}),
        ("90,2,1.5,1,x,7,n", {"column": "count", "value": "1.5", "rule": "Column 'count' holds INT, as the schema says."}),
        ("90,2,many,big,x,7,n", {"column": "count", "value": "many", "rule": "Column 'count' holds INT, as the schema says."}),
        ("90,2,2,big,x,7,n", {"column": "size", "value": "big", "rule": "Column 'size' holds FLOAT, as the schema says."}),
        ("90,2,2,1,x,late,n", {"column": "delay", "value": "late", "rule": "Column 'delay' holds FLOAT, as the schema says."}),
        ("90,2,2,1,x\0,7,n", {"column": "site", "value": "x\0", "rule": "Column 'site' holds BYTES, as the schema says."}),
        ("90,2,2,1,x,7", {"value": "90,2,2,1,x,7", "rule": "A row has as many fields as the header."}),
        ("90,2,2,1,x,7,n,n", {"value": "90,2,2,1,x,7,n,n", "rule": "A row has as many fields as the header."}),
        (",2,2,1,x,7,n", {"column": "day", "value": "", "rule": "The column 'day' of a key has a value in every row."}),
    ],
)
def test_bad_row_is_set_aside_and_the_others_stay(lenient, row: str, expected: dict[str, str]):
    lenient.add(f"{HEADER}{GOOD}\n{row}\n91,1,911,1,x,7,n\n", name="b.csv")
    assert aside(lenient) == [{"line": 4, **expected}]
    assert {901, 911} <= {line["count"] for line in lenient.rows()}
    assert read_manifest(lenient.examples)["rows"] == {
        "read": 63,
        "quarantined": 1,
        "duplicates": 0,
        "without_label": 6,
        "kept": 56,
    }


def test_byte_that_is_no_text_is_set_aside(lenient):
    lenient.add(f"{HEADER}90,2,2,1,caf\u00e9,7,n\n".encode("latin-1"), name="b.csv")
    assert aside(lenient) == [
        {"line": 2, "column": "site", "value": "caf\\xe9", "rule": "Column 'site' holds BYTES, as the schema says."}
    ]


def test_rows_around_bad_ones_are_what_they_are_without_them(lenient, make_bench, csv_of):
    header, *lines = csv_of(range(5)).splitlines()
    bad = ["1,9,x,1,x,7,n", "short", '1,9,1,1," quoted, ",7,n,n']
    lenient.add("\n".join([header, *bad, *lines[:7], *bad, *lines[7:]]), span=1)
    lenient.ingest()
    other = make_bench()
    other.add(csv_of(range(5)), span=1)
    other.add(csv_of(range(5, 10)), span=2)
    other.ingest()
    assert lenient.rows() == other.rows()


def test_number_of_rows_set_aside_is_part_of_the_version_and_their_place_is_not(lenient, csv_of):
    clean = lenient.ingest().data_version
    lenient.add(f"{HEADER}{GOOD}1,9,x,1,x,7,n\n", span=1, name="b.csv")
    one = lenient.ingest().data_version
    lenient.add(f"{HEADER}1,8,y,1,x,7,n\n{GOOD}", span=1, name="b.csv")
    assert lenient.ingest().data_version == one
    lenient.add(f"{HEADER}1,8,y,1,x,7,n\n{GOOD}1,8,y,1,x,7,n\n", span=1, name="b.csv")
    assert lenient.ingest().data_version not in (clean, one)


def test_data_without_bad_rows_is_the_same_version_under_both_policies(bench):
    before = bench.ingest()
    bench.source["bad_rows"] = "quarantine"
    assert bench.ingest().data_version == before.data_version
    assert read_manifest(bench.examples)["quarantine"]["rows"] == 0
    assert not (bench.examples / "quarantine").exists()


@pytest.mark.parametrize(("bad", "stops"), [(2, False), (3, True)])
def test_more_than_the_share_stops_with_the_first(lenient, bad: int, stops: bool):
    lenient.source["max_bad_rows"] = 0.03
    good = "".join(f"90,{number},1,1,x,7,n\n" for number in range(10 - bad))
    lenient.add(HEADER + good + "90,99,x,1,x,7,n\n" * bad, name="b.csv")
    if not stops:
        assert len(aside(lenient)) == bad
        return
    with pytest.raises(UserError, match=r"At most 3\.0000%.*3 of 70, the first in .*b\.csv, line 9, column 'count', value 'x'"):
        lenient.ingest()
    assert not (lenient.examples / "manifest.json").exists()


def test_quote_that_swallows_lines_stops(lenient):
    lenient.add(f'{HEADER}90,1,1,1,"x,7,n\n90,2,2,1,x,7,n\n90,3",3,1,y,7,n\n', name="b.csv")
    with pytest.raises(UserError, match=r"ends where its line ends.*b\.csv, line 2, which goes on for 3 lines"):
        lenient.ingest()


def test_unknown_class_is_set_aside(lenient):
    lenient.source["label"] = {"name": "late", "column": "site", "classes": ["site-0", "site-1", "site-2"]}
    rows = aside(lenient)
    assert {row["value"] for row in rows} == {"site-3"}
    assert all(row["column"] == "site" and row["rule"].startswith("The column 'site' holds classes") for row in rows)
    assert len(rows) == 12


@pytest.mark.parametrize("corrected", [False, True])
def test_row_whose_own_label_is_missing_is_set_aside_unless_a_later_row_brings_it(lenient, corrected: bool):
    lenient.source["label"] = {"name": "delay"}
    lenient.schema = 'feature { name: "delay" type: INT not_in_environment: "SERVING" } feature { name: "count" type: INT }'
    lenient.paths = []
    rows = "".join(f"{number},1,{number},1,x,{'NA' if number == 4 else 3},n\n" for number in range(20))
    lenient.add(HEADER + rows + ("4,1,4,1,x,3,n\n" if corrected else ""))
    if corrected:
        lenient.ingest()
        assert len(lenient.rows()) == 20
        return
    assert aside(lenient) == [
        {"line": 6, "column": "delay", "value": "", "rule": "Every row has a label in the column 'delay'."}
    ]
    assert sorted(row["count"] for row in lenient.rows()) == [number for number in range(20) if number != 4]


def test_row_whose_label_is_missing_takes_earlier_rows_of_its_key_with_it(lenient):
    lenient.source["label"] = {"name": "delay"}
    lenient.schema = 'feature { name: "delay" type: INT not_in_environment: "SERVING" } feature { name: "count" type: INT }'
    lenient.paths = []
    lenient.add(HEADER + "".join(f"{number},1,{number},1,x,3,n\n" for number in range(20)) + "4,1,4,1,x,NA,n\n")
    assert [row["line"] for row in aside(lenient)] == [22]
    assert 4 not in [row["count"] for row in lenient.rows()]


def test_value_of_a_parquet_file_is_set_aside_by_row(lenient):
    lenient.source["format"] = "parquet"
    lenient.paths = []
    rows = [[str(number) for number in range(20)], ["x" if number in (3, 7) else str(number) for number in range(20)]]
    columns = dict(zip(("day", "count"), rows, strict=True)) | {"number": ["1"] * 20, "delay": [float(n) for n in range(20)]}
    path = lenient.add(b"", name="a.parquet")
    pq.write_table(pa.table(columns), path)
    assert [(row["row"], row["column"], row["value"]) for row in aside(lenient)] == [(4, "count", "x"), (8, "count", "x")]
    assert len(lenient.rows()) == 18


def test_time_in_a_parquet_column_stops_as_it_is_no_matter_of_rows(lenient):
    lenient.source["format"] = "parquet"
    lenient.paths = []
    path = lenient.add(b"", name="a.parquet")
    pq.write_table(pa.table({"day": ["1"], "number": ["1"], "delay": [1.0], "count": pa.array([1], pa.timestamp("us"))}), path)
    with pytest.raises(UserError, match=r"'count' holds INT.*timestamp"):
        lenient.ingest()


def test_files_of_the_manifest_count_all_their_rows(lenient):
    lenient.add(f"{HEADER}{GOOD}90,2,x,1,x,7,n\n", name="b.csv")
    lenient.ingest()
    files = {file["path"].rpartition("/")[2]: file for file in read_manifest(lenient.examples)["files"]}
    assert (files["b.csv"]["rows"], files["b.csv"]["quarantined"]) == (2, 1)
    assert read_manifest(lenient.examples)["rows"]["read"] == 62


def test_later_run_leaves_no_rows_of_an_earlier_one(lenient):
    lenient.add(f"{HEADER}{GOOD}90,2,x,1,x,7,n\n", name="b.csv")
    lenient.ingest()
    lenient.paths = lenient.paths[:-1]
    lenient.ingest()
    assert not (lenient.examples / "quarantine").exists()
