"""A small network: embeddings of the ids and the numbers next to each other, then dense layers."""

import keras

SIZES = {"plan_id": 5}


def build_model(feature_spec, hyperparameters):
    """Returns a compiled model that gives the probability that an order is returned.

    Args:
        feature_spec: By name of each transformed feature: shape, dtype, and for ids their number, `size`.
        hyperparameters: `learning_rate` and `hidden_units`.
    """
    inputs = {name: keras.Input(spec.shape, dtype=spec.dtype.name, name=name) for name, spec in feature_spec.items()}
    columns = []
    for name, spec in feature_spec.items():
        if size := SIZES.get(name, spec.size):
            columns.append(keras.layers.Embedding(size, min(8, 1 + size // 2))(inputs[name]))
        else:
            columns.append(keras.layers.Lambda(as_float, output_shape=(1,))(inputs[name]))
    hidden = keras.layers.Concatenate()(columns)
    for units in hyperparameters["hidden_units"]:
        hidden = keras.layers.Dense(units, activation="relu")(hidden)
    probability = keras.layers.Dense(1, activation="sigmoid", name="probability")(hidden)

    model = keras.Model(inputs, probability)
    model.compile(
        optimizer=keras.optimizers.Adam(hyperparameters["learning_rate"]),
        loss="binary_crossentropy",
        metrics=[keras.metrics.AUC(name="auc")],
        jit_compile=False,  # XLA would take longer to compile this model than the model takes to train
    )
    return model


def as_float(values):
    """Returns numbers of shape [batch] as float32 of shape [batch, 1]."""
    return keras.ops.expand_dims(keras.ops.cast(values, "float32"), 1)
