"""Finds features that predict the label alone, and so hold what is known only after it.

Each feature is cut into bins; the label's mean in a bin, from one half of the rows, predicts the other half.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components._data.ranks import area
from components._shared.label import LabelKind

_BINS, _LEAST_ROWS_PER_BIN = 100, 20
_FEW_VALUES = 20
_MOST_ROWS = 200_000
SUSPECT = 0.8
"""A feature that tells this much alone is named: an area under the ROC curve of 0.9, or most of what guessing gets wrong."""


def measure_alone(values: pa.ChunkedArray, target: np.ndarray, kind: LabelKind) -> float:
    """Returns how well a feature alone predicts the label: 0 like guessing, 1 perfectly.

    Args:
        values: int64, float64 or string of shape [rows].
        target: float64 [rows], without NaN; see DraftLabel.
        kind: Kind of the label.

    Returns:
        Of a binary label 2·AUC - 1; of several classes the share of the rows that guessing the most frequent class gets
        wrong and the feature gets right; of a number the share of its variance that is explained.
    """
    order = np.random.default_rng(0).permutation(len(target))[:_MOST_ROWS]
    bins, target = _to_bins(values.take(pa.array(order))), target[order]
    first, second = np.arange(len(order)) % 2 == 0, np.arange(len(order)) % 2 == 1
    predict = _most_frequent if kind is LabelKind.MULTICLASS else _bin_means
    predicted = np.where(first, predict(bins, target, second)[bins], predict(bins, target, first)[bins])
    if kind is LabelKind.BINARY:
        return max(0.0, 2 * area(predicted, target) - 1)
    if kind is LabelKind.MULTICLASS:
        guess = np.bincount(target.astype(np.int64)).max() / len(target)
        return float(max(0.0, (np.mean(predicted == target) - guess) / (1 - guess)))
    return float(max(0.0, 1 - np.mean((target - predicted) ** 2) / np.var(target)))


def is_leak(strength: float, distinct: int, kind: LabelKind) -> bool:
    """Returns whether a feature predicts the label almost perfectly.

    A flag that agrees with a binary label nearly always is a copy of it; a measurement of many values may be as good by
    right, and has to be better to be taken for one.

    Args:
        strength: What `measure_alone` returns.
        distinct: Number of different values of the feature.
        kind: Kind of the label.
    """
    return strength >= (0.9 if kind is LabelKind.BINARY and distinct <= _FEW_VALUES else 0.98)


def _to_bins(values: pa.ChunkedArray) -> np.ndarray:
    """Returns int64 [rows]: 0 where missing, else the number of the value, or of the quantile of a number."""
    distinct = pc.unique(values.drop_null())
    if pa.types.is_string(values.type) or len(distinct) <= _FEW_VALUES:
        return pc.fill_null(pc.add(pc.index_in(values, value_set=distinct), 1), 0).to_numpy().astype(np.int64)
    numbers = values.cast(pa.float64(), safe=False).to_numpy()
    missing = np.isnan(numbers)
    bins = max(2, min(_BINS, len(numbers) // _LEAST_ROWS_PER_BIN))
    edges = np.unique(np.quantile(numbers[~missing], np.linspace(0, 1, bins + 1)[1:-1]))
    return np.where(missing, 0, 1 + np.searchsorted(edges, numbers, side="right"))


def _bin_means(bins: np.ndarray, target: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """Returns the mean label of each bin over the rows of `fit`, drawn to the mean of all by one row."""
    size = bins.max() + 1
    counts, sums = np.bincount(bins[fit], minlength=size), np.bincount(bins[fit], target[fit], minlength=size)
    return (sums + target[fit].mean()) / (counts + 1)


def _most_frequent(bins: np.ndarray, target: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """Returns the most frequent class of each bin over the rows of `fit`; of an empty bin that of all."""
    size, classes = bins.max() + 1, int(target.max()) + 1
    numbers = target[fit].astype(np.int64)
    counts = np.bincount(bins[fit] * classes + numbers, minlength=size * classes).reshape(size, classes)
    return np.where(counts.any(axis=1), counts.argmax(axis=1), np.bincount(numbers).argmax())
