import numpy as np
import pytest
import tensorflow as tf

from serving.errors import ServingError
from serving.servable import Servable


@pytest.fixture(scope="module")
def half(half_plus_two):
    servable = Servable(half_plus_two)
    yield servable
    servable.close()


def x(*values, dtype=np.float32):
    return {"x": np.array(values, dtype)}


def test_a_signature_answers(half):
    np.testing.assert_array_equal(half.predict("", x(1, 2, 5))["y"], np.array([2.5, 3.0, 4.5], np.float32))


def test_tables_and_several_types_are_served(mixed):
    servable = Servable(mixed)
    inputs = {"origin": np.array([b"LGA", b"\xff"], object), "hour": np.array([1, 2]), "pair": np.zeros((2, 2))}
    outputs = servable.predict("serving_default", inputs)
    assert outputs["place"].tolist() == [2, -1]
    assert outputs["raw_bytes"].tolist() == [b"LGA", b"\xff"]
    assert outputs["sum"].tolist() == [[1, 1], [2, 2]]
    assert list(servable.predict("", inputs, ["text"])) == ["text"]
    servable.close()


@pytest.mark.parametrize(
    ("signature", "inputs", "wanted", "code", "text"),
    [
        ("nope", x(1), (), "FAILED_PRECONDITION", 'Serving signature key "nope" not found.'),
        ("", {}, (), "INVALID_ARGUMENT", "input size does not match signature: 0!=1 len({}) != len({x})."),
        ("", {**x(1), "z": np.array([1])}, (), "INVALID_ARGUMENT", "Sent extra: {z}. Missing but required: {}."),
        (
            "",
            {"z": np.array([1])},
            (),
            "INVALID_ARGUMENT",
            "alias not found in signature: z. Inputs expected to be in the set {x}.",
        ),
        ("", x(1), ("z",), "INVALID_ARGUMENT", "output tensor alias not found in signature: z"),
        ("", x(1), ("y", "y"), "INVALID_ARGUMENT", "duplicate output tensor alias: y"),
        ("", x(1, dtype=np.float64), (), "INVALID_ARGUMENT", "Expects arg[0] to be float but double is provided"),
    ],
)
def test_a_request_that_does_not_suit_is_refused_in_tf_servings_words(half, signature, inputs, wanted, code, text):
    with pytest.raises(ServingError) as raised:
        half.predict(signature, inputs, wanted)
    assert raised.value.code == code
    assert text in raised.value.message


def test_an_error_of_the_graph_keeps_its_code(mixed):
    servable = Servable(mixed)
    with pytest.raises(ServingError, match=r"INVALID_ARGUMENT: .*x is positive"):
        servable.predict("fail", x(-1))
    servable.close()


def test_a_model_of_tensorflow_1_is_served(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        value = tf.compat.v1.placeholder(tf.float32, [None, 1], name="x")
        doubled = tf.multiply(value, 2.0, name="y")
        tf.compat.v1.saved_model.simple_save(session, str(tmp_path / "1"), {"x": value}, {"y": doubled})
    servable = Servable(tmp_path / "1")
    # As in TF Serving, a shape is not compared with the signature's: TF Serving's own tests send [3] to [-1, 1].
    assert servable.predict("", x(1, 2, 3))["y"].tolist() == [2, 4, 6]
    servable.close()


def test_a_folder_without_a_model_is_not_found(tmp_path):
    with pytest.raises(ServingError, match="NOT_FOUND: Could not find SavedModel"):
        Servable(tmp_path)


def test_a_half_copied_model_does_not_load(tmp_path, half_plus_two):
    (tmp_path / "saved_model.pb").write_bytes((half_plus_two / "saved_model.pb").read_bytes())
    with pytest.raises(ServingError):
        Servable(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\xff")
    with pytest.raises(ServingError):
        Servable(tmp_path)


def test_tags_must_be_those_of_the_graph(half_plus_two):
    with pytest.raises(ServingError, match="gpu"):
        Servable(half_plus_two, ["serve", "gpu"])
