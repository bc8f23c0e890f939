"""Quick models of a new table: what guessing reaches on the eval split, and what a linear model does.

They are fitted to the train split and measured on the eval split. The test split is never read.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components._data.ranks import area
from components._shared.label import LabelKind

_MOST_ROWS = 20_000
_MOST_VALUES = 20
_MOST_COLUMNS = 400
_FARTHEST = 10.0
_RIDGE = 1.0
_STEPS = 8
_MOST_HALVINGS = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Feature:
    """A feature of the linear model.

    Attributes:
        name: Its name.
        is_number: Whether it is a number; else it is a category.
    """

    name: str
    is_number: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quick:
    """What the quick models reach on the eval split.

    Attributes:
        metric: AUC, SparseCategoricalAccuracy or MeanAbsoluteError, by kind of label.
        guess: Its value for a model that knows no feature: 0.5, the share of the most frequent class of the train split, or
            the error of the train split's mean.
        linear: Its value for a linear model of numbers and categories.
        error: Standard error of `linear` with the rows of the eval split.
        predicted: The linear model's predictions of the eval split, [rows] or [rows, classes].
        label: The labels of the eval split, float64 [rows].
        mean: Mean label of the train split.
        deviation: Standard deviation of the labels of the train split.
    """

    metric: str
    guess: float
    linear: float
    error: float
    predicted: np.ndarray
    label: np.ndarray
    mean: float
    deviation: float


def fit_quick_models(train: pa.Table, evaluation: pa.Table, features: Sequence[Feature], label: str, kind: LabelKind) -> Quick:
    """Fits the quick models and measures them.

    Args:
        train: Rows of the train split; at most the first 20,000 are used, which are a sample, as rows stand in hash order.
        evaluation: Rows of the eval split, likewise.
        features: Numbers and categories among the features.
        label: Name of the label.
        kind: Its kind.
    """
    train, evaluation = train.slice(0, _MOST_ROWS), evaluation.slice(0, _MOST_ROWS)
    y, actual = (table[label].to_numpy().astype(np.float64) for table in (train, evaluation))
    x, x_eval = _design(train, evaluation, features)
    predicted = _predict(x, y, x_eval, kind)
    known = {"predicted": predicted, "label": actual, "mean": float(y.mean()), "deviation": float(y.std())}
    rows = max(len(actual), 1)
    if kind is LabelKind.BINARY:
        linear = area(predicted, actual)
        return Quick(metric="AUC", guess=0.5, linear=linear, error=area_error(linear, actual), **known)
    if kind is LabelKind.MULTICLASS:
        hits = float(np.mean(predicted.argmax(axis=1) == actual))
        guess = float(np.mean(actual == np.bincount(y.astype(np.int64)).argmax()))
        error = float(np.sqrt(hits * (1 - hits) / rows))
        return Quick(metric="SparseCategoricalAccuracy", guess=guess, linear=hits, error=error, **known)
    errors = np.abs(predicted - actual)
    guess = float(np.mean(np.abs(actual - y.mean())))
    error = float(errors.std() / np.sqrt(rows))
    return Quick(metric="MeanAbsoluteError", guess=guess, linear=float(errors.mean()), error=error, **known)


def area_error(value: float, actual: np.ndarray) -> float:
    """Returns the standard error of an area under the ROC curve (Hanley, McNeil 1982)."""
    ones, zeros = max((actual == 1).sum(), 1), max((actual != 1).sum(), 1)
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    variance = value * (1 - value) + (ones - 1) * (q1 - value**2) + (zeros - 1) * (q2 - value**2)
    return float(np.sqrt(max(variance, 0.0) / (ones * zeros)))


def best_threshold(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Returns the threshold, of two decimals, above which predictions have the greatest F1 score.

    Args:
        predicted: float64 [rows], probabilities.
        actual: float64 [rows], 0 or 1.
    """
    thresholds = np.round(np.arange(0.02, 0.99, 0.01), 2)
    chosen = predicted[None, :] > thresholds[:, None]
    hits = (chosen & (actual == 1)[None, :]).sum(axis=1)
    scores = 2 * hits / np.maximum(chosen.sum(axis=1) + (actual == 1).sum(), 1)
    return float(thresholds[scores.argmax()])


def _design(train: pa.Table, evaluation: pa.Table, features: Sequence[Feature]) -> tuple[np.ndarray, np.ndarray]:
    """Returns float64 [rows, columns] of both splits: a constant, z-scores, flags of missing values, and categories."""
    parts = [[np.ones((table.num_rows, 1)) for table in (train, evaluation)]]
    for feature in features:
        if sum(part[0].shape[1] for part in parts) >= _MOST_COLUMNS:
            break
        columns = train[feature.name], evaluation[feature.name]
        parts.append(_numbers(*columns) if feature.is_number else _categories(*columns))
    return np.hstack([part[0] for part in parts]), np.hstack([part[1] for part in parts])


def _numbers(train: pa.ChunkedArray, evaluation: pa.ChunkedArray) -> list[np.ndarray]:
    values = [column.cast(pa.float64(), safe=False).to_numpy() for column in (train, evaluation)]
    finite = values[0][np.isfinite(values[0])]
    mean, deviation = (finite.mean(), finite.std() or 1.0) if len(finite) else (0.0, 1.0)
    z_scores = [np.clip(np.nan_to_num((column - mean) / deviation, nan=0.0), -_FARTHEST, _FARTHEST) for column in values]
    missing = [np.isnan(column).astype(np.float64) for column in values]
    return [np.stack(pair, axis=1) for pair in zip(z_scores, missing, strict=True)]


def _categories(train: pa.ChunkedArray, evaluation: pa.ChunkedArray) -> list[np.ndarray]:
    counted = sorted(train.value_counts().to_pylist(), key=lambda item: (-item["counts"], str(item["values"])))
    known = pa.array([item["values"] for item in counted if item["values"] is not None][:_MOST_VALUES], train.type)
    codes = [pc.fill_null(pc.index_in(column, value_set=known), -1).to_numpy() for column in (train, evaluation)]
    return [(column[:, None] == np.arange(len(known))[None, :]).astype(np.float64) for column in codes]


def _predict(x: np.ndarray, y: np.ndarray, x_eval: np.ndarray, kind: LabelKind) -> np.ndarray:
    if kind is LabelKind.NUMERIC:
        penalty = _RIDGE * np.eye(x.shape[1])
        penalty[0, 0] = 1e-6
        return x_eval @ np.linalg.solve(x.T @ x + penalty, x.T @ y)
    if kind is LabelKind.BINARY:
        return _sigmoid(x_eval @ _fit_logistic(x, y))
    # One class against the others, for each class.
    scores = np.stack([_sigmoid(x_eval @ _fit_logistic(x, (y == number) * 1.0)) for number in range(int(y.max()) + 1)], axis=1)
    return scores / scores.sum(axis=1, keepdims=True)


def _fit_logistic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the weights of a logistic regression with a ridge, by Newton's method (iteratively reweighted least squares).

    A step that makes the fit worse is halved: for a rare class and a column with a long tail, whole ones run away.
    """
    weights, penalty = np.zeros(x.shape[1]), _RIDGE * np.ones(x.shape[1])
    penalty[0] = 1e-6
    weights[0] = np.log((y.sum() + 0.5) / (len(y) - y.sum() + 0.5))
    loss = _logistic_loss(x, y, weights, penalty)
    for _ in range(_STEPS):
        p = _sigmoid(x @ weights)
        gradient = x.T @ (y - p) - penalty * weights
        step = np.linalg.solve((x.T * np.maximum(p * (1 - p), 1e-6)) @ x + np.diag(penalty), gradient)
        for _ in range(_MOST_HALVINGS):
            tried = _logistic_loss(x, y, weights + step, penalty)
            if tried <= loss:
                weights, loss = weights + step, tried
                break
            step = step / 2
    return weights


def _logistic_loss(x: np.ndarray, y: np.ndarray, weights: np.ndarray, penalty: np.ndarray) -> float:
    scores = x @ weights
    return float(np.sum(np.logaddexp(0, scores) - y * scores) + penalty @ weights**2 / 2)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(values, -30, 30)))
