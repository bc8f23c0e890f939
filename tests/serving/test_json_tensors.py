import base64
import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from serving.errors import ServingError
from serving.json_answers import write_tensors
from serving.json_tensors import COLUMNS, ROWS, parse_body, read_tensors


def read(body, **dtypes):
    specs = {name: meta_graph_pb2.TensorInfo(dtype=dtype.as_datatype_enum) for name, dtype in dtypes.items()}
    return read_tensors(parse_body(body.encode() if isinstance(body, str) else json.dumps(body).encode()), specs)


def message(body, **dtypes):
    with pytest.raises(ServingError) as raised:
        read(body, **dtypes)
    assert raised.value.code == "INVALID_ARGUMENT"
    return raised.value.message


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        ([1, 2.5], tf.float32, np.array([1, 2.5], np.float32)),
        ([[1], [2]], tf.float64, np.array([[1], [2]], np.float64)),
        ([1, -(2**63)], tf.int64, np.array([1, -(2**63)], np.int64)),
        ([2**64 - 1], tf.uint64, np.array([2**64 - 1], np.uint64)),
        ([3], tf.int32, np.array([3], np.int32)),
        ([7], tf.uint8, np.array([7], np.uint8)),
        ([True, False], tf.bool, np.array([True, False])),
        (["é", {"b64": "/w=="}], tf.string, np.array(["é".encode(), b"\xff"], object)),
        ([[]], tf.float32, np.empty((1, 0), np.float32)),
    ],
)
def test_values_take_the_type_of_the_input(value, dtype, expected):
    for key in (ROWS, COLUMNS):
        form, inputs = read({key: value}, x=dtype)
        assert form == key
        assert inputs["x"].dtype == expected.dtype
        np.testing.assert_array_equal(inputs["x"], expected)


def test_nan_and_infinities_are_numbers():
    _, inputs = read('{"instances": [NaN, Infinity, -Infinity]}', x=tf.float32)
    np.testing.assert_array_equal(inputs["x"], np.array([np.nan, np.inf, -np.inf], np.float32))


def test_rows_with_names_become_columns():
    _, inputs = read({"instances": [{"a": 1, "b": ["x", "y"]}, {"b": ["z", ""], "a": 2}]}, a=tf.int64, b=tf.string)
    assert inputs["a"].tolist() == [1, 2]
    assert inputs["b"].tolist() == [[b"x", b"y"], [b"z", b""]]


def test_columns_may_be_scalars_and_differ_in_shape():
    _, inputs = read({"inputs": {"a": 5, "b": ["x"], "unknown": 1}}, a=tf.int64, b=tf.string)
    assert (inputs["a"].shape, inputs["b"].shape) == ((), (1,))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", "JSON Parse error: The document is empty"),
        ("{", "JSON Parse error: Invalid value. at offset: 1"),
        (b"\xff".decode("latin-1"), "JSON Parse error"),
        ("[" * 100_000, "JSON Parse error"),
        ("[1]", "Is not object"),
        ({"signature_name": 1}, "'signature_name' key must be a string value."),
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"instances": [1], "inputs": [1]}, "expecting only one of 'inputs' or 'instances' keys"),
        ({"instances": 1}, "Excepting 'instances' to be an list/array"),
        ({"instances": []}, "No values in 'instances' array"),
        ({"instances": ["a"]}, 'JSON Value: "a" Type: String is not of expected type: float'),
        (
            {"instances": [1, None]},
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: null",
        ),
        ({"instances": [True]}, "JSON Value: true Type: True is not of expected type: float"),
        ({"instances": [[1, 2], [3]]}, "Expecting tensor size: 2 but got: 1"),
        ({"instances": [[1, 2], [[3], [4]]]}, "Expecting shape [2] but got: [2,1]"),
        ({"instances": [[1], [[2]]]}, "Expecting shape [1] but got: [1,1]"),
        ({"instances": [[1, [2]]]}, "Encountered list at unexpected level: 1 expected < 1"),
        ({"instances": [[[1], 2]]}, "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        ({"instances": [[[1], [2, 3]]]}, "Encountered list at unexpected size: 2 at level: 1 expected size: 1"),
        ({"instances": [{"x": 1}, 2]}, "Expecting object but got list at item 1 of input list"),
        ({"instances": [1, {"x": 2}]}, "Expecting value/list but got object at item 1 of input list"),
        ({"instances": [{"x": 1, "y": 2}]}, "key: y of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not have"),
        ({"instances": [16777216]}, "Cannot convert JSON value: 16777216 to float without loss of precision."),
        ({"instances": [1e39]}, "Cannot convert JSON value: 1e+39 to float without loss of precision."),
        ({"inputs": {"y": 1}}, "Missing named input: x in 'inputs' object."),
        ({"inputs": [[1], 2]}, "JSON Value: 2 found at incorrect level: 2"),
    ],
)
def test_what_does_not_suit_is_refused_in_tf_servings_words(body, text):
    assert text in message(body, x=tf.float32)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(1.5, tf.int64), (True, tf.int64), (2**63, tf.int64), (2**31, tf.int32), (-1, tf.uint32), (1, tf.string), (1, tf.bool)],
)
def test_a_value_of_another_type_is_refused(value, dtype):
    assert f"is not of expected type: {dtype.name}" in message({"instances": [value]}, x=dtype)


@pytest.mark.parametrize("value", [{"b64": "?"}, {"b64": 1}, {"b63": "YQ=="}])
def test_a_binary_value_that_is_no_base64_is_refused(value):
    assert "base64" in message({"inputs": {"x": [value]}}, x=tf.string)


@pytest.mark.parametrize("key", [ROWS, COLUMNS])
def test_several_inputs_need_names(key):
    assert "multiple input tensors required" in message({key: [1]}, a=tf.int64, b=tf.int64)


def test_every_row_has_every_name():
    assert "keys must be equal to: a,b" in message({"instances": [{"a": 1, "b": 1}, {"a": 2}]}, a=tf.int64, b=tf.int64)


def test_an_input_of_a_type_that_json_does_not_have_is_unimplemented():
    with pytest.raises(ServingError, match="UNIMPLEMENTED"):
        read({"instances": [1]}, x=tf.complex64)


def written(form, **arrays):
    return json.loads(write_tensors(form, arrays))


def test_one_output_has_no_name_and_several_have():
    x, y = np.array([[1, 2], [3, 4]]), np.array([True, False])
    assert written(ROWS, x=x) == {"predictions": [[1, 2], [3, 4]]}
    assert written(COLUMNS, x=x) == {"outputs": [[1, 2], [3, 4]]}
    assert written(ROWS, x=x, y=y) == {"predictions": [{"x": [1, 2], "y": True}, {"x": [3, 4], "y": False}]}
    assert written(COLUMNS, x=x, y=y) == {"outputs": {"x": [[1, 2], [3, 4]], "y": [True, False]}}


def test_floats_come_back_as_they_were_in_few_digits():
    values = np.array([0.1, 1 / 3, 1e-30, 3.4e38, 5.0, -0.0, 1e8], np.float32)
    text = write_tensors(ROWS, {"y": values})
    assert text.startswith('{\n    "predictions": [0.1, 0.33333334, 1e-30, 3.4e+38, 5.0, -0.0, 100000000.0]')
    np.testing.assert_array_equal(np.array(json.loads(text)["predictions"], np.float32), values)


def test_floats_that_are_not_finite_are_bare_words():
    text = write_tensors(ROWS, {"y": np.array([np.nan, np.inf, -np.inf], np.float32)})
    assert "[NaN, Infinity, -Infinity]" in text


def test_bytes_are_base64_where_the_name_says_so():
    raw = np.array([b"\xff\x00"], object)
    assert written(ROWS, image_bytes=raw) == {"predictions": [{"b64": base64.b64encode(b"\xff\x00").decode()}]}
    assert written(ROWS, label=np.array(["é".encode()], object)) == {"predictions": ["é"]}
    assert write_tensors(ROWS, {"label": raw}).encode("utf-8", "surrogateescape").count(b"\xff") == 1


def test_rows_need_outputs_of_one_batch_size():
    with pytest.raises(ServingError, match="inconsistent batch size: 2 expecting: 1"):
        write_tensors(ROWS, {"a": np.zeros(1), "b": np.zeros(2)})
    with pytest.raises(ServingError, match="has no shape information"):
        write_tensors(ROWS, {"a": np.float32(1)})
    assert written(COLUMNS, a=np.zeros(()), b=np.zeros(2)) == {"outputs": {"a": 0.0, "b": [0.0, 0.0]}}


def test_a_type_that_json_cannot_hold_is_refused():
    with pytest.raises(ServingError, match="Failed to write JSON value for tensor type: complex64"):
        write_tensors(COLUMNS, {"y": np.zeros(1, np.complex64)})
