"""Places the intervals of a comparison on one scale, as bars of the page."""

import dataclasses

from components.evaluate_model.regression import Comparison

_PADDING = 0.08


@dataclasses.dataclass(frozen=True, kw_only=True)
class IntervalBar:
    """One interval; `left`, `width`, `zero` and `bound` are percent of the scale's length."""

    name: str
    lower: float
    upper: float
    passed: bool | None
    left: float
    width: float
    zero: float
    bound: float


def draw_intervals(comparison: Comparison | None) -> list[IntervalBar]:
    """Returns the judged interval and the one beside it; none without a comparison."""
    if comparison is None or comparison.problem:
        return []
    found = [("paired bootstrap", comparison.interval, comparison.passed), (comparison.method, comparison.analytic, None)]
    drawn = [(name, interval, passed) for name, interval, passed in found if interval is not None]
    ends = [0.0, comparison.bound, *(end for _, interval, _ in drawn for end in (interval.lower, interval.upper))]
    start, span = min(ends), max(ends) - min(ends) or 1.0

    def place(value: float) -> float:
        return 100 * (_PADDING + (1 - 2 * _PADDING) * (value - start) / span)

    return [
        IntervalBar(
            name=name,
            lower=interval.lower,
            upper=interval.upper,
            passed=passed,
            left=place(interval.lower),
            width=place(interval.upper) - place(interval.lower),
            zero=place(0.0),
            bound=place(comparison.bound),
        )
        for name, interval, passed in drawn
    ]
