import pytest
import tensorflow as tf

from components._shared.tf_example import serialize_example


@pytest.mark.parametrize("number", [0, 1, 300, 2**63 - 1, -1, -(2**63) + 1])
def test_tensorflow_reads_the_same_row(number):
    row = {"island": "Zürich", "blob": b"\xff\x00" * 200, "bill": 39.125, "year": number}
    features = tf.train.Example.FromString(serialize_example(row)).features.feature
    assert features["island"].bytes_list.value[:] == ["Zürich".encode()]
    assert features["blob"].bytes_list.value[:] == [row["blob"]]
    assert features["bill"].float_list.value[:] == [39.125]
    assert features["year"].int64_list.value[:] == [number]


def test_a_missing_value_is_left_out():
    assert dict(tf.train.Example.FromString(serialize_example({"bill": None})).features.feature) == {}
