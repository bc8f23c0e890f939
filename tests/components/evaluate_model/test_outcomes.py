import numpy as np
import pytest

from components._shared.label import LabelKind, LabelSpec
from components._shared.policy import FairnessGate
from components.evaluate_model.outcomes import favour, why_undecided

BINARY = LabelSpec(name="late")
SPECIES = LabelSpec(name="species", kind=LabelKind.MULTICLASS, classes=("a", "b", "c"))
PRICE = LabelSpec(name="price", kind=LabelKind.NUMERIC)


def test_binary_scores_are_the_probabilities():
    (item,) = favour(
        np.array([0, 1]), np.array([0.2, 0.4], dtype=np.float32), BINARY, FairnessGate(decision_threshold=(0.5, 0.3))
    )
    assert (item.labels.tolist(), item.scores.dtype) == ([0, 1], np.float32)
    assert [(decision.name, decision.threshold) for decision in item.decisions] == [
        ("predictions above 0.3", 0.3),
        ("predictions above 0.5", 0.5),
    ]


def test_multiclass_is_decided_by_the_most_probable_class():
    predictions = np.array([[0.5, 0.3, 0.2], [0.4, 0.1, 0.5], [0.3, 0.4, 0.3]], dtype=np.float32)
    (item,) = favour(np.array([0, 1, 2]), predictions, SPECIES, FairnessGate(favourable_classes=("a", "c")))
    assert (item.labels.tolist(), item.scores.tolist()) == ([1, 0, 1], [1.0, 1.0, 0.0])
    assert item.decisions[0].name == "most probable class in a, c"


def test_each_numeric_threshold_decides_labels_and_predictions():
    labels, predictions = np.array([5.0, 15.0, 25.0]), np.array([11.0, 9.0, 30.0], dtype=np.float32)
    low, high = favour(labels, predictions, PRICE, FairnessGate(decision_threshold=(10.0, 20.0)))
    assert (low.labels.tolist(), low.scores.tolist()) == ([0, 1, 1], [1, 0, 1])
    assert (high.labels.tolist(), high.scores.tolist()) == ([0, 0, 1], [0, 0, 1])


@pytest.mark.parametrize(
    ("label", "policy", "words"),
    [
        (BINARY, FairnessGate(decision_threshold=5), "is a probability, in [0, 1]; received: 5"),
        (BINARY, FairnessGate(decision_threshold=()), "received: none"),
        (SPECIES, FairnessGate(), "name favourable_classes"),
        (SPECIES, FairnessGate(favourable_classes=("a", "d")), "no class of species: d"),
        (SPECIES, FairnessGate(favourable_classes=("a", "b", "c")), "nothing is left"),
    ],
)
def test_what_cannot_be_decided_is_told(label, policy, words):
    assert words in why_undecided(label, policy)


@pytest.mark.parametrize(
    ("label", "policy"),
    [(BINARY, FairnessGate()), (SPECIES, FairnessGate(favourable_classes=("b",))), (PRICE, FairnessGate(decision_threshold=5))],
)
def test_what_can_be_decided_has_no_problem(label, policy):
    assert why_undecided(label, policy) == ""
