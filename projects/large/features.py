"""What the model sees of an order: some of each kind of analysis that tft has, over each kind of column.

Required features of schema.pbtxt arrive as tensors of shape [batch]; optional ones as SparseTensors without the missing
values. Every output is dense.
"""

import tensorflow as tf
import tensorflow_transform as tft

LABEL = "returned"
NUMBERS = ["amount", "discount", "distance", "balance"]
OPTIONAL_NUMBERS = ["age", "rating", "visits"]
BUCKETS = {"hour": 12, "quantity": 8, "amount": 20}
CATEGORIES = ["country", "channel", "device", "postcode"]
MOST_FREQUENT = {"customer": 10_000, "product": 10_000}
FARTHEST = 10.0


def preprocessing_fn(inputs):
    """Returns the model's features and the label, by name."""
    outputs = {LABEL: inputs[LABEL], "weekday": inputs["weekday"]}
    for name in NUMBERS:
        outputs[f"{name}_z"] = keep_near(tft.scale_to_z_score(inputs[name]))
    for name in OPTIONAL_NUMBERS:
        outputs[f"{name}_z"] = keep_near(fill_missing(tft.scale_to_z_score(inputs[name]), 0.0))
        outputs[f"{name}_missing"] = is_missing(inputs[name])
    for name, buckets in BUCKETS.items():
        outputs[f"{name}_bucket"] = tft.bucketize(inputs[name], buckets)
    for name in CATEGORIES:
        outputs[f"{name}_id"] = tft.compute_and_apply_vocabulary(inputs[name], num_oov_buckets=1)
    for name, most in MOST_FREQUENT.items():
        outputs[f"{name}_id"] = tft.compute_and_apply_vocabulary(inputs[name], top_k=most, num_oov_buckets=1)
    outputs["plan_id"] = fill_missing(tft.compute_and_apply_vocabulary(inputs["plan"], num_oov_buckets=1), -1) + 1
    return outputs


def keep_near(z_score):
    """Returns z-scores within ten standard deviations: an infinite one would give no probability at all."""
    return tf.clip_by_value(z_score, -FARTHEST, FARTHEST)


def fill_missing(feature, default):
    """Returns an optional feature as a dense tensor of shape [batch], with a default where it is missing."""
    default = tf.cast(default, feature.values.dtype)
    one_column = tf.SparseTensor(feature.indices, feature.values, [feature.dense_shape[0], 1])
    return tf.squeeze(tf.sparse.to_dense(one_column, default), axis=1)


def is_missing(feature):
    """Returns 1.0 where an optional feature is missing and 0.0 where it is there."""
    present = tf.SparseTensor(feature.indices, tf.ones_like(feature.values, tf.float32), feature.dense_shape)
    return 1.0 - fill_missing(present, 0.0)
