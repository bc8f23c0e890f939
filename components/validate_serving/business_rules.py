"""The business rules gate: what the author promises of every prediction, tried on sampled test rows."""

import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import schema_pb2

from components._data.schema import serving_features
from components._shared.gates import GateResult, Measurement, Verdict
from components._shared.label import LabelSpec
from components._shared.policy import BusinessRulesGate
from components._shared.rules import BoundRule, Condition, MonotonicRule, NeverRule, Rule, read_rules
from components.validate_serving.job import Outcome
from components.validate_serving.values import plain_row

_EXAMPLES = 5
_MOST_VALUES = 25


class _NotTriedError(Exception):
    """A rule cannot be tried; the text says why, as a sentence."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BusinessRules:
    """What the rules found.

    Attributes:
        result: The gate's verdict.
        broken: Up to five counter-examples for each broken rule: `rule`, `row` (its number in the sample), `prediction` as
            text, and `values` of the raw features. The worst come first.
    """

    result: GateResult
    broken: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def judge_rules(
    bounds: BusinessRulesGate, label: LabelSpec, outcome: Outcome, table: pa.Table, schema: schema_pb2.Schema
) -> BusinessRules:
    """Judges each rule by the share of the rows it applies to that break it.

    Args:
        bounds: The rules, which suit the label.
        label: What is predicted.
        outcome: What came of asking the server.
        table: The sampled rows.
        schema: The schema of the rows.
    """
    rules = read_rules(bounds.rules)
    if not rules:
        reason = "The policy has no business rule."
        return BusinessRules(result=GateResult(gate="business_rules", verdict=Verdict.NOT_APPLICABLE, reason=reason))
    measurements, broken = list[Measurement](), list[dict[str, Any]]()
    for index, rule in enumerate(rules):
        try:
            excess, predictions = _try_rule(index, rule, label, outcome, table, schema)
        except _NotTriedError as error:
            name = rule.name
            measurements.append(Measurement(name=name, value=None, upper_bound=rule.max_share, passed=False, note=str(error)))
            continue
        measurements.append(_measure(rule, excess))
        if not measurements[-1].passed:
            broken += _examples(rule, excess, predictions, table, schema)
    failed = [item for item in measurements if not item.passed]
    result = GateResult(
        gate="business_rules",
        verdict=Verdict.FAILED if failed else Verdict.PASSED,
        reason=_reason(failed, measurements),
        measurements=tuple(measurements),
    )
    return BusinessRules(result=result, broken=broken)


def grid(rule: MonotonicRule, schema: schema_pb2.Schema) -> np.ndarray | None:
    """Returns the values that a monotonic rule gives its feature, ascending; None when the feature is no number.

    An integer takes every value of the range, or 25 of them when there are more; a float takes 25.
    """
    feature = next((feature for feature in serving_features(schema) if feature.name == rule.column), None)
    if feature is None or feature.type == schema_pb2.BYTES:
        return None
    least, greatest = rule.over
    if feature.type == schema_pb2.FLOAT:
        return np.linspace(least, greatest, _MOST_VALUES, dtype=np.float32)
    ends = int(np.ceil(least)), int(np.floor(greatest))
    count = max(min(ends[1] - ends[0] + 1, _MOST_VALUES), 0)
    return np.unique(np.rint(np.linspace(*ends, count)).astype(np.int64))


def with_value(table: pa.Table, column: str, value: np.generic) -> pa.Table:
    """Returns the rows with one feature set to a value."""
    kind = pa.int64() if isinstance(value, np.integer) else pa.float32()
    return table.set_column(table.column_names.index(column), column, pa.repeat(pa.scalar(value.item(), kind), table.num_rows))


def meets(table: pa.Table, conditions: tuple[Condition, ...]) -> np.ndarray:
    """Returns which rows meet all conditions, bool of shape [rows]; a missing value meets none.

    Raises:
        _NotTriedError: If a condition asks a text for a number or the other way round.
    """
    rows = np.ones(table.num_rows, bool)
    for condition in conditions:
        column = table[condition.column]
        text = not pa.types.is_integer(column.type) and not pa.types.is_floating(column.type)
        if text != (condition.values is not None and isinstance(condition.values[0], str)):
            kind = "texts" if text else "numbers"
            raise _NotTriedError(f"The feature {condition.column!r} holds {kind}; the rule's condition does not.")
        if condition.values is None:
            numbers = pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy()
            rows &= (numbers > condition.above) & (numbers < condition.below)
        elif text:
            met = pc.is_in(column.cast(pa.binary()), value_set=pa.array([value.encode() for value in condition.values]))
            rows &= met.to_numpy()
        else:
            numbers = pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy()
            rows &= np.isin(numbers, np.array(condition.values, np.float64))
    return rows


def _try_rule(
    index: int, rule: Rule, label: LabelSpec, outcome: Outcome, table: pa.Table, schema: schema_pb2.Schema
) -> tuple[np.ndarray, np.ndarray]:
    """Returns by how much each row breaks the rule (NaN where it does not apply, 0 where it holds) and the predictions.

    Of a multiclass label these are the predictions of the rule's class.
    """
    if outcome.measured is None:
        raise _NotTriedError(outcome.failure)
    if unknown := sorted(rule.columns - set(table.column_names)):
        raise _NotTriedError(f"The schema has no such feature for serving: {', '.join(unknown)}.")
    applies = meets(table, rule.when)
    key = f"rule_{index}" if isinstance(rule, MonotonicRule) else "rules"
    if isinstance(rule, MonotonicRule):
        if (values := grid(rule, schema)) is None:
            raise _NotTriedError(f"The feature {rule.column!r} is no number.")
        if len(values) < 2:
            raise _NotTriedError(f"The range {list(rule.over)} holds fewer than two values of {rule.column!r}.")
    if key not in outcome.answers:
        seen = outcome.measured
        said = seen.unanswered.get(key) or seen.lost or " ".join(seen.problems.get("loads", []))
        raise _NotTriedError(f"The model did not answer. {said}".strip())
    predictions = outcome.answers[key]
    if not rule.class_name:
        return np.where(applies, _excess(rule, predictions), np.nan), predictions
    of_class = predictions[..., label.classes.index(rule.class_name)]
    excess = _excess_of_class(predictions, of_class) if isinstance(rule, NeverRule) else _excess(rule, of_class)
    return np.where(applies, excess, np.nan), of_class


def _excess_of_class(predictions: np.ndarray, of_class: np.ndarray) -> np.ndarray:
    # A tie counts: which of two equal classes a client takes is not for us to say. Scores may all be 0 or less.
    first = np.isfinite(of_class) & (of_class >= predictions.max(axis=1))
    return _unknown_as_infinite(np.where(first, np.maximum(of_class, np.finfo(np.float64).tiny), 0), predictions.sum(axis=1))


def _excess(rule: Rule, predictions: np.ndarray) -> np.ndarray:
    if isinstance(rule, BoundRule):
        # In the precision of the model: a prediction that is rounded to the bound keeps it.
        low, high = (float(np.float32(bound)) for bound in (rule.at_least, rule.at_most))
        return _unknown_as_infinite(np.maximum(np.maximum(low - predictions, predictions - high), 0), predictions)
    assert isinstance(rule, MonotonicRule)
    rising = predictions if rule.increasing else -predictions
    fall = (np.maximum.accumulate(rising, axis=0) - rising).max(axis=0)
    return _unknown_as_infinite(np.where(fall > rule.tolerance, fall, 0), predictions.sum(axis=0))


def _unknown_as_infinite(excess: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(predictions), excess, np.inf)


def _measure(rule: Rule, excess: np.ndarray) -> Measurement:
    rows, broken = int(np.count_nonzero(~np.isnan(excess))), int(np.count_nonzero(excess > 0))
    bound = rule.max_share
    if rows == 0:
        note = "no row of the sample meets its condition" + (", which the rule allows" if rule.allow_no_rows else "")
        value = 0.0 if rule.allow_no_rows else None
        return Measurement(name=rule.name, value=value, upper_bound=bound, rows=0, passed=rule.allow_no_rows, note=note)
    share = broken / rows
    note = f"share of rows that break it: {broken:,} of {rows:,}"
    return Measurement(name=rule.name, value=share, upper_bound=bound, rows=rows, passed=share <= bound, note=note)


def _examples(
    rule: Rule, excess: np.ndarray, predictions: np.ndarray, table: pa.Table, schema: schema_pb2.Schema
) -> list[dict[str, Any]]:
    order = np.argsort(-np.nan_to_num(excess, nan=0.0, posinf=np.inf), kind="stable")[:_EXAMPLES]
    order = order[excess[order] > 0]
    values = table.take(pa.array(order)).to_pylist()
    return [
        {
            "rule": rule.name,
            "row": int(index),
            "prediction": _told(rule, predictions[..., index], schema),
            "values": plain_row(row),
        }
        for index, row in zip(order, values, strict=True)
    ]


def _told(rule: Rule, predictions: np.ndarray, schema: schema_pb2.Schema) -> str:
    if not isinstance(rule, MonotonicRule):
        return f"{rule.class_name} {float(predictions):.4g}".strip()
    values = grid(rule, schema)
    assert values is not None
    rising = predictions if rule.increasing else -predictions
    end = int(np.argmax(np.maximum.accumulate(rising) - rising))
    start = int(np.argmax(rising[: end + 1]))
    turn = f"{predictions[start]:.4g} at {rule.column} {values[start]:g}, {predictions[end]:.4g} at {values[end]:g}"
    return f"{rule.class_name} {turn}".strip()


def _reason(failed: list[Measurement], measurements: list[Measurement]) -> str:
    if not failed:
        return f"Every business rule holds: {len(measurements)} of {len(measurements)}."
    told = " ".join(f"{item.name}: {item.note}".rstrip(".") + "." for item in failed[:3])
    return told + (f" And {len(failed) - 3} more." if len(failed) > 3 else "")
