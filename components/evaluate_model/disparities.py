"""How far apart the groups of a protected attribute are.

| disparity | rates |
|---|---|
| demographic parity (Dwork et al. 2012) | selection rate |
| equal opportunity (Hardt, Price, Srebro 2016) | true positive rate |
| equalized odds (Hardt, Price, Srebro 2016) | true and false positive rate, the worse of both |

A difference is the largest rate less the smallest, a ratio the smallest over the largest, as in fairlearn's
`demographic_parity_difference` and its like. Unlike there, a group without a row behind a rate has no rate, instead of 0.
"""

import dataclasses
import enum
import math

import numpy as np

from components._shared.policy import FairnessGate
from components.evaluate_model.group_counts import FALSE_POSITIVE_RATE, SELECTION_RATE, TRUE_POSITIVE_RATE, Groups
from components.evaluate_model.shares import Shares, critical_value, difference_interval


class Form(enum.StrEnum):
    """How two rates are compared."""

    DIFFERENCE = "difference"
    RATIO = "ratio"


_FEW_REMEDY = "test on more rows, lower min_group_size, or leave out this bound or attribute"


@dataclasses.dataclass(frozen=True)
class Disparity:
    """One way to say how far groups are apart.

    Attributes:
        name: Such as "demographic parity".
        form: Whether rates are subtracted or divided.
        rates: The rates that are compared, each by itself; the worst one counts.
    """

    name: str
    form: Form
    rates: tuple[str, ...]

    @property
    def setting(self) -> str:
        """Name of the bound in the policy."""
        prefix = "max" if self.form is Form.DIFFERENCE else "min"
        return f"{prefix}_{self.name.replace(' ', '_')}_{self.form}"

    def bound(self, policy: FairnessGate) -> float | None:
        """Returns the bound; None when it is reported, not judged."""
        return getattr(policy, self.setting)

    def holds(self, value: float, bound: float) -> bool:
        """Returns whether a value is within the bound; NaN is not."""
        return value <= bound if self.form is Form.DIFFERENCE else value >= bound


_RATES = {
    "demographic parity": (SELECTION_RATE,),
    "equal opportunity": (TRUE_POSITIVE_RATE,),
    "equalized odds": (TRUE_POSITIVE_RATE, FALSE_POSITIVE_RATE),
}
DISPARITIES = tuple(Disparity(name, form, rates) for name, rates in _RATES.items() for form in Form)


@dataclasses.dataclass(frozen=True)
class Measured:
    """A disparity over the groups that are large enough.

    Attributes:
        value: The worst of its rates; NaN where one is not defined.
        rate: The worst rate; empty where it is not defined.
        between: The two groups that are farthest apart in it, the larger rate first; empty where it is not defined.
        rows: Rows behind the rate of the smaller of both; None where it is not defined.
        problem: Why it is not defined, as half a sentence; empty when it is.
    """

    value: float
    rate: str = ""
    between: tuple[str, ...] = ()
    rows: int | None = None
    problem: str = ""


@dataclasses.dataclass(frozen=True)
class Proof:
    """A small group that breaks a bound beyond chance.

    Attributes:
        between: The small group and the other, or the other way round: the one with the larger rate first.
        rate: Name of the rate.
        value: The disparity between the two alone.
        rows: Rows behind the rate of the smaller one.
        comparisons: Number of pairs that were looked at.
    """

    between: tuple[str, str]
    rate: str
    value: float
    rows: int
    comparisons: int


def measure(disparity: Disparity, groups: Groups, min_group_size: int) -> Measured:
    """Returns the disparity over the groups with at least `min_group_size` rows behind each rate."""
    worst = Measured(math.nan)
    for name in disparity.rates:
        shares = groups.rate(name)
        large = np.flatnonzero(is_large(shares, min_group_size))
        if len(large) < 2:
            few = f"fewer than two groups have a {name} over at least {max(1, min_group_size):,} rows"
            return Measured(math.nan, problem=f"{few}, so there is nothing to compare; {_FEW_REMEDY}")
        values = shares.values[large]
        low, high = int(values.argmin()), int(values.argmax())
        if disparity.form is Form.RATIO and values[high] == 0:
            return Measured(math.nan, problem=f"the {name} is 0 in every group, and 0 over 0 is no ratio")
        value = values[high] - values[low] if disparity.form is Form.DIFFERENCE else values[low] / values[high]
        if math.isnan(worst.value) or not disparity.holds(float(value), worst.value):
            rows = int(shares.totals[large[[high, low]]].min())
            worst = Measured(float(value), name, (groups.names[large[high]], groups.names[large[low]]), rows)
    return worst


def is_large(shares: Shares, min_group_size: int) -> np.ndarray:
    """Returns which groups have enough rows behind a rate to be judged by the rate itself, bool of shape [groups]."""
    return shares.totals >= max(1, min_group_size)


def prove(disparity: Disparity, groups: Groups, policy: FairnessGate, bound: float) -> list[Proof]:
    """Returns the small groups that break a bound so far that chance does not explain it, each with the farthest other group.

    Every pair with a small group is looked at. A difference counts when its whole interval lies beyond the bound, a ratio when
    the whole interval of `larger rate - smaller rate / bound` does; the intervals hold together with the policy's confidence.
    """
    found: dict[frozenset[str], Proof] = {}
    rates = {name: groups.rate(name) for name in disparity.rates}
    comparisons = sum(int(_pairs(shares, policy.min_group_size).sum()) for shares in rates.values()) // 2
    if not comparisons:
        return []
    critical = critical_value(policy.confidence, comparisons)
    for name, shares in rates.items():
        excess = np.where(_pairs(shares, policy.min_group_size), _excess(disparity, shares, bound, critical), -np.inf)
        small = np.flatnonzero(~is_large(shares, policy.min_group_size) & (shares.totals > 0))
        for group in small.tolist():
            both = np.stack([excess[group], excess[:, group]])
            way, other = np.unravel_index(int(both.argmax()), both.shape)
            if both[way, other] > 0:
                pair = (group, int(other)) if way == 0 else (int(other), group)
                proof = _proof(disparity, groups, name, pair, comparisons)
                found.setdefault(frozenset((name, *proof.between)), proof)
    return list(found.values())


def _pairs(shares: Shares, min_group_size: int) -> np.ndarray:
    """Returns which ordered pairs of groups hold a small one, bool of shape [groups, groups]."""
    defined, small = shares.totals > 0, ~is_large(shares, min_group_size)
    return (defined & defined[:, None]) & (small | small[:, None]) & ~np.eye(len(defined), dtype=bool)


def _excess(disparity: Disparity, shares: Shares, bound: float, critical: float) -> np.ndarray:
    """Returns how far the first group of each ordered pair is surely beyond the bound, above the second."""
    first, second = (Shares(shares.hits[at], shares.totals[at]) for at in (np.s_[:, None], np.s_[None, :]))
    if disparity.form is Form.DIFFERENCE:
        return difference_interval(first, second, critical)[0] - bound
    return -difference_interval(second, first, critical, weight=bound)[1]


def _proof(disparity: Disparity, groups: Groups, rate: str, pair: tuple[int, int], comparisons: int) -> Proof:
    shares = groups.rate(rate)
    high, low = (float(shares.values[index]) for index in pair)
    value = high - low if disparity.form is Form.DIFFERENCE else low / high
    rows = int(shares.totals[list(pair)].min())
    return Proof((groups.names[pair[0]], groups.names[pair[1]]), rate, value, rows, comparisons)
