import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from serving.errors import ServingError
from serving.tensors import to_array, to_proto


@pytest.mark.parametrize(
    "array",
    [
        np.array([[1.5, np.nan]], np.float32),
        np.array(2.5),
        np.array([-1, 2**62]),
        np.array([-1, 7], np.int8),
        np.array([2**63], np.uint64),
        np.array([True, False]),
        np.array([b"a", b"\xff"], object),
        np.array([1.5, -2], np.float16),
        np.array([1 + 2j], np.complex64),
        np.array([1.5], tf.bfloat16.as_numpy_dtype),
        np.empty((0, 3), np.int64),
    ],
    ids=lambda array: array.dtype.name,
)
def test_an_array_comes_back_as_it_was(array):
    back = to_array("x", to_proto(array))
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(back, array)


def test_values_are_in_the_typed_field_where_clients_look():
    proto = to_proto(np.array([1, 2], np.float32))
    assert list(proto.float_val) == [1, 2]
    assert not proto.tensor_content


@pytest.mark.parametrize(
    "proto",
    [
        tensor_pb2.TensorProto(dtype=1, tensor_content=b"abc"),
        tensor_pb2.TensorProto(dtype=1, float_val=[1, 2, 3], tensor_shape=tf.TensorShape([2]).as_proto()),
        tensor_pb2.TensorProto(),
    ],
)
def test_a_tensor_that_contradicts_itself_is_refused(proto):
    with pytest.raises(ServingError, match="INVALID_ARGUMENT: tensor parsing error: x"):
        to_array("x", proto)
