import dataclasses
import json

import pytest

from components._shared.errors import UserError
from components._shared.overrides import TIGHTER, Becomes, Tighter, read_bounds, tighten
from components._shared.policy import BusinessRulesGate, FairnessGate, Policy, RegressionGate
from components._shared.policy_documents import hash_policy, policy_to_json

RULE = {"name": "never certain", "prediction": {"at_most": 0.9}}
POLICY = policy_to_json(
    Policy(
        fairness=FairnessGate(off="no protected group in this data", protected=("origin",)),
        business_rules=BusinessRulesGate(rules=(RULE,)),
    )
)
CONFIG = {
    "metrics_specs": [
        {
            "metrics": [
                {"class_name": "ExampleCount"},
                {"class_name": "AUC", "threshold": {"value_threshold": {"lower_bound": {"value": 0.62}}}},
                {"class_name": "Calibration", "threshold": {"value_threshold": {"lower_bound": 0.7, "upper_bound": 1.4}}},
                {"class_name": "Recall", "threshold": {"value_threshold": {"lower_bound": "0.5"}}},
            ]
        },
        {"metrics": [{"className": "Precision", "threshold": {"valueThreshold": {"lowerBound": 0.3}}}]},
    ]
}
GATES = {field.name: field.default for field in dataclasses.fields(Policy)}


def changes(overrides):
    return {item["key"]: (item["from"], item["to"]) for item in tighten(POLICY, CONFIG, overrides).overrides}


def test_every_setting_of_every_gate_says_what_is_tighter():
    settings = {name: {field.name for field in dataclasses.fields(gate)} for name, gate in GATES.items()}
    assert {name: set(ways) for name, ways in TIGHTER.items()} == settings


def test_what_is_tighter_suits_the_type_of_the_setting():
    for name, ways in TIGHTER.items():
        for key, way in ways.items():
            value = getattr(GATES[name], key)
            if isinstance(way, Becomes):
                assert type(way.value) is type(value), (name, key)
            elif way is Tighter.ADDED:
                assert isinstance(value, tuple), (name, key)
            elif way is not Tighter.FIXED:
                assert value is None or (isinstance(value, float | int | dict) and not isinstance(value, bool)), (name, key)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"regression": {"margin": 0.005}}, {"regression.margin": (0.01, 0.005)}),
        ({"regression": {"confidence": 0.99}}, {"regression.confidence": (0.95, 0.99)}),
        ({"regression": {"mode": "better"}}, {"regression.mode": ("non_inferior", "better")}),
        ({"serving": {"max_p99_ms": {"1": 40.0}}}, {"serving.max_p99_ms.1": (100, 40)}),
        ({"data": {"min_rows": {"test": 10.0}}}, {"data.min_rows.test": (None, 10)}),
        ({"fairness": {"off": ""}}, {"fairness.off": ("no protected group in this data", "")}),
        ({"fairness": {"protected": ["origin", "age"]}}, {"fairness.protected": (["origin"], ["origin", "age"])}),
        ({"robustness": {"required_nan_must_be_finite": True}}, {"robustness.required_nan_must_be_finite": (False, True)}),
        ({"evaluation": {"AUC": {"lower_bound": 0.7}}}, {"evaluation.AUC.lower_bound": (0.62, 0.7)}),
        ({"evaluation": {"AUC": {"upper_bound": 0.99}}}, {"evaluation.AUC.upper_bound": (None, 0.99)}),
        ({"evaluation": {"Calibration": {"upper_bound": 1.2}}}, {"evaluation.Calibration.upper_bound": (1.4, 1.2)}),
        ({"evaluation": {"Precision": {"lower_bound": 0.4}}}, {"evaluation.Precision.lower_bound": (0.3, 0.4)}),
    ],
)
def test_a_bound_is_tightened_and_named(overrides, expected):
    assert changes(overrides) == expected


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (
            {"regression": {"margin": 0.02}},
            r"regression\.margin may only be lowered\. The policy has 0\.01\. Received: 0\.02\.",
        ),
        ({"regression": {"confidence": 0.9}}, r"regression\.confidence may only be raised\. The policy has 0\.95"),
        ({"regression": {"mode": "worse"}}, r'regression\.mode may only become "better"'),
        ({"regression": {"seed": 1}}, r"regression\.seed may not be overridden"),
        ({"regression": {"margin": "0"}}, "is a finite number"),
        ({"regression": {"margin": True}}, "is a finite number"),
        ({"regression": {"margin": float("nan")}}, "is a finite number"),
        ({"regression": {"confidence": 10**400}}, "is a finite number"),
        ({"performance": {"min_slice_size": 1}}, "may not be overridden"),
        ({"serving": {"max_p99_ms": {"1": 101}}}, r"serving\.max_p99_ms\.1 may only be lowered\. The policy has 100"),
        ({"serving": {"max_p99_ms": 5}}, "holds numbers by name"),
        ({"data": {"min_rows": {"test": 0}}}, "is added with a number above 0"),
        ({"fairness": {"off": "another reason"}}, r'fairness\.off may only become ""'),
        ({"parity": {"off": "no time"}}, r'parity\.off may only become ""'),
        ({"fairness": {"protected": "age"}}, "may only be added to, by a list"),
        ({"robustness": {"required_nan_must_be_finite": 1}}, "may only become true"),
        ({"robustness": {"noise": 0}}, "may not be overridden"),
        ({"business_rules": {"rules": [{"name": "x"}]}}, "one of the three forms"),
        ({"business_rules": {"rules": [{**RULE, "prediction": {"at_most": 1}}]}}, "is given twice"),
        ({"nothing": {}}, "nothing is no gate"),
        ({"regression": {"nothing": 1}}, r"regression\.nothing is no setting"),
        ({"regression": 1}, "regression is an object of settings"),
        (
            {"evaluation": {"AUC": {"lower_bound": 0.6}}},
            r"evaluation\.AUC\.lower_bound may only be raised\. The policy has 0\.62",
        ),
        ({"evaluation": {"Calibration": {"upper_bound": 1.5}}}, "may only be lowered"),
        ({"evaluation": {"AUC": {"lower_bound": "0.7"}}}, "is a finite number"),
        ({"evaluation": {"AUC": {"middle": 0.7}}}, "is no bound"),
        ({"evaluation": {"AUC": 0.7}}, "is an object of lower_bound and upper_bound"),
        ({"evaluation": {"ExampleCount": {"lower_bound": 10}}}, "0 are such"),
        ({"evaluation": {"Nothing": {"lower_bound": 10}}}, "0 are such"),
        ({"evaluation": {"Recall": {"lower_bound": 0.6}}}, 'is a finite number.*Received: "0.5"'),
    ],
)
def test_what_loosens_or_is_unknown_is_refused(overrides, words):
    with pytest.raises(UserError, match=words):
        tighten(POLICY, CONFIG, overrides)


def test_a_metric_that_is_there_twice_is_refused():
    twice = {"metrics_specs": CONFIG["metrics_specs"] * 2}
    with pytest.raises(UserError, match="2 are such"):
        tighten(POLICY, twice, {"evaluation": {"AUC": {"lower_bound": 0.7}}})


@pytest.mark.parametrize("name", GATES)
def test_no_gate_can_be_switched_off(name):
    with pytest.raises(UserError, match=r"off may only become"):
        tighten({}, {}, {name: {"off": "no time"}})


def test_a_tightened_policy_is_the_one_that_is_judged_by_and_hashed():
    bounds = tighten(POLICY, CONFIG, {"regression": {"margin": 0.005}, "evaluation": {"AUC": {"lower_bound": 0.7}}})
    assert bounds.policy.regression == RegressionGate(margin=0.005)
    assert bounds.document["regression"]["margin"] == 0.005
    assert bounds.policy_hash == hash_policy(bounds.document, bounds.eval_config) != hash_policy(POLICY, CONFIG)
    assert CONFIG["metrics_specs"][0]["metrics"][1]["threshold"]["value_threshold"]["lower_bound"] == {"value": 0.62}


@pytest.mark.parametrize("overrides", [None, {}, {"regression": {}}, {"regression": {"margin": 0.01, "mode": "non_inferior"}}])
def test_what_changes_nothing_leaves_policy_and_hash_alone(overrides):
    for policy in (POLICY, {}):
        bounds = tighten(policy, CONFIG, overrides)
        assert (bounds.document, bounds.eval_config, bounds.overrides) == (policy, CONFIG, ())
        assert bounds.policy_hash == hash_policy(policy, CONFIG)


def test_other_overrides_are_another_hash():
    wanted = [
        {},
        {"parity": {"tolerance": 1e-6}},
        {"parity": {"tolerance": 1e-7}},
        {"evaluation": {"AUC": {"lower_bound": 0.7}}},
    ]
    assert len({tighten(POLICY, CONFIG, overrides).policy_hash for overrides in wanted}) == len(wanted)


def test_rules_are_added_to_those_of_the_policy():
    added = {"name": "never sure", "prediction": {"at_least": 0.1}}
    assert tighten(POLICY, CONFIG, {"business_rules": {"rules": [added]}}).policy.business_rules.rules == (RULE, added)


def test_kubeflow_may_hand_whole_numbers_on_as_doubles():
    policy = json.loads(json.dumps(POLICY), parse_int=float)
    bounds = tighten(policy, CONFIG, {"parity": {"rows": 3000.0}})
    assert bounds.policy.parity.rows == 3000
    assert bounds.policy_hash == tighten(POLICY, CONFIG, {"parity": {"rows": 3000}}).policy_hash


def test_bounds_are_read_only_under_the_hash_of_their_policy():
    known = hash_policy(POLICY, CONFIG)
    assert read_bounds(POLICY, CONFIG, known, {}).policy_hash == known
    for policy, config, expected in (({}, CONFIG, known), (POLICY, {}, known), (POLICY, CONFIG, "")):
        with pytest.raises(UserError, match="that the pipeline was compiled with"):
            read_bounds(policy, config, expected, {})


def test_a_bound_that_was_left_out_is_added_beside_another_only():
    """A gate without any bound says no; a generous bound that a run adds might make it a yes."""
    wanted = {"fairness": {"max_equalized_odds_difference": 0.9}}
    with pytest.raises(UserError, match="only to a gate that has another bound"):
        tighten(POLICY, CONFIG, wanted)
    bounded = policy_to_json(Policy(fairness=FairnessGate(protected=("origin",), max_demographic_parity_difference=0.1)))
    assert tighten(bounded, CONFIG, wanted).policy.fairness.max_equalized_odds_difference == 0.9


@pytest.mark.parametrize("size", ["01", "١", " 1", "1.0", "0", ""])
def test_a_batch_size_has_one_spelling(size):
    """Another spelling of a size that has a bound would be a second, looser bound."""
    with pytest.raises(UserError, match="names batch sizes as whole numbers above 0"):
        tighten(POLICY, CONFIG, {"serving": {"max_p99_ms": {size: 500}}})


def test_a_bound_is_added_only_to_a_threshold_that_has_one():
    config = {"metrics_specs": [{"metrics": [{"class_name": "AUC", "threshold": {"value_threshold": {}}}]}]}
    with pytest.raises(UserError, match="0 are such"):
        tighten(POLICY, config, {"evaluation": {"AUC": {"lower_bound": -5}}})
