import pyarrow as pa
import pytest

from components._data.examples import read_manifest, read_split
from components._data.split_keys import read_split_keys
from components._shared.errors import UserError


def days_of(bench, split: str) -> set[int]:
    return {row["count"] // 6 for row in bench.rows(split)}


def version_of(bench) -> str:
    return bench.ingest().data_version


def test_types_nulls_and_order_of_columns(bench):
    bench.ingest()
    table = read_split(bench.examples, "train")
    expected = {"count": pa.int64(), "size": pa.float32(), "site": pa.string(), "late": pa.int64()}
    assert dict(zip(table.column_names, table.schema.types, strict=True)) == expected
    assert list(expected) == table.column_names


def test_every_row_with_a_delay_is_there_once(bench):
    result = bench.ingest()
    assert sorted(row["count"] for row in bench.rows()) == [index for index in range(60) if index % 11]
    assert sum(result.rows.values()) == 54


def test_values_are_those_of_the_file(bench):
    bench.ingest()
    rows = {row["count"]: row for row in bench.rows()}
    assert rows[13] == {"count": 13, "size": 1.625, "site": "site-1", "late": 0}
    assert rows[35] == {"count": 35, "size": None, "site": None, "late": 1}


def test_label_is_one_above_the_bound_alone(bench):
    bench.ingest()
    late = {row["count"]: row["late"] for row in bench.rows()}
    assert (late[15], late[16]) == (0, 1)


def test_manifest_accounts_for_every_row(bench):
    result = bench.ingest()
    manifest = read_manifest(bench.examples)
    assert manifest["rows"] == {"read": 60, "duplicates": 0, "without_label": 6, "kept": 54}
    assert {name: split["rows"] for name, split in manifest["splits"].items()} == result.rows
    assert [(file["span"], file["rows"]) for file in manifest["files"]] == [(1, 30), (2, 30)]


def test_manifest_says_what_the_examples_are(bench):
    result = bench.ingest()
    manifest = read_manifest(bench.examples)
    assert manifest["columns"] == {"count": "INT", "size": "FLOAT", "site": "BYTES", "late": "INT"}
    assert manifest["split_rule"] == {"key": ["day"], "salt": "s", "train": 0.5, "eval": 0.25, "test": 0.25}
    assert (manifest["label"], manifest["spans"], manifest["row_key"]) == ("late", [1, 2], ["day", "number"])
    assert manifest["data_version"] == result.data_version


def test_shards_of_the_manifest_are_there(bench):
    bench.ingest()
    shards = [shard for split in read_manifest(bench.examples)["splits"].values() for shard in split["shards"]]
    assert [shard for shard in shards if (bench.examples / shard).is_file()] == shards


def test_no_day_is_in_two_splits(bench):
    bench.ingest()
    days = [days_of(bench, split) for split in ("train", "eval", "test")]
    assert sorted(day for split in days for day in split) == list(range(10))


def test_rows_of_a_day_share_a_split_key_though_no_column_is_left_of_it(bench):
    bench.ingest()
    for split in ("train", "eval", "test"):
        days, keys = [row["count"] // 6 for row in bench.rows(split)], read_split_keys(bench.examples, split).tolist()
        assert len(set(days)) == len(set(keys)) == len(set(zip(days, keys, strict=True)))


def test_the_row_key_as_split_key_needs_no_list_of_keys(bench):
    bench.splits["key"] = ["day", "number"]
    bench.ingest()
    assert not list(bench.examples.rglob("split_keys*"))


def test_rows_leave_the_order_of_the_file(bench):
    bench.ingest()
    counts = [row["count"] for row in bench.rows("train")]
    assert counts != sorted(counts)


def test_new_span_moves_no_entity(bench, csv_of):
    bench.splits["key"] = ["day", "number"]
    bench.ingest()
    before = {row["count"]: split for split in ("train", "eval", "test") for row in bench.rows(split)}
    bench.add(csv_of(range(10, 20)), span=3)
    bench.ingest()
    after = {row["count"]: split for split in ("train", "eval", "test") for row in bench.rows(split)}
    assert len(after) > len(before)
    assert {count: after[count] for count in before} == before


def test_new_span_keeps_the_order_of_old_rows(bench, csv_of):
    bench.ingest()
    before = bench.rows("train")
    bench.add(csv_of(range(10, 20)), span=3)
    bench.ingest()
    assert [row for row in bench.rows("train") if row["count"] < 60] == before


def test_split_key_is_the_row_key_unless_given(bench):
    bench.splits["key"] = []
    bench.ingest()
    assert read_manifest(bench.examples)["split_rule"]["key"] == ["day", "number"]


def test_shares_are_kept(bench, csv_of):
    bench.add(csv_of(range(500)), span=1)
    bench.splits = {"key": [], "salt": "s", "train": 0.8, "eval": 0.1, "test": 0.1}
    rows = bench.ingest().rows
    assert rows["train"] / sum(rows.values()) == pytest.approx(0.8, abs=0.03)
    assert rows["eval"] / sum(rows.values()) == pytest.approx(0.1, abs=0.03)


def test_later_span_wins(bench):
    bench.add("day,number,count,size,site,delay,note\n0,1,999,1,x,7,corrected\n", span=2, name="b.csv")
    bench.ingest()
    counts = [row["count"] for row in bench.rows()]
    assert 999 in counts
    assert 1 not in counts


@pytest.mark.parametrize(("delay", "kept"), [("NA", False), ("3", True)])
def test_later_row_takes_a_label_back_or_brings_it(bench, delay: str, kept: bool):
    number = 1 if delay == "NA" else 0  # row 0 had no delay, row 1 had one
    bench.add(f"day,number,count,size,site,delay,note\n0,{number},{number},1,x,{delay},n\n", span=2, name="b.csv")
    bench.ingest()
    assert (number in [row["count"] for row in bench.rows()]) == kept


def test_later_file_and_later_line_win(bench):
    header = "day,number,count,size,site,delay,note\n"
    bench.add(f"{header}90,1,903,1,x,7,n\n90,2,904,1,x,7,n\n90,2,905,1,x,7,n\n", span=2, name="c.csv")
    bench.add(f"{header}90,1,901,1,x,7,n\n90,1,902,1,x,7,n\n", span=2, name="b.csv")
    bench.ingest()
    assert sorted(row["count"] for row in bench.rows() if row["count"] > 900) == [903, 905]
    assert read_manifest(bench.examples)["rows"]["duplicates"] == 3


def test_order_of_the_list_does_not_count(bench):
    bench.add("day,number,count,size,site,delay,note\n0,1,999,1,x,7,n\n", span=2, name="b.csv")
    before = version_of(bench), bench.rows()
    bench.paths.reverse()
    assert (version_of(bench), bench.rows()) == before


def test_distribution_over_files_does_not_count(bench, make_bench, csv_of):
    other = make_bench()
    other.add(csv_of([7, 2, 9, 0]), name="z.csv")
    other.add(csv_of([1, 8, 3, 5, 6, 4]), name="y.csv")
    assert version_of(other) == version_of(bench)


def test_data_version_does_not_change_between_releases(bench):
    assert version_of(bench) == "sha256:97106030857f6604e9278f9211a7b7cb97500a254928588f50d3f02992489cad"


@pytest.mark.parametrize(
    "change",
    [
        {"salt": "other"},
        {"train": 0.51, "test": 0.24},
        {"key": ["day", "number"]},
    ],
)
def test_split_rule_is_part_of_the_version(bench, change: dict):
    before = version_of(bench)
    bench.splits |= change
    assert version_of(bench) != before


def test_one_changed_value_is_another_version(bench, csv_of):
    before = version_of(bench)
    bench.add(csv_of(range(5)).replace("site-1", "site-7", 1), span=1)
    assert version_of(bench) != before


def test_type_is_part_of_the_version(bench):
    before = version_of(bench)
    bench.schema = bench.schema.replace('"count" type: INT', '"count" type: FLOAT')
    assert version_of(bench) != before


def test_ignored_column_is_no_part_of_the_version(bench, csv_of):
    before = version_of(bench)
    bench.add(csv_of(range(5)).replace("ignored", "still ignored"), span=1)
    assert version_of(bench) == before


def test_column_absent_everywhere_is_left_to_validation(bench):
    bench.schema += 'feature { name: "new" type: INT presence { min_fraction: 1 } shape {} }'
    bench.ingest()
    assert "new" not in read_manifest(bench.examples)["columns"]


def test_without_row_key_every_row_stays(bench, csv_of):
    bench.source["row_key"] = []
    bench.splits["key"] = []
    bench.add(csv_of(range(5)), span=1, name="again.csv")
    bench.ingest()
    splits_of = {row["count"]: split for split in ("train", "eval", "test") for row in bench.rows(split)}
    assert read_manifest(bench.examples)["rows"]["duplicates"] == 0
    assert all(
        sum(row["count"] == count for row in bench.rows(split)) == (2 if count < 30 else 1)
        for count, split in splits_of.items()
    )


def test_run_into_an_old_folder_leaves_nothing_of_it(bench):
    bench.ingest()
    (bench.examples / "Split-train" / "part-00001.parquet").write_bytes(b"old")
    bench.ingest()
    assert [path.name for path in (bench.examples / "Split-train").glob("*.parquet")] == ["part-00000.parquet"]


def test_failed_run_leaves_no_manifest(bench):
    bench.ingest()
    bench.add("day,number,count,size,site,delay,note\n1,1,x,1,x,7,n\n", span=2)
    with pytest.raises(UserError):
        bench.ingest()
    assert not (bench.examples / "manifest.json").exists()
