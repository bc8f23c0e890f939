"""Business rules: what the author of a project promises of every prediction, as project.yaml writes them.

A rule is a mapping with a `name` and one of three forms:

{name, prediction: {class:, at_least:, at_most:}}                      bounds of the prediction
{name, never: Gentoo}                                                  the class is not the most probable one
{name, monotonic: {class:, column:, direction:, over:, tolerance:}}    the prediction follows a feature, all else equal

With a multiclass label, `class` names whose probability is meant; other labels have no classes, and `never` is not for
them. All forms take `when`, a condition or a list of them that all hold: {column:} with `equals`, `in`, `above` or `below`;
`max_share`, the share of rows that may break the rule; and `allow_no_rows: true` where no row need meet `when`.

The configuration lists a rule's problems with `rule_problems`; the stage reads rules with `read_rules`.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

from components._shared.errors import UserError
from components._shared.label import LabelKind, LabelSpec

INCREASING, DECREASING = "increasing", "decreasing"
_TESTS = ("equals", "in", "above", "below")
_COMMON = ("name", "when", "max_share", "allow_no_rows")
_FORMS = ("prediction", "never", "monotonic")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Condition:
    """What a row's feature must be for a rule to apply; a missing value meets no condition.

    Attributes:
        column: Name of the feature.
        values: The values that meet it; None when it is a range.
        above: Values above it meet the condition.
        below: Values below it meet the condition.
    """

    column: str
    values: tuple[Any, ...] | None = None
    above: float = -math.inf
    below: float = math.inf


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """What all forms have.

    Attributes:
        name: What the rule says, for people.
        when: Conditions that a row meets for the rule to apply; none means every row.
        max_share: Share of those rows that may break the rule, in [0, 1].
        allow_no_rows: Whether the rule holds when no row meets `when`.
        class_name: The class whose probability is meant; empty unless the label is multiclass.
    """

    name: str
    when: tuple[Condition, ...] = ()
    max_share: float = 0.0
    allow_no_rows: bool = False
    class_name: str = ""

    @property
    def columns(self) -> set[str]:
        """The features that the rule speaks of."""
        return {condition.column for condition in self.when}


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoundRule(Rule):
    """The prediction is within [at_least, at_most]."""

    at_least: float = -math.inf
    at_most: float = math.inf


@dataclasses.dataclass(frozen=True, kw_only=True)
class NeverRule(Rule):
    """The class is not the most probable one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MonotonicRule(Rule):
    """Raising a feature, all else equal, never lowers (`increasing`) or never raises (`decreasing`) the prediction.

    Attributes:
        column: Name of the feature, a number.
        increasing: Whether the prediction must not fall.
        over: Least and greatest value that the feature is given.
        tolerance: How far the prediction may go the wrong way between any two values.
    """

    column: str
    increasing: bool
    over: tuple[float, float]
    tolerance: float = 0.0

    @property
    def columns(self) -> set[str]:
        """The features that the rule speaks of."""
        return super().columns | {self.column}


def read_rules(documents: Sequence[dict[str, Any]]) -> tuple[Rule, ...]:
    """Reads the rules of a policy.

    Raises:
        UserError: If a rule has a problem; all of them are told.
    """
    if problems := rule_problems(documents):
        raise UserError("A business rule has one of the three forms.", received=problems, remedy="See docs/gates.md.")
    return tuple(_read_rule(document) for document in documents)


def label_problems(documents: Sequence[dict[str, Any]], label: LabelSpec) -> list[str]:
    """Returns why rules that are well formed do not suit the label, as sentences with the rule's place.

    Args:
        documents: Rules without `rule_problems`.
        label: What is predicted.
    """
    rules = enumerate(read_rules(documents))
    return [f"rules.{index}: {problem}" for index, rule in rules if (problem := _label_problem(rule, label))]


def _label_problem(rule: Rule, label: LabelSpec) -> str:
    if label.kind is LabelKind.MULTICLASS:
        if rule.class_name in label.classes:
            return ""
        return f"names one of the classes {', '.join(label.classes)}. Received: {rule.class_name or 'none'}."
    return f"a {label.kind} label has no class {rule.class_name!r}; bound the prediction." if rule.class_name else ""


def rule_problems(documents: Any) -> list[str]:
    """Returns the problems of a list of rules as sentences, each with the rule's place; none when all are well."""
    if not isinstance(documents, list | tuple):
        return ["rules: a list of mappings."]
    problems = [f"rules.{index}: {text}" for index, document in enumerate(documents) for text in _rule_problems(document)]
    names = [document.get("name") for document in documents if isinstance(document, dict)]
    twice = sorted({str(name) for name in names if name is not None and names.count(name) > 1})
    return problems + [f"rules: the name {name!r} is given twice." for name in twice]


def _read_rule(document: dict[str, Any]) -> Rule:
    when = document.get("when", ())
    common: dict[str, Any] = {key: document[key] for key in ("name", "max_share", "allow_no_rows") if key in document}
    common["when"] = tuple(_read_condition(item) for item in ([when] if isinstance(when, dict) else when))
    if "never" in document:
        return NeverRule(**common, class_name=document["never"])
    if "prediction" in document:
        bounds = {key: value for key, value in document["prediction"].items() if key != "class"}
        return BoundRule(**common, class_name=document["prediction"].get("class", ""), **bounds)
    form = document["monotonic"]
    return MonotonicRule(
        **common,
        class_name=form.get("class", ""),
        column=form["column"],
        increasing=form["direction"] == INCREASING,
        over=(form["over"][0], form["over"][1]),
        tolerance=form.get("tolerance", 0.0),
    )


def _read_condition(document: dict[str, Any]) -> Condition:
    values = tuple(document["in"]) if "in" in document else None
    values = (document["equals"],) if "equals" in document else values
    limits = {key: document[key] for key in ("above", "below") if key in document}
    return Condition(column=document["column"], values=values, **limits)


def _rule_problems(rule: Any) -> Iterator[str]:
    if not isinstance(rule, dict):
        yield f"a mapping. Received: {rule!r}."
        return
    if not _is_name(rule.get("name")):
        yield "needs a `name`."
    if len([form for form in _FORMS if form in rule]) != 1:
        yield f"has one of `prediction`, `never` and `monotonic`. Received: {sorted(map(str, rule))}."
    yield from _unknown(rule, (*_COMMON, *_FORMS), "")
    if not (_is_number(share := rule.get("max_share", 0)) and 0 <= share <= 1):
        yield f"max_share: in [0, 1]. Received: {share!r}."
    if not isinstance(allowed := rule.get("allow_no_rows", False), bool):
        yield f"allow_no_rows: true or false. Received: {allowed!r}."
    when = rule.get("when", ())
    for condition in when if isinstance(when, list | tuple) else [when]:
        yield from _condition_problems(condition)
    if "prediction" in rule:
        yield from _prediction_problems(rule["prediction"])
    if "never" in rule and not _is_name(rule["never"]):
        yield f"never: the name of a class. Received: {rule['never']!r}."
    if "monotonic" in rule:
        yield from _monotonic_problems(rule["monotonic"])


def _condition_problems(condition: Any) -> Iterator[str]:
    if not isinstance(condition, dict) or not _is_name(condition.get("column")):
        yield f"when: a mapping with a `column`, or a list of them. Received: {condition!r}."
        return
    yield from _unknown(condition, ("column", *_TESTS), "when: ")
    tests = {key for key in _TESTS if key in condition}
    if not (tests in ({"equals"}, {"in"}) or (tests and tests <= {"above", "below"})):
        yield f"when: one of `equals`, `in`, or `above` and `below`. Received: {sorted(tests)}."
    values = condition.get("in", [condition["equals"]] if "equals" in condition else [0])
    if not isinstance(values, list | tuple) or not values or not all(isinstance(v, str) or _is_number(v) for v in values):
        yield f"when: `equals` is a text or a number, `in` a list of them. Received: {values!r}."
    elif len({isinstance(value, str) for value in values}) > 1:
        yield f"when: `in` holds texts or numbers, not both. Received: {values!r}."
    for key in sorted(tests & {"above", "below"}):
        if not _is_number(condition[key]):
            yield f"when: `{key}` is a number. Received: {condition[key]!r}."


def _prediction_problems(form: Any) -> Iterator[str]:
    if not isinstance(form, dict) or not form.keys() & {"at_least", "at_most"}:
        yield f"prediction: a mapping with `at_least`, `at_most` or both. Received: {form!r}."
        return
    yield from _unknown(form, ("class", "at_least", "at_most"), "prediction: ")
    yield from _class_problems(form, "prediction: ")
    if wrong := {key: value for key, value in form.items() if key != "class" and not _is_number(value)}:
        yield f"prediction: bounds are numbers. Received: {wrong}."
    elif form.get("at_least", -math.inf) > form.get("at_most", math.inf):
        yield f"prediction: `at_least` is not above `at_most`. Received: {form}."


def _monotonic_problems(form: Any) -> Iterator[str]:
    if not isinstance(form, dict) or not _is_name(form.get("column")):
        yield f"monotonic: a mapping with a `column`. Received: {form!r}."
        return
    yield from _unknown(form, ("class", "column", "direction", "over", "tolerance"), "monotonic: ")
    yield from _class_problems(form, "monotonic: ")
    if form.get("direction") not in (INCREASING, DECREASING):
        yield f"monotonic: `direction` is {INCREASING} or {DECREASING}. Received: {form.get('direction')!r}."
    over = form.get("over")
    ends = isinstance(over, list | tuple) and len(over) == 2 and all(_is_number(value) for value in over)
    if not ends or not over[0] < over[1]:  # type: ignore[index]  # two numbers by then
        yield f"monotonic: `over` is the least and the greatest value. Received: {over!r}."
    if not (_is_number(tolerance := form.get("tolerance", 0)) and tolerance >= 0):
        yield f"monotonic: `tolerance` is at least 0. Received: {tolerance!r}."


def _class_problems(form: dict[Any, Any], place: str) -> Iterator[str]:
    if "class" in form and not _is_name(form["class"]):
        yield f"{place}`class` is the name of a class. Received: {form['class']!r}."


def _unknown(document: dict[Any, Any], known: tuple[str, ...], place: str) -> Iterator[str]:
    if unknown := sorted(str(key) for key in document if key not in known):
        yield f"{place}not a known key: {', '.join(unknown)}. Known here: {', '.join(known)}."


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
