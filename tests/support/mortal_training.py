"""A small training, for processes that die on the way: by SIGKILL, at the moment that a test names."""

import hashlib
import itertools
import json
import os
import signal
from pathlib import Path

EPOCHS = 12


def train(folder, result, moment="", count=0):
    """Trains a small model with dropout, with its checkpoint in a folder, and writes what came out.

    Args:
        folder: For the checkpoint; empty for none.
        result: File to write weights' digest, history, best epoch and where it was resumed to.
        moment: `evaluate`, before the evaluation of an epoch, or `fsync`: two per checkpoint, one before the file gets
            its name and one after. The process dies there; empty for never.
        count: At which of these moments, from 1.
    """
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="2", TF_ENABLE_ONEDNN_OPTS="0")
    import keras
    import numpy as np
    import tensorflow as tf

    from components.train_model.arrays import Arrays
    from components.train_model.checkpoints import CheckpointFile
    from components.train_model.fit import Settings, fit

    keras.utils.set_random_seed(5)
    tf.config.experimental.enable_op_determinism()
    model = _build(keras)
    if moment:
        owner = {"evaluate": model, "fsync": os}[moment]
        setattr(owner, moment, _deadly(getattr(owner, moment), count))
    rng = np.random.default_rng(0)
    splits = []
    for rows in (500, 200):
        values = rng.normal(size=(rows, 4)).astype(np.float32)
        label = (values[:, 0] + rng.normal(size=rows) > 0).astype(np.float32)
        splits.append(Arrays(features={"x": values}, label=label))
    settings = Settings(epochs=EPOCHS, batch_size=64, patience=4, seed=3)
    checkpoint = CheckpointFile(str(folder), "sha256:key") if folder else None
    fitted = fit(model, train=splits[0], evaluation=splits[1], settings=settings, checkpoint=checkpoint)
    weights = hashlib.sha256(b"".join(value.tobytes() for value in model.get_weights())).hexdigest()
    document = {"weights": weights, "history": fitted.history, "best_epoch": fitted.best_epoch, "resumed_at": fitted.resumed_at}
    Path(result).write_text(json.dumps(document))


def _build(keras):
    values = keras.Input((4,), name="x")
    hidden = keras.layers.Dropout(0.3)(keras.layers.Dense(8, "relu")(values))
    hidden = keras.layers.BatchNormalization()(hidden)
    model = keras.Model({"x": values}, keras.layers.Dense(1, "sigmoid")(hidden))
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", jit_compile=False)
    return model


def _deadly(function, count):
    numbers = itertools.count(1)

    def act(*args, **kwargs):
        if next(numbers) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return act
