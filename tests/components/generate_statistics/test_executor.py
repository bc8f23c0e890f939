import re
from pathlib import Path

import pyarrow as pa
import pytest
from tensorflow_data_validation import generate_statistics_from_dataframe

from components._data.examples import write_split
from components._data.schema import read_schema
from components._data.statistics import feature_name, read_statistics
from components._shared.errors import UserError
from components.generate_statistics.executor import compute_statistics, generate_statistics


def features_of(proto):
    return {feature_name(feature): feature for feature in proto.datasets[0].features}


def test_writes_the_statistics_of_every_split(inputs, table):
    arguments = inputs(eval=table().slice(0, 5))
    result = generate_statistics(**arguments)
    assert result.rows == {"train": 12, "eval": 5, "test": 12}
    assert read_statistics(arguments["statistics"], "eval").datasets[0].name == "eval"


def test_numbers_are_right(inputs):
    arguments = inputs()
    generate_statistics(**arguments)
    price = features_of(read_statistics(arguments["statistics"], "train"))["price"].num_stats
    assert (price.min, price.max, price.common_stats.num_missing) == (1.5, 4.0, 3)
    assert price.mean == pytest.approx(8 / 3)


def test_top_values_and_uniques_are_right(inputs):
    arguments = inputs()
    generate_statistics(**arguments)
    city = features_of(read_statistics(arguments["statistics"], "train"))["city"].string_stats
    assert city.unique == 2
    assert [(item.value, item.frequency) for item in city.top_values] == [("Bonn", 8), ("Köln", 4)]


def test_integers_stay_integers_when_some_are_missing(inputs, table):
    arguments = inputs(train=table(count=pa.array([None, 1, 2, 3] * 3)))
    generate_statistics(**arguments)
    count = features_of(read_statistics(arguments["statistics"], "train"))["count"]
    assert (count.type, count.num_stats.common_stats.num_missing) == (0, 3)


def test_many_batches_count_as_one_data_set(inputs, table):
    schema = read_schema(inputs()["schema"])
    whole = compute_statistics([table()], schema, "train")
    parts = compute_statistics([table().slice(start, 3) for start in range(0, 12, 3)], schema, "train")
    assert parts.datasets[0].num_examples == 12
    assert features_of(parts)["city"].string_stats == features_of(whole)["city"].string_stats
    assert features_of(parts)["count"].num_stats.std_dev == pytest.approx(features_of(whole)["count"].num_stats.std_dev)


def test_agrees_with_tfdv_on_a_data_frame(inputs, table):
    complete = table(price=None)
    own = compute_statistics([complete], read_schema(inputs()["schema"]), "train")
    theirs = generate_statistics_from_dataframe(complete.to_pandas())
    for name, feature in features_of(theirs).items():
        assert features_of(own)[name].num_stats.mean == pytest.approx(feature.num_stats.mean)
        assert list(features_of(own)[name].string_stats.top_values) == list(feature.string_stats.top_values)


def test_an_empty_split_counts_no_rows(inputs, table):
    result = generate_statistics(**inputs(eval=table().slice(0, 0)))
    assert result.rows["eval"] == 0


def test_a_column_without_any_value_is_shown(inputs, table):
    arguments = inputs(train=table(city=pa.array([None] * 12, pa.string())))
    generate_statistics(**arguments)
    assert features_of(read_statistics(arguments["statistics"], "train"))["city"].string_stats.common_stats.num_non_missing == 0
    assert "100.0 %" in Path(arguments["report"]).read_text()


def test_a_corrupt_shard_is_named_and_leaves_nothing(inputs):
    arguments = inputs()
    shard = Path(arguments["examples"]) / "Split-test" / "part-00000.parquet"
    shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"Split-test/part-00000\.parquet"):
        generate_statistics(**arguments)
    assert not Path(arguments["statistics"]).exists()


def test_a_split_that_is_not_the_one_of_the_manifest_is_refused(inputs, table):
    arguments = inputs()
    write_split(arguments["examples"], "eval", table(city=pa.array(["Rome"] * 12)))
    with pytest.raises(UserError, match="split 'eval' are not those that were ingested"):
        generate_statistics(**arguments)
    assert not Path(arguments["statistics"]).exists()


def test_what_an_earlier_run_left_does_not_pass_for_the_result_of_a_failed_one(inputs):
    arguments = inputs()
    generate_statistics(**arguments)
    (Path(arguments["examples"]) / "Split-test" / "part-00000.parquet").write_bytes(b"")
    with pytest.raises(UserError):
        generate_statistics(**arguments)
    assert not Path(arguments["statistics"]).exists()


def test_the_page_stands_alone_and_escapes_values(inputs, table):
    arguments = inputs(train=table(city=pa.array(["<script>alert(1)</script>"] * 12)))
    generate_statistics(**arguments)
    page = Path(arguments["report"]).read_text()
    assert "&lt;script&gt;alert" in page
    assert not re.search(r"<script|(src|href)\s*=|https?://|url\(", page)


def test_the_page_names_features_that_the_data_lack(inputs, table):
    arguments = inputs(**{split: table(city=None) for split in ("train", "eval", "test")})
    generate_statistics(**arguments)
    assert re.search("not in the data:</strong> city", Path(arguments["report"]).read_text())


def test_the_page_shows_nan_and_infinity_without_breaking(inputs, table):
    arguments = inputs(train=table(price=pa.array([float("nan"), float("inf"), 1.0] * 4, pa.float32())))
    generate_statistics(**arguments)
    assert "4 NaN" in Path(arguments["report"]).read_text()


def test_the_page_of_a_wide_table_stays_small(inputs, table):
    wide = pa.table({f"feature_{index}": [f"value {row} of a feature {index}" for row in range(30)] for index in range(300)})
    arguments = inputs(train=wide, eval=wide, test=wide)
    result = generate_statistics(**arguments)
    assert result.features == 300
    assert Path(arguments["report"]).stat().st_size < 400_000
