import gzip
from datetime import date
from pathlib import Path

import pytest

from components._shared.errors import UserError

HEADER = "day,number,count,size,site,delay,note\n"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,1,many,1,x,7,n", r"'count' holds INT.*'many' in .*b\.csv, line 3"),
        ("1,1,1.5,1,x,7,n", r"'count' holds INT.*'1\.5' in .*line 3"),
        ("1,1,99999999999999999999,1,x,7,n", "'count' holds INT.*line 3"),
        ("1,1,1,big,x,7,n", r"'size' holds FLOAT.*'big' in .*line 3.*null_values"),
        ("1,1,1,1,x,late,n", r"'delay' holds FLOAT.*'late' in .*line 3"),
        ("1,1,1,1,x,7", r"as many fields as the header, which has 7.*6 fields in .*b\.csv, line 3"),
        ("1,1,1,1,x,7,n,n", "8 fields in .*line 3"),
        (",1,1,1,x,7,n", "'day' of a key.*1 rows without one, the first in .*line 3"),
        ("1,NA,1,1,x,7,n", "'number' of a key.*line 3"),
    ],
)
def test_malformed_row_is_located(bench, row: str, message: str):
    bench.add(f"{HEADER}1,1,1,1,x,7,n\n{row}\n2,2,2,2,y,8,n\n", name="b.csv")
    with pytest.raises(UserError, match=message):
        bench.ingest()


def test_row_after_a_long_field_is_located(bench):
    bench.add(f"{HEADER}1,1,1,1,{'x' * 200_000},7,n\n,2,1,1,x,7,n\n", name="b.csv")
    with pytest.raises(UserError, match=r"'day' of a key.*line 3"):
        bench.ingest()


def test_columns_of_another_delimiter_are_shown(bench):
    bench.paths = []
    bench.add(HEADER.replace(",", ";") + "1;1;1;1;x;7;n\n")
    with pytest.raises(UserError, match=r"which has 'day;number;.*delimiter"):
        bench.ingest()


@pytest.mark.parametrize(
    ("of_label", "message"),
    [
        ("type: INT presence { min_fraction: 1 } shape {}", "no part of a request.*not_in_environment"),
        ('type: BYTES not_in_environment: "SERVING"', "'late' is INT or FLOAT"),
    ],
)
def test_label_is_a_number_and_not_in_requests(bench, of_label: str, message: str):
    lines = [line for line in bench.schema.splitlines() if '"late"' not in line]
    bench.schema = "\n".join([*lines, f'feature {{ name: "late" {of_label} }}'])
    bench.add(f"{HEADER}1,1,1,1,x,7,n\n")
    with pytest.raises(UserError, match=message):
        bench.ingest()


def test_first_of_many_errors_is_told(bench):
    rows = [f"1,{number},{'bad' if number in (700, 4000) else number},1,x,7,n" for number in range(5000)]
    bench.add(HEADER + "\n".join(rows), name="b.csv")
    with pytest.raises(UserError, match=r"line 702\b"):
        bench.ingest()


def test_lines_count_line_breaks_in_quotes_and_blank_lines(bench):
    bench.add(f'{HEADER}1,1,1,1,"two\nlines",7,n\n\n1,2,2,1,"say ""x"",",7,n\n1,3,bad,1,x,7,n\n', name="b.csv")
    with pytest.raises(UserError, match=r"'bad' in .*line 6\b"):
        bench.ingest()


def test_line_breaks_in_quotes_are_read(bench):
    bench.add(f'{HEADER}1,1,777,1,"two\nlines",7,n\n', span=3)
    bench.ingest()
    assert [row["site"] for row in bench.rows() if row["count"] == 777] == ["two\nlines"]


def test_byte_order_mark_and_windows_line_ends_are_read(bench, csv_of):
    before = bench.ingest()
    bench.add(b"\xef\xbb\xbf" + csv_of(range(5)).replace("\n", "\r\n").encode(), span=1)
    assert bench.ingest() == before


def test_compressed_csv_is_read(bench, csv_of):
    before = bench.ingest()
    bench.paths = bench.paths[1:]
    bench.add(gzip.compress(csv_of(range(5)).encode()), span=1, name="a.csv.gz")
    assert bench.ingest() == before


def test_other_delimiter(bench, csv_of):
    before = bench.ingest()
    for span, days in ((1, range(5)), (2, range(5, 10))):
        bench.add(csv_of(days).replace(",", ";"), span=span)
    bench.source["delimiter"] = ";"
    assert bench.ingest() == before


def test_latin_1_is_told_with_its_line(bench):
    bench.add(f"{HEADER}1,1,1,1,caf\u00e9,7,n\n".encode("latin-1"), name="b.csv")
    with pytest.raises(UserError, match=r"UTF-8.*0xe9 in .*b\.csv, line 2"):
        bench.ingest()


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (gzip.compress(HEADER.encode(), mtime=0), "compressed: let its name end in .gz"),
        (HEADER.encode("utf-16"), "source.encoding: utf-16"),
        (b"\xff\x00\xfe" * 9, "deliver the file again, as text"),
    ],
    ids=["gzip", "utf-16", "binary"],
)
def test_file_that_is_no_utf_8_is_told_what_it_may_be(bench, content: bytes, remedy: str):
    bench.add(content, name="b.csv")
    with pytest.raises(UserError, match=remedy):
        bench.ingest()


def test_zero_byte_in_a_text_is_located(bench):
    bench.add(f"{HEADER}1,1,1,1,x,7,n\n2,1,1,1,y\0,7,n\n", name="b.csv")
    with pytest.raises(UserError, match=r"no zero bytes.*'y\\x00' of 'site' in .*b\.csv, line 3"):
        bench.ingest()


@pytest.mark.parametrize("content", ["", "\n", "\n\n"])
def test_empty_file_is_named(bench, content: str):
    bench.add(content, name="b.csv")
    with pytest.raises(UserError, match=r"b\.csv, which is empty"):
        bench.ingest()


@pytest.mark.parametrize("content", [HEADER, HEADER.strip()])
def test_header_alone_is_named(bench, content: str):
    bench.add(content, name="b.csv")
    with pytest.raises(UserError, match=r"b\.csv, which names columns only"):
        bench.ingest()


def test_binary_file_is_no_csv(bench):
    bench.add(bytes(range(256)) * 4, name="b.csv")
    with pytest.raises(UserError, match=r"b\.csv"):
        bench.ingest()


def test_column_named_twice(bench):
    bench.add("day,number,count,size,site,delay,site\n1,1,1,1,x,7,y\n", name="b.csv")
    with pytest.raises(UserError, match=r"each column once.*b\.csv with site"):
        bench.ingest()


def test_required_column_absent_from_some_files(bench):
    bench.add("day,number,size,site,delay\n1,1,1,x,7\n", name="b.csv")
    with pytest.raises(UserError, match=r"all input files or in none.*no column count in .*b\.csv.*let the column be missing"):
        bench.ingest()


@pytest.mark.parametrize(
    ("header", "column"),
    [
        (HEADER.replace("number", "no"), "number"),
        (HEADER.replace("delay", "wait"), "delay"),
        (HEADER.replace(",", ";"), "day"),
    ],
)
def test_column_of_keys_or_label_absent_from_some_files(bench, header: str, column: str):
    bench.add(f"{header}1,1,1,1,x,7,n\n", name="b.csv")
    message = rf"in every input file.*no column {column} in .*b\.csv, which has '{header[:3]}.*header"
    with pytest.raises(UserError, match=message):
        bench.ingest()


@pytest.mark.parametrize(
    ("settings", "column"),
    [
        ({"row_key": ["day", "hour"]}, "hour"),
        ({"label": {"name": "late", "column": "arrival", "above": 1}}, "arrival"),
        ({"label": {"name": "late"}}, "late"),
    ],
)
def test_needed_column_absent_everywhere(bench, settings: dict, column: str):
    bench.source |= settings
    with pytest.raises(UserError, match=f"no column {column} in .*a.csv"):
        bench.ingest()


def test_split_key_absent_everywhere(bench):
    bench.splits["key"] = ["week"]
    with pytest.raises(UserError, match="no column week"):
        bench.ingest()


def test_label_that_the_schema_does_not_name(bench):
    bench.source["label"]["name"] = "tardy"
    with pytest.raises(UserError, match=r"schema names the label.*tardy"):
        bench.ingest()


def test_label_that_is_derived_and_a_column(bench):
    bench.source["label"] = {"name": "count", "column": "delay", "above": 1}
    bench.schema = bench.schema.replace('"count"', '"count" not_in_environment: "SERVING"')
    with pytest.raises(UserError, match=r"not a column of the data as well.*count"):
        bench.ingest()


@pytest.mark.parametrize(("kind", "missing"), [("INT", "NA"), ("FLOAT", "nan"), ("FLOAT", "")])
def test_label_column_without_a_value(bench, kind: str, missing: str):
    bench.source["label"] = {"name": "delay"}
    bench.schema = f'feature {{ name: "delay" type: {kind} not_in_environment: "SERVING" }}'
    bench.paths = []
    rows = [f"{number},1,1,1,x,{missing if number in (4, 7) else 3},n" for number in range(20)]
    bench.add(HEADER + "\n".join(rows), name="b.csv")
    with pytest.raises(UserError, match=r"'delay'.*2 rows without one, the first in .*b\.csv, line 6"):
        bench.ingest()


def test_label_column_is_taken_as_it_is(bench, csv_of):
    bench.source["label"] = {"name": "count"}
    bench.schema = bench.schema.replace('"count"', '"count" not_in_environment: "SERVING"')
    bench.ingest()
    assert len(bench.rows()) == 60


def test_derived_label_that_is_text(bench):
    bench.source["label"] = {"name": "late", "column": "site", "above": 1}
    with pytest.raises(UserError, match="'site' that the label is derived from is a number"):
        bench.ingest()


def test_no_row_has_a_label(bench):
    bench.paths = []
    bench.add(f"{HEADER}1,1,1,1,x,NA,n\n2,1,1,1,x,nan,n\n")
    with pytest.raises(UserError, match=r"no value in 'delay' of 2 rows"):
        bench.ingest()


def test_file_changed_since_it_was_resolved(bench, csv_of):
    files = bench.list_files()
    path = Path(files[0]["path"])
    path.write_text(csv_of(range(5)).replace("site-1", "site-2", 1))
    with pytest.raises(UserError, match=rf"stays as it is.*{path}.*Run the pipeline again"):
        bench.ingest(files)


def test_file_removed_since_it_was_resolved(bench):
    files = bench.list_files()
    Path(files[1]["path"]).unlink()
    with pytest.raises(UserError, match="can be read"):
        bench.ingest(files)


def test_empty_split_is_named(bench):
    bench.splits = {"key": ["day"], "train": 0.998, "eval": 0.001, "test": 0.001}
    with pytest.raises(UserError, match=r"none for eval, test from 54 rows with 10 values of the split key"):
        bench.ingest()


def test_empty_split_leaves_no_manifest(bench):
    bench.splits = {"key": ["day"], "train": 0.998, "eval": 0.001, "test": 0.001}
    with pytest.raises(UserError):
        bench.ingest()
    assert not (bench.examples / "manifest.json").exists()


def test_key_outside_the_schema_is_text(bench):
    bench.add(f"{HEADER}{date(2013, 1, 1)},1,801,1,x,7,n\n", span=3)
    bench.ingest()
    assert 801 in [row["count"] for row in bench.rows()]
