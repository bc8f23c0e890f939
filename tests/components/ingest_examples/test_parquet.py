import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from components._shared.errors import UserError

NULLS = pa_csv.ConvertOptions(null_values=["", "NA"], strings_can_be_null=True)


@pytest.fixture
def pair(bench, make_bench, csv_of):
    """The CSV workbench, and one with the same rows as a table, which tests change before they write it."""
    other = make_bench()
    other.source["format"] = "parquet"
    return bench, other, pa_csv.read_csv(io.BytesIO(csv_of(range(10)).encode()), convert_options=NULLS)


def write(bench, table: pa.Table, **options) -> None:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    bench.add(buffer.getvalue(), name="a.parquet")


def recast(table: pa.Table, name: str, kind: pa.DataType) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, table[name].cast(kind))


def test_same_data_is_the_same_version(pair):
    bench, other, table = pair
    write(other, table)
    assert other.ingest().data_version == bench.ingest().data_version


@pytest.mark.parametrize(
    "options", [{"row_group_size": 7}, {"version": "1.0"}, {"compression": "gzip", "use_dictionary": False}]
)
def test_writer_does_not_count(pair, options: dict):
    bench, other, table = pair
    write(other, table, **options)
    assert other.ingest().data_version == bench.ingest().data_version


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("count", pa.int32()),
        ("count", pa.float64()),
        ("size", pa.float32()),
        ("site", pa.large_string()),
        ("site", pa.binary()),
        ("site", pa.dictionary(pa.int32(), pa.string())),
        ("count", pa.string()),
    ],
)
def test_type_of_the_file_gives_way_to_the_schema(pair, name: str, kind: pa.DataType):
    bench, other, table = pair
    if pa.types.is_dictionary(kind):
        table = table.set_column(table.column_names.index(name), name, table[name].dictionary_encode())
    else:
        table = recast(table, name, kind)
    write(other, table)
    assert other.ingest().data_version == bench.ingest().data_version


def test_value_of_another_type_is_located(pair):
    _, other, table = pair
    counts = pc.if_else(pc.equal(table["count"], 41), "many", table["count"].cast(pa.string()))
    write(other, table.set_column(2, "count", counts))
    with pytest.raises(UserError, match=r"'count' holds INT.*'many' in row 42 of .*a\.parquet, of the type string"):
        other.ingest()


def test_large_integers_become_floats_as_those_of_csv(pair):
    bench, other, table = pair
    header, *lines = bench.paths[0][1].read_text().splitlines()
    first = ",".join([*lines[0].split(",")[:3], "16777217", *lines[0].split(",")[4:]])
    bench.add("\n".join([header, first, *(",".join([*line.split(",")[:3], "3", *line.split(",")[4:]]) for line in lines[1:])]))
    bench.paths = bench.paths[-1:]
    write(other, recast(table.slice(0, 30).set_column(3, "size", pa.array([16777217] + [3] * 29)), "size", pa.int64()))
    assert other.ingest().data_version == bench.ingest().data_version


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.date32(), pa.time64("us"), pa.duration("s")])
def test_time_is_no_number(pair, kind: pa.DataType):
    _, other, table = pair
    write(other, table.set_column(2, "count", pa.array([1] * 60, kind)))
    with pytest.raises(UserError, match=r"'count' holds INT.*of the type (timestamp|date|time|duration)"):
        other.ingest()


def test_column_of_lists_is_refused(pair):
    _, other, table = pair
    write(other, table.set_column(2, "count", pa.array([[1]] * 60)))
    with pytest.raises(UserError, match=r"'count' holds INT.*list"):
        other.ingest()


def test_bytes_that_are_no_text_are_located(pair):
    _, other, table = pair
    write(other, table.set_column(4, "site", pa.array([b"fine"] * 9 + [b"\xff"] + [b"fine"] * 50)))
    with pytest.raises(UserError, match=r"'site' holds BYTES.*row 10"):
        other.ingest()


def test_text_that_is_no_utf_8_is_located(pair):
    _, other, table = pair
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="none", use_dictionary=False, write_statistics=False)
    other.add(buffer.getvalue().replace(b"site-2", b"site-\xff", 1), name="a.parquet")
    with pytest.raises(UserError, match=r"'site' holds BYTES.*b'site-\\xff' in row \d+ of .*a\.parquet"):
        other.ingest()


def test_null_in_a_key_is_located_by_row(pair):
    _, other, table = pair
    days = pc.if_else(pc.equal(table["count"], 8), None, table["day"])
    write(other, table.set_column(0, "day", days))
    with pytest.raises(UserError, match=r"'day' of a key.*a\.parquet, row 9"):
        other.ingest()


def test_file_without_rows(pair):
    _, other, table = pair
    write(other, table.slice(0, 0))
    with pytest.raises(UserError, match="names columns only"):
        other.ingest()


def test_file_that_is_no_parquet(pair, csv_of):
    _, other, _ = pair
    other.add(csv_of([1]), name="a.parquet")
    with pytest.raises(UserError, match=r"is a whole Parquet file.*a\.parquet"):
        other.ingest()


def test_column_named_twice(pair):
    _, other, table = pair
    write(other, table.append_column("site", table["site"]))
    with pytest.raises(UserError, match="with site repeated"):
        other.ingest()
