"""Overrides of a run: they tighten the policy's bounds and nothing else, so that no run form can let a worse model through.

{"regression": {"margin": 0.005, "mode": "better"},     a gate's settings, each tighter in the way that `TIGHTER` says
 "serving": {"max_p99_ms": {"1": 40}},                  a bound in a mapping, or one that is added to it
 "fairness": {"off": "", "protected": ["carrier"]},     a gate switched on, a protected feature added
 "evaluation": {"AUC": {"lower_bound": 0.7}}}           the plain value threshold of a metric, by its class

A candidate that passes under overrides would pass without them: whatever could turn a "no" into a "yes" is fixed, such as
seeds, sample sizes, and the sizes below which nothing is judged.
"""

import copy
import dataclasses
import enum
import json
import sys
from collections.abc import Iterator
from typing import Any

from components._shared.errors import UserError
from components._shared.policy import Policy
from components._shared.policy_documents import check_policy_hash, hash_policy, read_policy, with_plain_numbers
from components._shared.rules import read_rules

EVALUATION = "evaluation"
"""The one key of overrides that is no gate: bounds of the evaluation's configuration."""


class Tighter(enum.Enum):
    """How a setting becomes tighter."""

    LESS = "may only be lowered"
    MORE = "may only be raised"
    ADDED = "may only be added to, by a list"
    FIXED = "may not be overridden"


@dataclasses.dataclass(frozen=True)
class Becomes:
    """A setting that is tightest with one value and may only take that one."""

    value: Any


_GATE: dict[str, Tighter | Becomes] = {"off": Becomes("")}
TIGHTER: dict[str, dict[str, Tighter | Becomes]] = {
    "data": {**_GATE, "min_rows": Tighter.MORE},
    # Where every slice is too small, nothing is judged and the gate says no; with a smaller size it might say yes.
    "performance": {**_GATE, "min_slice_size": Tighter.FIXED},
    "fairness": {
        **_GATE,
        "protected": Tighter.ADDED,
        "decision_threshold": Tighter.FIXED,
        "favourable_classes": Tighter.FIXED,
        "max_demographic_parity_difference": Tighter.LESS,
        "min_demographic_parity_ratio": Tighter.MORE,
        "max_equal_opportunity_difference": Tighter.LESS,
        "min_equal_opportunity_ratio": Tighter.MORE,
        "max_equalized_odds_difference": Tighter.LESS,
        "min_equalized_odds_ratio": Tighter.MORE,
        "min_group_size": Tighter.FIXED,  # as min_slice_size
        "confidence": Tighter.FIXED,  # a small group fails by its interval, a large one without
    },
    "regression": {
        **_GATE,
        "metric": Tighter.FIXED,
        "mode": Becomes("better"),
        "margin": Tighter.LESS,
        "resample": Tighter.FIXED,
        "confidence": Tighter.MORE,
        "resamples": Tighter.FIXED,
        "seed": Tighter.FIXED,
    },
    "calibration": {
        **_GATE,
        "bins": Tighter.FIXED,
        "max_calibration_error": Tighter.LESS,
        "max_base_rate_ratio": Tighter.LESS,
        "max_mean_difference": Tighter.LESS,
        "min_rows": Tighter.MORE,
        "confidence": Tighter.FIXED,  # more of it lets chance explain more
        "resamples": Tighter.FIXED,
        "seed": Tighter.FIXED,
    },
    "serving": {
        **_GATE,
        "max_p99_ms": Tighter.LESS,
        "max_size_mb": Tighter.LESS,
        "max_cold_start_s": Tighter.LESS,
        "max_memory_mb": Tighter.LESS,
        "requests": Tighter.FIXED,
    },
    # The rows are the first ones: more of them hold the fewer, which a sample drawn anew does not.
    "parity": {**_GATE, "tolerance": Tighter.LESS, "rows": Tighter.MORE, "transform_off": Becomes("")},
    "robustness": {
        **_GATE,
        "rows": Tighter.FIXED,
        "seed": Tighter.FIXED,
        "noise": Tighter.FIXED,
        "max_mean_change": Tighter.LESS,
        "max_p99_change": Tighter.LESS,
        "required_nan_must_be_finite": Becomes(True),
        "max_range_factor": Tighter.LESS,
    },
    "approval": {**_GATE, "required": Becomes(True), "deadline_hours": Tighter.LESS},
    "business_rules": {**_GATE, "rules": Tighter.ADDED, "rows": Tighter.FIXED, "seed": Tighter.FIXED},
}
"""What is tighter, for every setting of every gate."""

_REMEDY = "To change it otherwise, change project.yaml and compile the pipeline again."
_ENDS = {"lower_bound": Tighter.MORE, "upper_bound": Tighter.LESS}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bounds:
    """What a run is judged by: the policy and the evaluation's configuration after the overrides.

    Attributes:
        policy: The gates' bounds.
        document: The gates' bounds as a JSON object.
        eval_config: The tfma.EvalConfig in JSON form.
        policy_hash: Hash of both; without overrides that of the policy as it was compiled.
        overrides: What was tightened, as {"key", "from", "to"}; from is None for a bound that was added.
    """

    policy: Policy
    document: dict[str, Any]
    eval_config: dict[str, Any]
    policy_hash: str
    overrides: tuple[dict[str, Any], ...]


def read_bounds(
    policy: dict[str, Any], eval_config: dict[str, Any], policy_hash: str, overrides: dict[str, Any] | None
) -> Bounds:
    """Returns what a stage judges by, after it made sure that the policy is the one that the pipeline was compiled with.

    Args:
        policy: The gates' bounds as the pipeline passes them.
        eval_config: A tfma.EvalConfig in JSON form.
        policy_hash: Hash of both.
        overrides: What this run tightens.

    Raises:
        UserError: If the hash is another, or as `tighten` raises.
    """
    check_policy_hash(policy, eval_config, policy_hash)
    return tighten(policy, eval_config, overrides)


def tighten(policy: dict[str, Any], eval_config: dict[str, Any], overrides: dict[str, Any] | None) -> Bounds:
    """Returns the bounds after the overrides.

    Raises:
        UserError: If the policy cannot be read, or an override is unknown or loosens.
    """
    document, config = copy.deepcopy(policy), copy.deepcopy(eval_config)
    gates = dataclasses.asdict(read_policy(policy))
    changes: list[dict[str, Any]] = []
    for name, wanted in with_plain_numbers(overrides or {}).items():
        if name != EVALUATION and name not in gates:
            raise _error(name, "is no gate", received=wanted, remedy=f"Known: {', '.join([*gates, EVALUATION])}.")
        if not isinstance(wanted, dict):
            raise _error(name, "is an object of settings", received=wanted)
        changes += _tighten_evaluation(config, wanted) if name == EVALUATION else _tighten_gate(name, gates, document, wanted)
    bounds = read_policy(document)
    read_rules(bounds.business_rules.rules)
    hashed = hash_policy(document, config)
    return Bounds(policy=bounds, document=document, eval_config=config, policy_hash=hashed, overrides=tuple(changes))


def _tighten_gate(
    name: str, gates: dict[str, Any], document: dict[str, Any], wanted: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Writes a gate's overrides into the document of all gates and yields what changed."""
    before, ways = with_plain_numbers(gates[name]), TIGHTER.get(name, {})
    numbers = [value for key, value in before.items() if ways.get(key) in (Tighter.LESS, Tighter.MORE)]
    for key, value in wanted.items():
        path = f"{name}.{key}"
        if key not in before:
            raise _error(path, "is no setting", received=value, remedy=f"Known: {', '.join(before)}.")
        old, way = before[key], ways.get(key, Tighter.FIXED)
        if old is None and all(number is None for number in numbers):
            # Such a gate says no, since nothing was judged; a generous bound might make it a yes.
            raise _error(path, "is added only to a gate that has another bound", received=value)
        new = _tighten_value(path, way, old, value)
        if new == old:
            continue
        document.setdefault(name, {})[key] = new
        if isinstance(old, dict):
            yield from (_change(f"{path}.{item}", old.get(item), new[item]) for item in new if old.get(item) != new[item])
        else:
            yield _change(path, old, new)


def _tighten_value(path: str, way: Tighter | Becomes, before: Any, value: Any) -> Any:
    """Returns a setting as it is after the override."""
    if isinstance(way, Becomes):
        if type(value) is not type(way.value) or value not in (way.value, before):
            raise _error(path, f"may only become {json.dumps(way.value)}", before, value)
        return value
    if way is Tighter.FIXED or (way is Tighter.ADDED and not isinstance(value, list)):
        raise _error(path, way.value, before, value)
    if way is Tighter.ADDED:
        return [*before, *(item for item in value if item not in before)]
    if not isinstance(before, dict):
        return _tighten_number(path, way, before, value)
    if not isinstance(value, dict):
        raise _error(path, "holds numbers by name", before, value)
    return {**before, **{item: _tighten_number(f"{path}.{item}", way, before.get(item), value[item]) for item in value}}


def _tighten_number(path: str, way: Tighter, before: Any, value: Any) -> Any:
    _check_number(path, before, value)
    if before is None and value <= 0:  # a split without `min_rows` has to have a row
        raise _error(path, "is added with a number above 0", received=value)
    if before is not None and (value > before if way is Tighter.LESS else value < before):
        raise _error(path, way.value, before, value)
    return value


def _tighten_evaluation(config: dict[str, Any], wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Writes the overrides of plain value thresholds into the configuration and yields what changed."""
    for name, ends in wanted.items():
        path = f"{EVALUATION}.{name}"
        if not isinstance(ends, dict):
            raise _error(path, f"is an object of {' and '.join(_ENDS)}", received=ends)
        threshold = _find_threshold(config, name, path)
        for end, value in ends.items():
            if end not in _ENDS:
                raise _error(f"{path}.{end}", "is no bound", received=value, remedy=f"Known: {', '.join(_ENDS)}.")
            spelling = _spelling(threshold, end)
            old = threshold.get(spelling)
            old = with_plain_numbers(old.get("value") if isinstance(old, dict) else old)
            _check_number(f"{path}.{end}", old, value)
            if old is not None:
                _check_number(f"{path}.{end}", None, old)
                _tighten_number(f"{path}.{end}", _ENDS[end], old, value)
            if value != old:
                threshold[spelling] = value
                yield _change(f"{path}.{end}", old, value)


def _find_threshold(config: dict[str, Any], name: str, path: str) -> dict[str, Any]:
    """Returns the value threshold that stands under the one metric of this class, whether TFMA's names or JSON's are used."""
    found: list[dict[str, Any]] = []
    for spec in _part(config, "metrics_specs") or ():
        for metric in _part(spec, "metrics") or ():
            value_threshold = _part(_part(metric, "threshold"), "value_threshold")
            if _part(metric, "class_name") == name and isinstance(value_threshold, dict) and value_threshold:
                found.append(value_threshold)
    if len(found) != 1:
        # A bound for a metric without one is no tightening: an evaluation without any bound says no.
        rule = f"names the class of one metric with a plain value_threshold; {len(found)} are such"
        raise _error(path, rule, received=name)
    return found[0]


def _part(document: Any, name: str) -> Any:
    return document.get(_spelling(document, name)) if isinstance(document, dict) else None


def _spelling(document: dict[str, Any], name: str) -> str:
    """Returns a field's name as a document spells it: protobuf's JSON knows `lower_bound` and `lowerBound`."""
    first, *rest = name.split("_")
    camel = "".join([first, *(word.capitalize() for word in rest)])
    return camel if camel in document else name


def _check_number(path: str, before: Any, value: Any) -> None:
    # Comparisons with NaN are false, and JSON's integers may be larger than any float.
    largest = sys.float_info.max
    if isinstance(value, bool) or not isinstance(value, int | float) or not -largest <= value <= largest:
        raise _error(path, "is a finite number", before, value)


def _change(key: str, before: Any, after: Any) -> dict[str, Any]:
    return {"key": key, "from": before, "to": after}


def _error(path: str, rule: str, before: Any = None, received: Any = None, remedy: str = _REMEDY) -> UserError:
    bound = "" if before is None else f" The policy has {json.dumps(before)}."
    return UserError(f"An override only tightens: {path} {rule}.{bound}", received=json.dumps(received), remedy=remedy)
