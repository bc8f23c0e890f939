"""What the ranks of predictions tell."""

import numpy as np


def area(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Returns the area under the ROC curve, ties by half (Mann, Whitney 1947); 0.5 where one class has no row.

    Args:
        predicted: float64 [rows].
        actual: float64 [rows], 0 or 1.
    """
    _, index, counts = np.unique(predicted, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[index]
    positive = actual == 1
    ones, zeros = positive.sum(), (~positive).sum()
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros)) if ones and zeros else 0.5
