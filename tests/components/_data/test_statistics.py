import pytest
from tensorflow_metadata.proto.v0 import statistics_pb2

from components._data.statistics import common_statistics, feature_name, read_statistics, write_statistics
from components._shared.errors import UserError

DATASET = statistics_pb2.DatasetFeatureStatistics(name="train", num_examples=3)


def test_what_is_written_is_read(tmp_path):
    proto = statistics_pb2.DatasetFeatureStatisticsList(datasets=[DATASET])
    write_statistics(tmp_path, "train", proto)
    assert read_statistics(tmp_path, "train") == proto


@pytest.mark.parametrize("content", [b"", b"no proto", DATASET.SerializeToString()[:-1]])
def test_what_is_no_statistics_is_refused_with_its_path(tmp_path, content):
    (tmp_path / "Split-train").mkdir()
    (tmp_path / "Split-train" / "FeatureStats.pb").write_bytes(content)
    with pytest.raises(UserError, match=r"Split-train/FeatureStats\.pb"):
        read_statistics(tmp_path, "train")


def test_two_datasets_are_refused(tmp_path):
    write_statistics(tmp_path, "train", statistics_pb2.DatasetFeatureStatisticsList(datasets=[DATASET, DATASET]))
    with pytest.raises(UserError, match="2 datasets"):
        read_statistics(tmp_path, "train")


@pytest.mark.parametrize("kind", ["num_stats", "string_stats", "bytes_stats"])
def test_common_statistics_of_every_type(kind):
    feature = statistics_pb2.FeatureNameStatistics(**{kind: {"common_stats": {"num_non_missing": 5}}})
    assert common_statistics(feature).num_non_missing == 5


def test_a_nested_feature_is_named_with_dots():
    assert feature_name(statistics_pb2.FeatureNameStatistics(path={"step": ["a", "b"]})) == "a.b"
