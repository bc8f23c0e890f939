"""Other groupings of the same rows: an answer must not depend on which rows share its request."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping

import numpy as np

from components._shared.label import LabelSpec
from components.validate_serving import job
from components.validate_serving.predictions import differences, per_row

TRANSFORMED_ROWS = 50
"""Rows of the eval split that are transformed one by one."""

_WAYS = (job.RAW, job.EXAMPLES)  # REST agrees with gRPC in large batches, or the gate says no
_SEED = 0
_REMEDY = "features.py or the model uses a statistic of the batch; use TFT's analyzers, or training=False."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grouping:
    """How rows are put into requests.

    Attributes:
        name: The grouping in words that follow "asked".
        batch_rows: Rows per request.
        rows: Number of rows that are asked for.
        shuffled: Whether they come in a seeded random order, drawn from all rows; else they are the first ones.
    """

    name: str
    batch_rows: int
    rows: int
    shuffled: bool = False

    def order(self, total: int) -> np.ndarray:
        """Returns the numbers of the rows in the order of asking, int64 of shape [min(rows, total)]."""
        numbers = np.random.default_rng(_SEED).permutation(total) if self.shuffled else np.arange(total)
        return numbers[: self.rows]


GROUPINGS = (
    Grouping(name="one by one", batch_rows=1, rows=100),
    Grouping(name="in shuffled batches of 7", batch_rows=7, rows=301, shuffled=True),
)
"""The groupings beside the large batches."""


def grouped_ways(ways: Collection[str]) -> list[str]:
    """Returns the ways that are asked in other groupings, of those that a model has."""
    return [way for way in _WAYS if way in ways]


def key_of(way: str, grouping: Grouping) -> str:
    """Returns the name of the array with the answers through this way in this grouping."""
    return f"{way}, {grouping.name}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Regrouped:
    """The answers through one way in one grouping, laid over all rows.

    Attributes:
        way: The way of asking, one of `job.ANSWERS`.
        grouping: How the rows were grouped.
        order: Numbers of the rows that were asked, int64 of shape [asked].
        answers: Predictions of all rows, those of evaluation where a row was not asked; None when there was no answer.
        apart: Differences from the evaluation, of the same shape, 0 where a row was not asked; None as above.
        moved: Differences of the rows that were asked from their answers in large batches, of shape [asked]; None when one
            of both is missing.
    """

    way: str
    grouping: Grouping
    order: np.ndarray
    answers: np.ndarray | None = None
    apart: np.ndarray | None = None
    moved: np.ndarray | None = None

    def by_row(self) -> np.ndarray | None:
        """Returns the difference from the evaluation of each row that was asked, of shape [asked]; None without answers."""
        return None if self.apart is None else per_row(self.apart)[self.order]

    def agrees(self, tolerance: float) -> bool:
        """Returns whether every row that was asked is answered as it was evaluated."""
        apart = self.by_row()
        return apart is not None and bool((apart <= tolerance).all())


def compare_groupings(
    label: LabelSpec, predictions: np.ndarray, answers: dict[str, np.ndarray], ways: Collection[str] = job.ANSWERS
) -> Iterator[Regrouped]:
    """Yields each signature over gRPC in every grouping, compared with evaluation and with the large batches.

    Args:
        label: What is predicted.
        predictions: The evaluation's predictions of all rows.
        answers: Serving's answers by way, and by `key_of` in the order of the grouping.
        ways: The ways of asking that the model has.
    """
    for grouping in GROUPINGS:
        order = grouping.order(len(predictions))
        for way in grouped_ways(ways):
            given = answers.get(key_of(way, grouping))
            if given is None:
                yield Regrouped(way=way, grouping=grouping, order=order)
                continue
            laid = _lay(given, order, predictions)
            apart = np.zeros_like(laid)
            apart[order] = differences(laid, predictions, label)[order]
            whole, moved = answers.get(way), None
            if whole is not None:
                moved = per_row(differences(_lay(given, order, whole), whole, label))[order]
            yield Regrouped(way=way, grouping=grouping, order=order, answers=laid, apart=apart, moved=moved)


def grouping_reason(regrouped: list[Regrouped], tolerance: float, ways: Mapping[str, str] = job.ANSWERS) -> str:
    """Returns why the gate says no to the answers in other groupings, as sentences; empty when it does not."""
    wrong = [item for item in regrouped if not item.agrees(tolerance)]
    if unanswered := [f"{ways[item.way]}, {item.grouping.name}" for item in wrong if item.apart is None]:
        return f"Serving gave no answer to compare through: {'; '.join(unanswered)}."
    for item in wrong:
        if item.moved is not None and (count := int(np.count_nonzero(~(item.moved <= tolerance)))):
            told = f"asked {item.grouping.name}, {count:,} of {len(item.moved):,} rows differ; {_largest(item.moved)}"
            return f"The answer depends on the other rows of the request: {told}. {_REMEDY}"
    for item in wrong:
        if (apart := item.by_row()) is not None:
            told = (
                f"{np.count_nonzero(~(apart <= tolerance)):,} of {len(apart):,} rows get another prediction than in evaluation"
            )
            return f"Asked {item.grouping.name}, {told}; {_largest(apart)}, allowed is {tolerance:g}."
    return ""


def _lay(given: np.ndarray, order: np.ndarray, over: np.ndarray) -> np.ndarray:
    # Differences are relative to the spread over all rows, as in the large batches.
    laid = over.astype(np.float64)
    laid[order] = given
    return laid


def _largest(apart: np.ndarray) -> str:
    largest = float(np.max(apart))
    return f"the largest difference is {largest:.3g}" if np.isfinite(largest) else "some are not numbers"
