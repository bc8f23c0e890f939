import math

import pytest

from components._shared.errors import UserError
from components._shared.label import LabelKind, LabelSpec
from components._shared.rules import BoundRule, Condition, MonotonicRule, NeverRule, label_problems, read_rules, rule_problems

BOUND = {"name": "bound", "prediction": {"at_most": 0.5}}
MONOTONIC = {"name": "rises", "monotonic": {"column": "hour", "direction": "increasing", "over": [5, 22]}}


def test_both_forms_are_read():
    when = [{"column": "carrier", "equals": "HA"}, {"column": "hour", "in": [1, 2]}, {"column": "hour", "above": 3}]

    bound, monotonic = read_rules([{**BOUND, "when": when, "max_share": 0.1}, MONOTONIC])

    hours = (Condition(column="hour", values=(1, 2)), Condition(column="hour", above=3))
    conditions = (Condition(column="carrier", values=("HA",)), *hours)
    assert bound == BoundRule(name="bound", when=conditions, at_most=0.5, at_least=-math.inf, max_share=0.1)
    assert monotonic == MonotonicRule(name="rises", column="hour", increasing=True, over=(5, 22))
    assert (bound.columns, monotonic.columns) == ({"carrier", "hour"}, {"hour"})


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("a rule", "rules.0: a mapping"),
        ({"prediction": {"at_most": 1}}, "needs a `name`"),
        ({"name": "x"}, "one of `prediction`, `never` and `monotonic`"),
        ({**BOUND, **MONOTONIC}, "one of `prediction`, `never` and `monotonic`"),
        ({**BOUND, "unless": 1}, "not a known key: unless"),
        ({**BOUND, "max_share": 2}, "max_share: in [0, 1]"),
        ({**BOUND, "allow_no_rows": "yes"}, "allow_no_rows: true or false"),
        ({**BOUND, "prediction": {}}, "`at_least`, `at_most` or both"),
        ({**BOUND, "prediction": {"at_most": "0.5"}}, "bounds are numbers"),
        ({**BOUND, "prediction": {"at_most": math.nan}}, "bounds are numbers"),
        ({**BOUND, "prediction": {"at_most": 0.1, "at_least": 0.2}}, "not above"),
        ({**BOUND, "prediction": {"at_most": 0.1, "most": 0.2}}, "not a known key: most"),
        ({**BOUND, "prediction": {"at_most": 0.1, "class": 3}}, "`class` is the name of a class"),
        ({"name": "x", "never": 3}, "never: the name of a class"),
        ({**BOUND, "never": "Gentoo"}, "one of `prediction`, `never` and `monotonic`"),
        ({"name": "x", "monotonic": {**MONOTONIC["monotonic"], "class": ""}}, "`class` is the name of a class"),
        ({**BOUND, "when": {"equals": "HA"}}, "a mapping with a `column`"),
        ({**BOUND, "when": {"column": "hour"}}, "one of `equals`, `in`"),
        ({**BOUND, "when": {"column": "hour", "equals": 1, "above": 2}}, "one of `equals`, `in`"),
        ({**BOUND, "when": {"column": "hour", "in": []}}, "`in` a list of them"),
        ({**BOUND, "when": {"column": "hour", "in": [1, "1"]}}, "texts or numbers, not both"),
        ({**BOUND, "when": {"column": "hour", "equals": True}}, "`equals` is a text or a number"),
        ({**BOUND, "when": {"column": "hour", "above": "5"}}, "`above` is a number"),
        ({"name": "x", "monotonic": {"direction": "increasing", "over": [1, 2]}}, "a mapping with a `column`"),
        ({"name": "x", "monotonic": {**MONOTONIC["monotonic"], "direction": "up"}}, "increasing or decreasing"),
        ({"name": "x", "monotonic": {**MONOTONIC["monotonic"], "over": [2, 1]}}, "least and the greatest"),
        ({"name": "x", "monotonic": {**MONOTONIC["monotonic"], "over": 5}}, "least and the greatest"),
        ({"name": "x", "monotonic": {**MONOTONIC["monotonic"], "tolerance": -1}}, "at least 0"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule, words):
    assert any(words in problem for problem in rule_problems([rule]))
    with pytest.raises(UserError, match="one of the three forms"):
        read_rules([rule])


def test_a_name_is_given_once():
    assert rule_problems([BOUND, BOUND]) == ["rules: the name 'bound' is given twice."]


def test_rules_are_a_list():
    assert rule_problems(BOUND) == ["rules: a list of mappings."]


SPECIES = LabelSpec(name="species", kind=LabelKind.MULTICLASS, classes=("Adelie", "Gentoo"))
GENTOO = {"name": "rare", "prediction": {"class": "Gentoo", "at_most": 0.5}}
NEVER = {"name": "never", "never": "Gentoo", "when": {"column": "island", "equals": "Dream"}}
RISES = {"name": "grows", "monotonic": {**MONOTONIC["monotonic"], "class": "Adelie"}}


def test_rules_of_a_class_are_read():
    bound, never, monotonic = read_rules([GENTOO, NEVER, RISES])

    assert bound == BoundRule(name="rare", class_name="Gentoo", at_most=0.5)
    assert (type(never), never.class_name, never.columns) == (NeverRule, "Gentoo", {"island"})
    assert monotonic.class_name == "Adelie"
    assert label_problems([GENTOO, NEVER, RISES], SPECIES) == []


@pytest.mark.parametrize(
    ("rule", "kind", "words"),
    [
        (BOUND, SPECIES, "rules.0: names one of the classes Adelie, Gentoo. Received: none."),
        ({"name": "x", "never": "Chinstrap"}, SPECIES, "Received: Chinstrap."),
        (NEVER, LabelSpec(name="late"), "a binary label has no class 'Gentoo'"),
        (GENTOO, LabelSpec(name="price", kind=LabelKind.NUMERIC), "a numeric label has no class 'Gentoo'"),
    ],
)
def test_a_rule_that_does_not_suit_the_label_is_told(rule, kind, words):
    (problem,) = label_problems([rule], kind)

    assert words in problem
