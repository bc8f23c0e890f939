import pytest
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.generate_statistics.summary import histogram_outline, summarize_split


def histogram(*counts):
    buckets = [statistics_pb2.Histogram.Bucket(sample_count=count) for count in counts]
    return statistics_pb2.Histogram(buckets=buckets)


def test_the_highest_bar_fills_the_box():
    assert histogram_outline(histogram(1, 4)) == "M0.0 28V21.0h59.0V28zM60.0 28V0.0h59.0V28z"


@pytest.mark.parametrize("counts", [(), (0, 0), (float("inf"),)])
def test_nothing_to_draw(counts):
    assert histogram_outline(histogram(*counts)) == ""


def test_an_empty_split_has_no_shares():
    feature = statistics_pb2.FeatureNameStatistics(num_stats=statistics_pb2.NumericStatistics())
    dataset = statistics_pb2.DatasetFeatureStatistics(name="eval", features=[feature])
    row = summarize_split(dataset).numeric[0]
    assert (row.missing, row.mean, row.outline) == (0, None, "")
