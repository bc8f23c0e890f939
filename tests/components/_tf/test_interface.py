import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components._shared.errors import UserError
from components._shared.label import LabelKind, LabelSpec
from components._tf.interface import predict_rows, read_interface, to_predictions
from components._tf.saved_model import load_model

SCHEMA = text_format.Parse(
    """
    feature { name: "bill" type: FLOAT presence { min_fraction: 1 } shape {} }
    feature { name: "late" type: INT not_in_environment: "SERVING" }
    """,
    schema_pb2.Schema(),
)
ROWS = pa.table({"bill": pa.array([-1.0, 0.0, 2.0], pa.float32()), "late": [0, 1, 1]})
LATE = LabelSpec(name="late")
SPECIES = LabelSpec(name="late", kind=LabelKind.MULTICLASS, classes=("a", "b", "c"))


def save(path, answer, *, serialized=True):
    """Exports a model whose outputs are made of the bills, of shape [batch, 1]."""

    def from_examples(examples):
        return answer(tf.io.parse_example(examples, {"bill": tf.io.FixedLenFeature([1], tf.float32)})["bill"])

    if serialized:
        signature = tf.function(from_examples).get_concrete_function(tf.TensorSpec([None], tf.string, name="examples"))
    else:
        spec = tf.TensorSpec([None], tf.float32, name="bill")
        signature = tf.function(lambda bill: answer(bill[:, tf.newaxis])).get_concrete_function(spec)
    tf.saved_model.save(tf.Module(), str(path), signatures={"serving_default": signature})
    return path


def predict(path, label=LATE):
    return predict_rows(load_model(path), read_interface(path, SCHEMA, label), ROWS, SCHEMA, label, batch_rows=2)


@pytest.mark.parametrize("serialized", [True, False])
def test_a_model_is_asked_as_its_signature_says(tmp_path, serialized):
    path = save(tmp_path, lambda bill: {"outputs": tf.sigmoid(bill)}, serialized=serialized)
    np.testing.assert_allclose(predict(path), 1 / (1 + np.exp([1.0, 0.0, -2.0])), rtol=1e-6)


def test_logits_become_probabilities(tmp_path):
    path = save(tmp_path, lambda bill: {"logits": tf.concat([bill, bill, 0 * bill], axis=1), "features": bill})
    found = predict(path, SPECIES)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(found[1], [1 / 3] * 3, rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "name", "label", "expected"),
    [
        ([[0.75, 0.25]], "outputs", LATE, [0.25]),
        ([[0.0, np.log(3)]], "logits", LATE, [0.75]),
        ([[-1000.0], [1000.0]], "logits", LATE, [0.0, 1.0]),
        ([-1000.0, 0.0], "logits", LATE, [0.0, 0.5]),
        ([[7.5]], "outputs", LabelSpec(name="late", kind=LabelKind.NUMERIC), [7.5]),
        ([[0.5, 0.25, 0.25]], "outputs", SPECIES, [[0.5, 0.25, 0.25]]),
    ],
)
def test_predictions_have_the_form_of_their_kind(tmp_path, values, name, label, expected):
    constant = tf.constant(values, tf.float32)
    interface = read_interface(save(tmp_path, lambda _: {name: constant}), SCHEMA, label)
    np.testing.assert_allclose(to_predictions(np.array(values), interface, label), expected, rtol=1e-6)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(UserError, match=str(tmp_path)):
        read_interface(tmp_path, SCHEMA, LATE)
