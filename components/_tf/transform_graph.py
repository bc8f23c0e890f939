"""The transform graph as core TensorFlow: neither training nor serving needs TFT."""

from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from components._data.schema import read_schema
from components._shared.errors import UserError
from components._tf.saved_model import DTYPES, MISSING

TRANSFORM_FN_DIR = "transform_fn"
METADATA_DIR = "transformed_metadata"


class FeatureSpec(NamedTuple):
    """One transformed feature, as build_model receives it; reads like a tf.io.FixedLenFeature that knows its vocabulary.

    Attributes:
        shape: Shape of one row's value: [] for a scalar, [n] for a vector.
        dtype: tf.float32, tf.int64 or tf.string.
        size: Number of distinct ids, so that all values lie in [0, size): the size of the vocabulary with its
            out-of-vocabulary buckets, or the number of buckets. None for a feature that is no id.
    """

    shape: list[int]
    dtype: tf.DType
    size: int | None


def read_feature_spec(transform_graph: str | Path) -> dict[str, FeatureSpec]:
    """Returns the spec of every transformed feature, the label included, from the schema that TFT wrote.

    TFT derives the range of ids from the vocabulary or the bucket boundaries (`int_domain`, is_categorical).

    Args:
        transform_graph: A transform graph in TFT's layout.

    Raises:
        UserError: If the schema is not there.
    """
    schema = read_schema(Path(transform_graph) / METADATA_DIR)
    spec = {}
    for feature in schema.feature:
        ids = feature.int_domain if feature.HasField("int_domain") and feature.int_domain.is_categorical else None
        size = ids.max + 1 if ids is not None and ids.min >= 0 else None
        spec[feature.name] = FeatureSpec([dim.size for dim in feature.shape.dim], DTYPES[feature.type], size)
    return spec


class TransformGraph(tf.Module):
    """A saved transform graph that takes dense raw tensors with markers for missing values.

    The module owns the vocabularies' lookup tables: a model exported with it carries them along.
    """

    def __init__(self, transform_graph: str | Path) -> None:
        """Loads the graph from TFT's layout.

        Raises:
            UserError: If it cannot be loaded.
        """
        super().__init__()
        path = Path(transform_graph) / TRANSFORM_FN_DIR
        try:
            self.loaded = tf.saved_model.load(str(path))
            function = self.loaded.transform_fn
        except Exception as error:  # TensorFlow raises nearly anything, such as KeyError, where a byte is another one
            shown = f"{path}: {type(error).__name__}: {error}"
            rule, remedy = "The transform graph is a SavedModel.", "Run transform_features again."
            raise UserError(rule, received=shown, remedy=remedy) from error
        self._function = function.concrete_functions[0] if hasattr(function, "concrete_functions") else function
        self.inputs = dict(self._function.structured_input_signature[0][0])

    def __call__(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the transformed features of a batch.

        Args:
            raw: Dense tensors of shape [batch], with markers where an optional feature is missing. A feature that the
                graph takes and that is not given, such as the label in serving, is a constant: what depends on it is
                meaningless.

        Returns:
            Every output of the preprocessing_fn, by name.
        """
        rows = tf.shape(next(iter(raw.values())))[0]
        inputs = {name: _as_input(raw.get(name), spec, rows) for name, spec in self.inputs.items()}
        return self._function(*tf.nest.flatten(inputs, expand_composites=True))


def _as_input(values: tf.Tensor | None, spec: tf.TypeSpec, rows: tf.Tensor) -> tf.Tensor | tf.SparseTensor:
    sparse = isinstance(spec, tf.SparseTensorSpec)
    if values is None:
        placeholder = MISSING[spec.dtype] if sparse else b"" if spec.dtype == tf.string else 0
        values = tf.fill([rows], tf.constant(placeholder, spec.dtype))
    return drop_missing(values) if sparse else values


def drop_missing(values: tf.Tensor) -> tf.SparseTensor:
    """Returns a dense tensor of shape [batch] as SparseTensor of shape [batch, 1] without the markers of missing values."""
    marker = tf.constant(MISSING[values.dtype], values.dtype)
    present = ~tf.math.is_nan(values) if values.dtype.is_floating else values != marker
    rows = tf.where(present)
    shape = tf.stack([tf.shape(values, out_type=tf.int64)[0], 1])
    return tf.SparseTensor(tf.concat([rows, tf.zeros_like(rows)], axis=1), tf.boolean_mask(values, present), shape)
