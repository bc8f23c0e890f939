import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from components._data.schema import read_schema
from components._shared.gates import Verdict
from components._shared.label import LabelSpec
from components._shared.policy import BusinessRulesGate
from components.validate_serving.business_rules import judge_rules
from components.validate_serving.job import Job, Measured, Outcome
from components.validate_serving.stress import ask_rules

JFK = {"column": "origin", "equals": "JFK"}
HOURS = {"column": "hour", "direction": "increasing", "over": [5, 22]}


def by_hour(raw):
    return tf.clip_by_value(tf.cast(raw["hour"], tf.float32) / 50, 0, 1)


@pytest.fixture
def judge(kit, project, tmp_path):
    """Returns a function that asks a model for rules and judges the answers."""

    def run(rules, predict=by_hour, label=kit.LATE):
        schema, table = read_schema(project["schema"]), kit.rows_table().drop(["late"])
        model = kit.export(tmp_path / "model", predict, label=label, warmup=False)
        task = Job(
            model="",
            schema=schema,
            label=label,
            interface=kit.own(label),
            batch_sizes=(),
            requests=1,
            timeout_seconds=1,
            rules=tuple(rules),
        )
        seen, answers = Measured(), {}
        with kit.served(model) as client:
            ask_rules(client, task, table, seen, answers)
        outcome = Outcome(measured=seen, answers=answers)
        return judge_rules(BusinessRulesGate(rules=tuple(rules)), label, outcome, table, schema)

    return run


@pytest.mark.parametrize(
    "rule",
    [
        {"prediction": {"at_least": 0, "at_most": 1}},
        {"prediction": {"at_most": 0.2}, "when": {"column": "hour", "below": 11}},
        {"prediction": {"at_least": 0.19, "at_most": 0.41}, "when": {"column": "hour", "above": 9, "below": 21}},
        {"prediction": {"at_most": 0.02}, "when": {"column": "hour", "in": [0, 1]}},
        {"prediction": {"at_most": 0.1}, "when": [{"column": "origin", "in": ["JFK"]}, {"column": "hour", "below": 6}]},
        {"prediction": {"at_most": 0.2}, "max_share": 0.75},
        {"prediction": {"at_most": 0.0}, "when": {"column": "origin", "equals": "LGA"}, "allow_no_rows": True},
        {"monotonic": HOURS},
        {"monotonic": {"column": "seats", "direction": "decreasing", "over": [1, 300]}},
    ],
)
def test_a_rule_that_holds_passes(judge, rule):
    found = judge([{"name": "promise", **rule}])

    assert found.result.verdict is Verdict.PASSED, found.result.reason
    assert found.result.measurements[0].passed


def test_a_broken_bound_shows_the_worst_rows(judge):
    found = judge([{"name": "never sure of JFK", "when": JFK, "prediction": {"at_most": 0.5}}])

    assert found.result.verdict is Verdict.FAILED
    assert found.result.reason == "never sure of JFK: share of rows that break it: 5 of 14."
    assert [(item["row"], item["prediction"]) for item in found.broken] == [
        (39, "0.78"),
        (36, "0.72"),
        (33, "0.66"),
        (30, "0.6"),
        (27, "0.54"),
    ]
    assert (found.broken[0]["values"]["origin"], found.broken[0]["values"]["hour"]) == ("JFK", "39")


def test_a_broken_monotony_shows_where(judge):
    found = judge([{"name": "later is worse", "monotonic": HOURS}], lambda raw: 1 - by_hour(raw))

    assert found.result.verdict is Verdict.FAILED
    assert found.result.measurements[0].value == 1
    assert len(found.broken) == 5
    assert found.broken[0]["prediction"] == "0.9 at hour 5, 0.56 at 22"


def test_tolerance_is_between_any_two_values(judge):
    """Many small steps the wrong way are one large one."""
    rule = {"name": "later is worse", "monotonic": {**HOURS, "tolerance": 0.03}}

    assert judge([rule], lambda raw: 1 - by_hour(raw)).result.verdict is Verdict.FAILED
    assert judge([{**rule, "max_share": 1}], lambda raw: 1 - by_hour(raw)).result.verdict is Verdict.PASSED
    rule["monotonic"]["tolerance"] = 0.35
    assert judge([rule], lambda raw: 1 - by_hour(raw)).result.verdict is Verdict.PASSED


def test_a_prediction_that_is_no_number_breaks_every_rule(judge):
    rules = [{"name": "bound", "prediction": {"at_most": 1}}, {"name": "monotonic", "monotonic": HOURS}]

    found = judge(rules, lambda raw: by_hour(raw) * float("nan"))

    assert [item.value for item in found.result.measurements] == [1, 1]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"prediction": {"at_most": 1}, "when": {"column": "origin", "equals": "LGA"}}, "no row of the sample meets"),
        ({"prediction": {"at_most": 1}, "when": {"column": "wheels", "equals": 3}}, "no such feature for serving: wheels"),
        ({"prediction": {"at_most": 1}, "when": {"column": "late", "equals": 1}}, "no such feature for serving: late"),
        ({"prediction": {"at_most": 1}, "when": {"column": "origin", "above": 1}}, "'origin' holds texts"),
        ({"prediction": {"at_most": 1}, "when": {"column": "hour", "equals": "1"}}, "'hour' holds numbers"),
        ({"monotonic": {**HOURS, "column": "wheels"}}, "no such feature for serving: wheels"),
        ({"monotonic": {**HOURS, "column": "origin"}}, "'origin' is no number"),
        ({"monotonic": {**HOURS, "over": [5.1, 5.9]}}, "fewer than two values of 'hour'"),
    ],
)
def test_a_rule_that_cannot_be_tried_says_no(judge, rule, words):
    found = judge([{"name": "promise", **rule}])

    assert found.result.verdict is Verdict.FAILED
    assert words in found.result.reason


def test_a_model_that_raises_breaks_the_rule(judge):
    def raises(raw):
        with tf.control_dependencies([tf.debugging.assert_equal(tf.reduce_max(raw["hour"]), tf.constant(39, tf.int64))]):
            return by_hour(raw)

    found = judge([{"name": "later is worse", "monotonic": HOURS}, {"name": "bound", "prediction": {"at_most": 1}}], raises)

    assert [item.passed for item in found.result.measurements] == [False, True]
    assert "INVALID_ARGUMENT" in found.result.reason


def test_no_rule_is_not_applicable():
    found = judge_rules(BusinessRulesGate(), LabelSpec(name="late"), Outcome(measured=None, answers={}), pa.table({}), None)

    assert (found.result.verdict, found.result.reason) == (Verdict.NOT_APPLICABLE, "The policy has no business rule.")


def test_a_process_that_did_not_end_well_breaks_every_rule(kit, project):
    rules = ({"name": "bound", "prediction": {"at_most": 1}},)
    outcome = Outcome(measured=None, answers={}, failure="The fresh process was ended by signal 11.")

    found = judge_rules(BusinessRulesGate(rules=rules), kit.LATE, outcome, kit.rows_table(), read_schema(project["schema"]))

    assert (found.result.verdict, found.broken) == (Verdict.FAILED, [])
    assert "signal 11" in found.result.reason


def test_missing_values_meet_no_condition(judge):
    rule = {"name": "any seats", "when": {"column": "seats", "above": -1e9}, "prediction": {"at_least": 0}}

    assert judge([rule]).result.measurements[0].rows == 30
    assert np.isfinite(judge([rule]).result.measurements[0].value)


GENTOO = {"name": "Gentoo is rare", "prediction": {"class": "Gentoo", "at_most": 0.35}}


def by_class(raw):
    """Gentoo from hour 20 on, else Adelie; the rest is for Chinstrap."""
    late = raw["hour"] >= 20
    return tf.where(late[:, tf.newaxis], [[0.2, 0.1, 0.7]], [[0.7, 0.1, 0.2]])


def test_a_bound_of_one_class_says_no(kit, judge):
    found = judge([GENTOO], by_class, kit.SPECIES)

    assert found.result.measurements[0].note == "share of rows that break it: 20 of 40"
    assert found.broken[0]["prediction"] == "Gentoo 0.7"
    assert judge([{**GENTOO, "when": {"column": "hour", "below": 20}}], by_class, kit.SPECIES).result.verdict is Verdict.PASSED


@pytest.mark.parametrize(("name", "broken"), [("Gentoo", 1.0), ("Adelie", 0.0), ("Chinstrap", 0.0)])
def test_a_class_that_must_never_come_first_says_no(kit, judge, name, broken):
    rule = {"name": "never late", "never": name, "when": {"column": "hour", "above": 19}}

    found = judge([rule], by_class, kit.SPECIES)

    assert found.result.measurements[0].value == broken
    assert (found.result.verdict is Verdict.FAILED) == bool(broken)


def test_a_tie_for_the_first_place_breaks_never(kit, judge):
    def even(raw):
        return tf.fill([tf.size(raw["hour"]), 3], 1 / 3)

    assert judge([{"name": "never", "never": "Gentoo"}], even, kit.SPECIES).result.measurements[0].value == 1


def test_a_class_that_is_no_number_breaks_never(kit, judge):
    def unknown(raw):
        return by_class(raw) * tf.constant([[1.0, float("nan"), 1.0]])

    assert judge([{"name": "never", "never": "Gentoo"}], unknown, kit.SPECIES).result.measurements[0].value == 1


def test_one_class_follows_a_feature(kit, judge):
    def rule(name, direction):
        form = {**HOURS, "class": name, "direction": direction}
        return {"name": f"{name} {direction}", "monotonic": form}

    rules = [rule("Gentoo", "increasing"), rule("Adelie", "decreasing"), rule("Adelie", "increasing")]
    found = judge(rules, by_class, kit.SPECIES)

    assert [item.passed for item in found.result.measurements] == [True, True, False]
    assert found.broken[0]["prediction"] == "Adelie 0.7 at hour 5, 0.2 at 20"


def test_a_number_is_bounded_in_its_unit(kit, judge):
    def price(raw):
        return 1000 * by_hour(raw)

    rules = [{"name": f"at most {most}", "prediction": {"at_most": most}} for most in (780, 700)]
    rules.append({"name": "later is dearer", "monotonic": {**HOURS, "tolerance": 1}})
    found = judge(rules, price, kit.PRICE)

    assert [item.passed for item in found.result.measurements] == [True, False, True]
    assert found.broken[0]["prediction"] == "780"
