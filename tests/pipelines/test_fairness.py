from pipelines.fairness import problems_of_fairness


def problems(tmp_path, label, threshold):
    gates = {"fairness": {"decision_threshold": threshold}}
    return problems_of_fairness({"source": {"label": label}, "gates": gates}, tmp_path / "schema.pbtxt")


def test_a_threshold_of_a_number_is_in_its_own_unit(tmp_path):
    assert not problems(tmp_path, {"name": "price", "kind": "numeric"}, [200, 250_000])


def test_a_threshold_of_a_probability_is_in_0_to_1(tmp_path):
    assert problems(tmp_path, {"name": "late"}, [0.2, 200]) == ["gates.fairness.decision_threshold: in [0, 1]. Received: 200."]
    assert not problems(tmp_path, {"name": "late"}, [0, 1])


def test_what_is_no_mapping_is_left_to_the_types(tmp_path):
    for document in ({}, {"gates": []}, {"gates": {"fairness": 3}}, {"gates": {"fairness": {"protected": "origin"}}}):
        assert problems_of_fairness(document, tmp_path / "schema.pbtxt") == []
