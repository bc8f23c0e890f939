"""Keras's usual metrics in numpy, since its eager calls for each slice take seconds.

The formulas are those of tf_keras 2.16, with its float32 and its 1e-7 around probabilities.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Formula = Callable[[np.ndarray, np.ndarray], float]

_EPSILON = np.float32(1e-7)
_PLAIN = {"from_logits": False, "label_smoothing": 0, "ignore_class": None, "axis": -1, "dtype": "float32"}
"""Settings under which the formulas hold."""


def formula_of(class_name: str, config: Mapping[str, Any]) -> Formula | None:
    """Returns the formula of a Keras metric, or None where there is none for it with these settings.

    A formula takes labels of shape [rows, 1] and predictions, float32 of shape [rows, 1] or [rows, classes], and returns the
    metric over all rows.
    """
    plain = all(config.get(name, value) == value for name, value in _PLAIN.items())
    return _FORMULAS.get(class_name) if plain else None


def _binary_crossentropy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """See `binary_crossentropy` of keras/src/backend.py: clipped, and 1e-7 added once more inside the logarithms."""
    numbers = labels.astype(np.float32)
    clipped = np.clip(predictions, _EPSILON, 1 - _EPSILON)
    loss = -(numbers * np.log(clipped + _EPSILON) + (1 - numbers) * np.log(1 - clipped + _EPSILON))
    return float(loss.mean(dtype=np.float64))


def _sparse_categorical_crossentropy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """See `sparse_categorical_crossentropy` there: clipped, and the softmax of the logarithms makes the rows sum to 1."""
    clipped = np.clip(predictions, _EPSILON, 1 - _EPSILON)
    of_label = np.take_along_axis(clipped, labels.astype(np.int64), axis=1)[:, 0]
    return float((np.log(clipped.sum(axis=1)) - np.log(of_label)).mean(dtype=np.float64))


def _sparse_categorical_accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    return float(np.mean(predictions.argmax(axis=1) == labels[:, 0]))


def _root_mean_squared_error(labels: np.ndarray, predictions: np.ndarray) -> float:
    errors = predictions.astype(np.float32) - labels.astype(np.float32)
    return float(np.sqrt(np.mean(errors.astype(np.float64) ** 2)))


_FORMULAS: dict[str, Formula] = {
    "BinaryCrossentropy": _binary_crossentropy,
    "SparseCategoricalCrossentropy": _sparse_categorical_crossentropy,
    "SparseCategoricalAccuracy": _sparse_categorical_accuracy,
    "RootMeanSquaredError": _root_mean_squared_error,
}
