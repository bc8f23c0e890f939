import pytest

from components._shared.errors import UserError
from components._shared.policy import FairnessGate, Policy, ServingGate
from components._shared.policy_documents import check_policy_hash, hash_policy, policy_to_json, read_policy


def test_a_policy_survives_json():
    policy = Policy(fairness=FairnessGate(protected=("origin",)), serving=ServingGate(max_p99_ms={"16": 20.0}))
    assert read_policy(policy_to_json(policy)) == policy


def test_a_bound_that_is_left_out_is_no_null_in_json():
    assert not any(value is None for gate in policy_to_json(Policy()).values() for value in gate.values())


@pytest.mark.parametrize(
    ("setting", "value"),
    [("decision_threshold", 0.3), ("decision_threshold", (0.3, 0.5)), ("max_equalized_odds_difference", None)],
)
def test_a_setting_may_have_several_types(setting, value):
    policy = read_policy({"fairness": {setting: list(value) if isinstance(value, tuple) else value}})
    assert getattr(policy.fairness, setting) == value


@pytest.mark.parametrize("document", [{"fairnes": {}}, {"fairness": {"max": 1}}])
def test_unknown_names_are_refused(document):
    with pytest.raises(UserError, match=r"only known .* Received: \['(fairnes|max)'\]"):
        read_policy(document)


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        (5, "'data' is an object of settings"),
        ({"off": True}, "data.off is a str"),
        ({"min_rows": 100}, "data.min_rows is a dict"),
        ({"min_rows": {"train": "many"}}, "data.min_rows is a dict"),
    ],
)
def test_a_value_of_another_type_is_refused(gate, words):
    with pytest.raises(UserError, match=words):
        read_policy({"data": gate})


@pytest.mark.parametrize(
    "gate",
    [{"protected": "origin"}, {"protected": [1]}, {"min_group_size": 1.5}, {"decision_threshold": [""]}, {"confidence": None}],
)
def test_names_and_numbers_are_what_they_should_be(gate):
    with pytest.raises(UserError, match=r"fairness\.\w+ is a (tuple|int|float)"):
        read_policy({"fairness": gate})


def test_whole_numbers_may_come_as_doubles():
    policy = read_policy({"performance": {"min_slice_size": 100.0}, "serving": {"max_p99_ms": {"1": 5}, "max_size_mb": 5.0}})
    assert (policy.performance.min_slice_size, policy.serving.max_p99_ms, policy.serving.max_size_mb) == (100, {"1": 5}, 5)


def test_the_hash_covers_bounds_and_evaluation():
    hashes = {hash_policy({"a": 1}, {}), hash_policy({"a": 2}, {}), hash_policy({"a": 1}, {"b": 1})}
    assert len(hashes) == 3


def test_the_hash_is_the_same_however_a_whole_number_is_written():
    """Kubeflow hands 50.0 on as 50."""
    assert hash_policy({"a": {"b": 50.0}}, {"c": [1.0]}) == hash_policy({"a": {"b": 50}}, {"c": [1]})


def test_a_policy_that_is_not_its_hash_is_refused():
    expected = hash_policy({"a": 1}, {})
    check_policy_hash({"a": 1.0}, {}, expected)
    for document, config in (({"a": 2}, {}), ({"a": 1}, {"b": 1})):
        with pytest.raises(UserError, match="that the pipeline was compiled with"):
            check_policy_hash(document, config, expected)


def test_a_gate_is_not_switched_off_without_a_reason():
    with pytest.raises(UserError, match="with a reason"):
        read_policy({"fairness": {"off": "  "}})


@pytest.mark.parametrize("bound", [None, 5, 2.5])
def test_a_bound_without_a_default_may_be_left_out(bound):
    assert read_policy({"serving": {"max_cold_start_s": bound}}).serving.max_cold_start_s == bound


@pytest.mark.parametrize("bound", ["5", True, [5]])
def test_a_bound_without_a_default_is_a_number(bound):
    with pytest.raises(UserError, match=r"serving\.max_cold_start_s is a float or null"):
        read_policy({"serving": {"max_cold_start_s": bound}})


@pytest.mark.parametrize("hours", [0, -1, 8761, 1e300])
def test_nobody_is_waited_for_forever_or_not_at_all(hours):
    with pytest.raises(UserError, match="from 1 to 8760"):
        read_policy({"approval": {"required": True, "deadline_hours": hours}})
