import numpy as np
import pytest

from components._shared.label import LabelKind
from components.draft_project.baseline import Quick
from components.draft_project.bounds import choose_bound, choose_margin, choose_threshold, choose_training, log_odds


def quick(guess, linear, error=0.0, mean=0.5):
    predicted, label = np.array([0.05, 0.1, 0.2, 0.4]), np.array([0, 0, 1, 1.0])
    known = {"predicted": predicted, "label": label, "mean": mean, "deviation": 1.0}
    return Quick(metric="AUC", guess=guess, linear=linear, error=error, **known)


@pytest.mark.parametrize(
    ("kind", "guess", "linear", "error", "side", "value"),
    [
        ("binary", 0.5, 0.9, 0.01, "lower_bound", 0.7),
        ("binary", 0.5, 0.9, 0.12, "lower_bound", 0.697),
        ("binary", 0.5, 0.6, 0.04, "lower_bound", 0.566),
        ("binary", 0.5, 0.6, 0.2, "lower_bound", 0.75),
        ("binary", 0.5, 0.4, 0.01, "lower_bound", 0.516),
        ("multiclass", 0.4, 0.8, 0.01, "lower_bound", 0.6),
        ("numeric", 10.0, 4.0, 0.1, "upper_bound", 7.0),
        ("numeric", 10.0, 4.0, 2.5, "upper_bound", 9.0),
        ("numeric", 10.0, 400.0, 1.0, "upper_bound", 9.0),
        ("numeric", 10.0, 400.0, 0.1, "upper_bound", 9.84),
    ],
)
def test_a_bound_lies_between_guessing_and_the_linear_model(kind, guess, linear, error, side, value):
    bound = choose_bound(quick(guess, linear, error), LabelKind(kind))
    assert (bound.side, bound.value) == (side, pytest.approx(value, rel=0.01))


def test_a_model_that_only_guesses_is_told():
    assert not choose_bound(quick(0.5, 0.55, 0.05), LabelKind.BINARY).has_skill
    assert "no better" in choose_bound(quick(0.5, 0.55, 0.05), LabelKind.BINARY).why


def test_a_threshold_is_chosen_where_one_class_is_rare():
    assert choose_threshold(quick(0.5, 0.9))[0] == 0.5
    value, why = choose_threshold(quick(0.5, 0.9, mean=0.05))
    assert 0.1 <= value < 0.2
    assert "No weights" in why


def test_the_margin_is_wider_where_chance_is():
    narrow, wide = (choose_margin(quick(0.5, 0.9, error), LabelKind.BINARY)[0] for error in (0.001, 0.1))
    assert (narrow, wide) == (0.01, pytest.approx(0.15))


@pytest.mark.parametrize(("rows", "batch"), [(40, 16), (1_000, 32), (10_000, 256), (1_000_000, 1024)])
def test_small_data_is_trained_in_small_batches(rows, batch):
    assert choose_training(rows)["batch_size"] == batch


def test_log_odds_of_no_label_are_finite():
    assert log_odds(0.0) == pytest.approx(-log_odds(1.0))
    assert log_odds(0.5) == 0
