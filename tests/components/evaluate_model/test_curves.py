import numpy as np
import pytest

from components.evaluate_model.curves import POINTS, trace_curve


def test_curve_of_perfect_predictions():
    labels = np.array([0, 0, 1, 1])
    curve = trace_curve(labels, np.array([0.1, 0.2, 0.8, 0.9], dtype=np.float32))
    best = curve.recall - curve.false_positive_rate
    assert best.max() == 1.0
    assert (curve.recall[0], curve.recall[-1]) == (1.0, 0.0)


def test_curve_has_at_most_101_points_and_the_right_area():
    random = np.random.default_rng(0)
    labels = (random.random(5000) < 0.3).astype(np.int64)
    predictions = np.clip(0.2 * labels + random.random(5000) * 0.8, 0, 1).astype(np.float32)
    curve = trace_curve(labels, predictions)
    positives, negatives = predictions[labels == 1], predictions[labels == 0]
    exact = np.mean(positives[:, None] > negatives[None, :])
    assert len(curve.thresholds) <= POINTS
    widths, heights = -np.diff(curve.false_positive_rate), (curve.recall[1:] + curve.recall[:-1]) / 2
    assert np.sum(widths * heights) == pytest.approx(exact, abs=1e-3)


def test_one_class_has_no_curve():
    assert trace_curve(np.zeros(3, dtype=np.int64), np.array([0.1, 0.2, 0.3])) is None
