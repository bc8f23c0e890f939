"""What the model sees of a flight. TFT learns from the training split alone, and serving runs the very same graph.

Required features of schema.pbtxt arrive as tensors of shape [batch]; optional ones as SparseTensors without the missing
values. Every output is dense. Ids carry their vocabulary's size to build_model.
"""

import tensorflow as tf
import tensorflow_transform as tft

LABEL = "late"
NUMBERS = ["distance", "minute"]
OPTIONAL_NUMBERS = ["plane_year", "plane_seats"]
BUCKETS = {"month": 12, "hour": 24, "sched_arr_time": 24, "distance": 10}
CATEGORIES = ["carrier", "origin", "dest"]
FARTHEST = 10.0


def preprocessing_fn(inputs):
    """Returns the model's features and the label, by name."""
    outputs = {LABEL: inputs[LABEL]}
    for name in NUMBERS:
        outputs[f"{name}_z"] = keep_near(tft.scale_to_z_score(inputs[name]))
    for name in OPTIONAL_NUMBERS:
        # The z-scores of the values that are there have the mean 0, so 0 imputes the mean of the training split.
        outputs[f"{name}_z"] = keep_near(fill_missing(tft.scale_to_z_score(inputs[name]), 0.0))
        outputs[f"{name}_missing"] = is_missing(inputs[name])
    for name, buckets in BUCKETS.items():
        outputs[f"{name}_bucket"] = tft.bucketize(inputs[name], buckets)
    for name in CATEGORIES:
        # What training has never seen shares one id, the last of the vocabulary.
        outputs[f"{name}_id"] = tft.compute_and_apply_vocabulary(inputs[name], num_oov_buckets=1)
    return outputs


def keep_near(z_score):
    """Returns z-scores within ten standard deviations: an infinite one would give no probability at all."""
    return tf.clip_by_value(z_score, -FARTHEST, FARTHEST)


def fill_missing(feature, default):
    """Returns an optional feature as a dense tensor of shape [batch], with a default where it is missing."""
    one_column = tf.SparseTensor(feature.indices, feature.values, [feature.dense_shape[0], 1])
    return tf.squeeze(tf.sparse.to_dense(one_column, default), axis=1)


def is_missing(feature):
    """Returns 1.0 where an optional feature is missing and 0.0 where it is there."""
    present = tf.SparseTensor(feature.indices, tf.ones_like(feature.values), feature.dense_shape)
    return 1.0 - fill_missing(present, 0.0)
