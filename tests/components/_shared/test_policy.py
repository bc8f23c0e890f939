import pytest

from components._shared.errors import UserError
from components._shared.policy import FairnessGate, Policy, ServingGate, hash_policy, policy_to_json, read_policy


def test_a_policy_survives_json():
    policy = Policy(fairness=FairnessGate(protected=("origin",)), serving=ServingGate(max_p99_ms={"16": 20.0}))
    assert read_policy(policy_to_json(policy)) == policy


@pytest.mark.parametrize("document", [{"fairnes": {}}, {"fairness": {"max": 1}}])
def test_unknown_names_are_refused(document):
    with pytest.raises(UserError, match=r"only known .* Received: \['(fairnes|max)'\]"):
        read_policy(document)


def test_the_hash_covers_bounds_and_evaluation():
    hashes = {hash_policy({"a": 1}, {}), hash_policy({"a": 2}, {}), hash_policy({"a": 1}, {"b": 1})}
    assert len(hashes) == 3
