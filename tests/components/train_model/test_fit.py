import keras
import pytest
import tensorflow as tf

from components._shared.errors import UserError
from components._shared.label import LabelKind, LabelSpec
from components._tf.transform_graph import FeatureSpec
from components.train_model.fit import build

FEATURES = {"bill": FeatureSpec([], tf.float32, None)}
SPECIES = LabelSpec(name="species", kind=LabelKind.MULTICLASS, classes=("Adelie", "Chinstrap", "Gentoo"))
PRICE = LabelSpec(name="price", kind=LabelKind.NUMERIC)


def model_with(units, activation=None):
    """Returns a build_model whose model ends in that layer."""

    def build_model(feature_spec, hyperparameters):
        bill = keras.Input((), name="bill")
        layer = keras.layers.Dense(units, activation, bias_initializer="ones")
        model = keras.Model({"bill": bill}, layer(keras.layers.Reshape((1,))(bill)))
        model.compile(loss="mse")
        return model

    return build_model


@pytest.mark.parametrize(("label", "ending"), [(SPECIES, (3, "softmax")), (PRICE, (1,))])
def test_a_model_that_suits_its_label_is_taken(label, ending):
    assert build(model_with(*ending), FEATURES, {}, label).compiled


@pytest.mark.parametrize(
    ("label", "ending", "message"),
    [
        (SPECIES, (1, "sigmoid"), r"multiclass label has one output per class, 3, .*\[2, 1\] for two rows"),
        (SPECIES, (4, "softmax"), r"\[None, 3\]"),
        (SPECIES, (3,), "probabilities, which sum to 1.*softmax"),
        (PRICE, (3,), "numeric label has one output per row"),
    ],
)
def test_a_model_that_does_not_suit_its_label_is_refused(label, ending, message):
    with pytest.raises(UserError, match=message):
        build(model_with(*ending), FEATURES, {}, label)
