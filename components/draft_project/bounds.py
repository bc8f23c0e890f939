"""Bounds and settings that suit the size of the data and what quick models reach."""

import dataclasses
import math
from typing import Any

import numpy as np

from components._shared.label import LabelKind
from components.draft_project.baseline import Quick, best_threshold

_RARE = 0.3
_ONE_SIDED = 1.645
"""Quantile of the normal distribution at 0.95."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bound:
    """A bound on the main metric.

    Attributes:
        metric: TFMA's name of it.
        side: lower_bound or upper_bound.
        value: The bound.
        why: Where it comes from.
        has_skill: Whether the linear model is better than guessing, beyond chance.
    """

    metric: str
    side: str
    value: float
    why: str
    has_skill: bool


def choose_bound(quick: Quick, kind: LabelKind) -> Bound:
    """Returns a bound halfway from guessing to the quick linear model, or two standard errors off the latter if that is wider.

    It asks at least for what guessing reaches with a probability of 5 %, as far as a model can be expected to: one that is no
    better than guessing has no place in a server.

    Args:
        quick: What the quick models reach on the eval split.
        kind: Kind of the label.
    """
    sign = -1 if kind is LabelKind.NUMERIC else 1
    halfway, careful = (quick.guess + quick.linear) / 2, quick.linear - sign * 2 * quick.error
    # With few rows of a class the standard error says that nothing could be told; then half the way to perfect is enough.
    most = 0.9 * quick.guess if kind is LabelKind.NUMERIC else (quick.guess + 1) / 2
    beyond_chance = sign * min(sign * (quick.guess + sign * _ONE_SIDED * quick.error), sign * most)
    value = sign * max(sign * beyond_chance, min(sign * halfway, sign * careful))
    has_skill = sign * (quick.linear - quick.guess) > 2 * quick.error
    reached = f"On the eval split a linear model reaches {quick.metric} {quick.linear:.3g}, and guessing {quick.guess:.3g};"
    why = f"{reached} the bound lies between, with room for chance."
    if not has_skill:
        why = f"{reached} that is no better, beyond chance. The bound asks for what guessing would hardly reach."
    side = "upper_bound" if kind is LabelKind.NUMERIC else "lower_bound"
    return Bound(metric=quick.metric, side=side, value=_rounded(value, up=sign < 0), why=why, has_skill=has_skill)


def choose_threshold(quick: Quick) -> tuple[float, str]:
    """Returns the threshold of decisions about a binary label, and where it comes from."""
    if _RARE <= quick.mean <= 1 - _RARE:
        return 0.5, "predictions above it are decided alike; the classes are about as frequent"
    value = best_threshold(quick.predicted, quick.label)
    reason = f"{quick.mean:.2g} of the labels are 1; the threshold has the best F1 of the linear model on the eval split"
    return value, f"{reason}. No weights: they would spoil the probabilities"


def choose_margin(quick: Quick, kind: LabelKind) -> tuple[float, str]:
    """Returns the greatest loss against the live version that the regression gate allows, and where it comes from."""
    why = "of so few rows smaller differences are chance" if quick.error > 0.01 else "the least loss worth a no"
    if kind is LabelKind.NUMERIC:
        least = 0.02 * quick.linear
        return _rounded(
            max(least, quick.error), up=True
        ), "2 % of the linear model's error, or its standard error if that is more"
    return _rounded(max(0.01, 1.5 * quick.error), up=True), f"{why}; its unit is that of the metric"


def choose_training(rows: int) -> dict[str, Any]:
    """Returns the settings of training for a number of rows: some twenty steps per epoch at least, and more epochs for few."""
    batch_size = int(2 ** np.clip(math.floor(math.log2(max(rows, 1) / 20)), 4, 10))
    small = rows < 2_000
    return {
        "epochs": 100 if small else 30 if rows < 50_000 else 15,
        "batch_size": batch_size,
        "patience": 10 if small else 3,
        "hidden_units": [16] if small else [64, 32],
        "dropout": 0.2 if small else 0.1,
    }


def log_odds(share: float) -> float:
    """Returns log(p / (1 - p)) of a share of positive labels."""
    kept = min(max(share, 1e-6), 1 - 1e-6)
    return math.log(kept / (1 - kept))


def _rounded(value: float, *, up: bool) -> float:
    """Returns a number with three significant digits, rounded up or down."""
    if value == 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 2)
    return float(f"{(math.ceil if up else math.floor)(value / unit + (-1e-9 if up else 1e-9)) * unit:.6g}")
