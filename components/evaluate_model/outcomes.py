"""Turns predictions of any kind of label into decisions: favourable or not.

| kind | favourable label | favourable prediction |
|---|---|---|
| binary | 1 | probability above the decision threshold |
| multiclass | one of `favourable_classes` | the most probable class is one of them |
| numeric | above the decision threshold | above the decision threshold |
"""

import dataclasses

import numpy as np

from components._shared.label import LabelKind, LabelSpec
from components._shared.policy import FairnessGate

_HALF = 0.5


@dataclasses.dataclass(frozen=True)
class Decision:
    """One way to decide by a score.

    Attributes:
        name: What counts as favourable, such as "predictions above 0.3".
        threshold: Scores above it are favourable.
    """

    name: str
    threshold: float


@dataclasses.dataclass(frozen=True)
class Outcomes:
    """Labels and scores of a binary kind, and the decisions that are made by the scores.

    Attributes:
        labels: 1 where the label is favourable, else 0, int64 of shape [rows].
        scores: float32 of shape [rows], in [0, 1].
        decisions: How the scores are decided by, thresholds ascending.
    """

    labels: np.ndarray
    scores: np.ndarray
    decisions: tuple[Decision, ...]


def why_undecided(label: LabelSpec, policy: FairnessGate) -> str:
    """Returns why nothing can be decided by predictions of this kind, as a sentence; empty when it can."""
    if label.kind is not LabelKind.MULTICLASS:
        wrong = [] if label.kind is LabelKind.NUMERIC else [item for item in policy.decision_thresholds if not 0 <= item <= 1]
        if wrong or not policy.decision_thresholds:
            named = ", ".join(f"{item:g}" for item in wrong) or "none"
            return f"A decision threshold of {label.name} is a probability, in [0, 1]; received: {named}."
        return ""
    if not policy.favourable_classes:
        return f"Which classes of {label.name} are favourable is not known: name favourable_classes."
    if unknown := [name for name in policy.favourable_classes if name not in label.classes]:
        return f"favourable_classes names what is no class of {label.name}: {', '.join(unknown)}."
    if set(label.classes) <= set(policy.favourable_classes):
        return f"favourable_classes names every class of {label.name}: nothing is left that is not favourable."
    return ""


def favour(labels: np.ndarray, predictions: np.ndarray, label: LabelSpec, policy: FairnessGate) -> tuple[Outcomes, ...]:
    """Returns the outcomes of every decision threshold; those of one binary label together.

    Args:
        labels: Of shape [rows]: 0 or 1, the position of the class, or a number.
        predictions: float32 of shape [rows], or [rows, classes] for a multiclass label; finite.
        label: What kind of label it is.
        policy: The gate's settings, with which `why_undecided` finds nothing wrong.
    """
    thresholds = sorted(set(policy.decision_thresholds))
    if label.kind is LabelKind.MULTICLASS:
        chosen = [label.classes.index(name) for name in policy.favourable_classes]
        name = f"most probable class in {', '.join(policy.favourable_classes)}"
        decided = np.isin(predictions.argmax(axis=1), chosen)
        return (_decided(np.isin(labels, chosen), decided, name),)
    if label.kind is LabelKind.NUMERIC:
        exact = predictions.astype(np.float64)
        return tuple(_decided(labels > item, exact > item, f"predictions above {item:g}") for item in thresholds)
    decisions = tuple(Decision(f"predictions above {item:g}", float(item)) for item in thresholds)
    return (Outcomes(labels.astype(np.int64), predictions.astype(np.float32), decisions),)


def _decided(labels: np.ndarray, decided: np.ndarray, name: str) -> Outcomes:
    return Outcomes(labels.astype(np.int64), decided.astype(np.float32), (Decision(name, _HALF),))
