"""The table of slices on the page: worst first, each value with its interval as a bar."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from components._shared.artifacts import BASELINE, CANDIDATE
from components._shared.label import LabelKind
from components.evaluate_model.paired import Interval
from components.evaluate_model.results import SliceResult


@dataclasses.dataclass(frozen=True)
class Ranking:
    """What sorts the slices: a metric by TFMA's name, and whether a higher value of it is better."""

    metric: str
    higher: bool


USUAL = {
    LabelKind.BINARY: Ranking("auc", higher=True),
    LabelKind.MULTICLASS: Ranking("sparse_categorical_accuracy", higher=True),
    LabelKind.NUMERIC: Ranking("mean_absolute_error", higher=False),
}
"""What sorts the slices where no metric has a bound."""
_OF_BOTH_CLASSES = {"auc", "auc_precision_recall"}
"""Metrics that mean nothing where all labels are equal, though TFMA gives 0 for them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SliceRow:
    """One row of the table.

    Attributes:
        name: The slice.
        rows: Its number of rows.
        value: The candidate's metric; None where it is not defined.
        interval: Its confidence interval; None where there is none.
        live: The live version's metric.
        change: The candidate's less the live version's.
        point: Where the value lies, in percent of the scale that all slices share.
        left: Where the bar of the interval begins, in percent; the point's place without an interval.
        width: How long it is, in percent.
        small: Whether the slice is too small to be judged.
    """

    name: str
    rows: int
    value: float | None
    interval: Interval | None
    live: float | None
    change: float | None
    point: float
    left: float
    width: float
    small: bool


def sort_slices(
    results: Sequence[SliceResult], ranking: Ranking, intervals: Mapping[Any, Interval], min_slice_size: int
) -> list[SliceRow]:
    """Returns the slices by the candidate's metric, worst first; slices without the metric come last."""
    found = [(result, _value(result, ranking)) for result in results if result.key != ()]
    ends = _ends(results, ranking, intervals)
    ordered = sorted(found, key=lambda item: (not math.isfinite(item[1]), item[1] if ranking.higher else -item[1]))
    return [_row(result, value, ranking, intervals.get(result.key), ends, min_slice_size) for result, value in ordered]


def place_overall(results: Sequence[SliceResult], ranking: Ranking, intervals: Mapping[Any, Interval]) -> float | None:
    """Returns where the value of all rows lies on the scale of the slices, in percent; None where it is not defined."""
    value = next((_value(result, ranking) for result in results if result.key == ()), math.nan)
    return _place(value, _ends(results, ranking, intervals)) if math.isfinite(value) else None


def _row(
    result: SliceResult,
    value: float,
    ranking: Ranking,
    interval: Interval | None,
    ends: tuple[float, float],
    min_slice_size: int,
) -> SliceRow:
    live = result.metrics(BASELINE).get(ranking.metric, math.nan)
    point = _place(value, ends) if math.isfinite(value) else 0.0
    left, right = (_place(interval.lower, ends), _place(interval.upper, ends)) if interval else (point, point)
    return SliceRow(
        name=result.name,
        rows=result.rows,
        value=_finite(value),
        interval=interval,
        live=_finite(live),
        change=_finite(value - live),
        point=point,
        left=left,
        width=right - left,
        small=result.rows < min_slice_size,
    )


def _value(result: SliceResult, ranking: Ranking) -> float:
    if result.one_class and ranking.metric in _OF_BOTH_CLASSES:
        return math.nan
    return result.metrics(CANDIDATE).get(ranking.metric, math.nan)


def _ends(results: Sequence[SliceResult], ranking: Ranking, intervals: Mapping[Any, Interval]) -> tuple[float, float]:
    values = [value for result in results if math.isfinite(value := _value(result, ranking))]
    values += [end for interval in intervals.values() for end in (interval.lower, interval.upper)]
    return (min(values), max(values)) if values else (0.0, 0.0)


def _place(value: float, ends: tuple[float, float]) -> float:
    lowest, highest = ends
    return 100 * (value - lowest) / (highest - lowest) if highest > lowest else 50.0


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
