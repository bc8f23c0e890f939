import math

import pytest

from components._shared.errors import UserError
from components._shared.interface import Interface, Signature, find_interface, find_output, own_interface, read_rows
from components._shared.label import LabelKind, LabelSpec

FEATURES = ("bill", "island")
LATE, PRICE = LabelSpec(name="late"), LabelSpec(name="price", kind=LabelKind.NUMERIC)
SERIALIZED = Signature(inputs={"examples": "string"}, outputs={"outputs": "float32"})


def raw(**outputs):
    return Signature(inputs={"bill": "float32", "island": "string"}, outputs=outputs or {"probability": "float32"})


def test_what_train_model_exports_is_found_by_its_signatures():
    serialized = Signature(inputs={"examples": "string"}, outputs={"probability": "float32"})
    transform = Signature(inputs={"examples": "string"}, outputs={"bill_z": "float32"})
    signatures = {"serving_default": raw(), "examples": serialized, "transform_features": transform}
    found, own = find_interface(signatures, FEATURES, LATE), own_interface(FEATURES, LATE)
    assert own.own
    assert found == Interface(**{**vars(own), "own": False})


def test_a_text_that_is_no_feature_is_a_serialized_example():
    found = find_interface({"serving_default": SERIALIZED}, FEATURES, LATE)
    assert (found.raw, found.examples_signature, found.examples_input) == ((), "serving_default", "examples")
    assert (found.transform_input, found.output) == ("", "outputs")


def test_a_text_that_is_the_only_feature_is_a_raw_tensor():
    signature = Signature(inputs={"island": "string"}, outputs={"outputs": "float32"})
    found = find_interface({"serving_default": signature}, ("island",), LATE)
    assert (found.raw, found.examples_signature) == (("island",), "")


def test_transform_features_may_name_its_input_otherwise():
    transform = Signature(inputs={"examples_transform": "string"}, outputs={})
    found = find_interface({"serving_default": SERIALIZED, "transform_features": transform}, FEATURES, LATE)
    assert found.transform_input == "examples_transform"


def test_transformed_inputs_are_an_error():
    signature = Signature(inputs={"bill_xf": "float32"}, outputs={"outputs": "float32"})
    with pytest.raises(UserError, match=r"features of the schema.*bill_xf.*transforms raw rows itself"):
        find_interface({"serving_default": signature}, FEATURES, LATE)


def test_a_model_without_serving_default_is_an_error():
    with pytest.raises(UserError, match=r"serving_default.*\['predict'\]"):
        find_interface({"predict": SERIALIZED}, FEATURES, LATE)


@pytest.mark.parametrize(
    ("outputs", "label", "expected"),
    [
        ({"probability": "float32", "logits": "float32"}, LATE, ("probability", False)),
        ({"dense_3": "float32"}, LATE, ("dense_3", False)),
        ({"classes": "string", "scores": "float32", "ids": "int64"}, LATE, ("scores", False)),
        ({"logits": "float32", "embedding": "float32"}, LATE, ("logits", True)),
        ({"logits": "float32"}, PRICE, ("logits", False)),
        ({"outputs": "float64", "variance": "float64"}, PRICE, ("outputs", False)),
    ],
)
def test_the_prediction_is_found_among_the_outputs(outputs, label, expected):
    assert find_output(outputs, label) == expected


def test_outputs_without_a_known_name_are_an_error():
    with pytest.raises(UserError, match=r"only one of floats.*\['a', 'b'\]"):
        find_output({"a": "float32", "b": "float32"}, LATE)


def test_rows_are_read_as_the_evaluation_has_them():
    assert read_rows([[0.25], [0.5]], "binary", logits=False) == [0.25, 0.5]
    assert read_rows([[0.75, 0.25]], "binary", logits=False) == [0.25]
    assert read_rows([0.0, 1000.0, -1000.0], "binary", logits=True) == [0.5, 1.0, 0.0]
    assert read_rows([[0.0, 0.0, math.log(2)]], "multiclass", logits=True)[0] == pytest.approx([0.25, 0.25, 0.5])
    assert read_rows([[1.5], 2.5], "numeric", logits=False) == [1.5, 2.5]
