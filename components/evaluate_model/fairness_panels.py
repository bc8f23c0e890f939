"""What the page shows of each protected attribute: its disparities, and a bar of each rate with its interval."""

import dataclasses
import math

from components._shared.gates import Measurement
from components._shared.policy import FairnessGate
from components.evaluate_model.disparities import is_large
from components.evaluate_model.fairness import judge_groups
from components.evaluate_model.group_counts import RATES, Counted, Groups
from components.evaluate_model.shares import critical_value, wilson_interval

MAX_GROUPS_SHOWN = 100


@dataclasses.dataclass(frozen=True)
class RateBar:
    """One rate of one group; `lower` and `upper` are the ends of its interval. None without a row behind the rate."""

    value: float | None
    lower: float
    upper: float
    judged: bool


@dataclasses.dataclass(frozen=True)
class GroupRow:
    """One group: its name, rows, a bar for each of RATES, and the precision and accuracy of the decisions in it."""

    name: str
    rows: int
    bars: tuple[RateBar, ...]
    precision: float | None
    accuracy: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Panel:
    """One attribute under one decision.

    Attributes:
        attribute: The attribute as the policy names it.
        decision: What counts as favourable; empty where nothing was counted.
        measurements: The disparities; or why there are none.
        groups: Its groups by size, at most MAX_GROUPS_SHOWN.
        more_groups: How many are left out.
    """

    attribute: str
    decision: str = ""
    measurements: tuple[Measurement, ...]
    groups: tuple[GroupRow, ...] = ()
    more_groups: int = 0


def draw_panels(counted: Counted, policy: FairnessGate) -> list[Panel]:
    """Returns the panels of all protected attributes, also of those that could not be judged."""
    panels = []
    for attribute in policy.protected:
        own = [groups for groups in counted.groups if groups.attribute == attribute]
        panels += [_draw(groups, policy, counted.missing.get(attribute, 0)) for groups in own]
        if not own:
            note = counted.problem or counted.unsuited.get(attribute, "its groups were not counted")
            missing = Measurement(name=attribute, value=None, passed=False, note=note)
            panels.append(Panel(attribute=attribute, measurements=(missing,)))
    return panels


def _draw(groups: Groups, policy: FairnessGate, missing: int) -> Panel:
    measurements = judge_groups(groups, policy, groups.attribute)
    if missing:
        note = "they are in no group"
        measurements.append(Measurement(name="rows without a value", value=missing, rows=missing, note=note))
    bars = list(zip(*(_bars(groups, name, policy) for name in RATES), strict=True))
    precision, accuracy = groups.precision.tolist(), groups.accuracy.tolist()
    rows = [
        GroupRow(name, int(groups.rows[index]), bars[index], _finite(precision[index]), _finite(accuracy[index]))
        for index, name in enumerate(groups.names)
    ]
    rows.sort(key=lambda row: -row.rows)
    return Panel(
        attribute=groups.attribute,
        decision=groups.decision,
        measurements=tuple(measurements),
        groups=tuple(rows[:MAX_GROUPS_SHOWN]),
        more_groups=max(0, len(rows) - MAX_GROUPS_SHOWN),
    )


def _bars(groups: Groups, rate: str, policy: FairnessGate) -> list[RateBar]:
    shares = groups.rate(rate)
    ends = zip(*(end.tolist() for end in wilson_interval(shares, critical_value(policy.confidence))), strict=True)
    columns = zip(shares.values.tolist(), ends, is_large(shares, policy.min_group_size).tolist(), strict=True)
    return [RateBar(_finite(value), lower, upper, judged) for value, (lower, upper), judged in columns]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
