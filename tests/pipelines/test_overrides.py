import json

import pytest

from components._shared.errors import UserError
from pipelines.config import load_project
from pipelines.overrides import check_overrides, parse_overrides, settings_with_overrides


def test_tightened_bounds_become_one_setting():
    settings = settings_with_overrides(["spans=2"], ["regression.margin=0.005", "regression.mode=better", "fairness.off="])
    name, _, value = settings[1].partition("=")
    assert (settings[0], name) == ("spans=2", "overrides")
    assert json.loads(value) == {"regression": {"margin": 0.005, "mode": "better"}, "fairness": {"off": ""}}
    assert settings_with_overrides(["spans=2"], []) == ["spans=2"]


def test_a_value_is_json_or_a_text():
    texts = ["serving.max_p99_ms.1=40", "evaluation.AUC.lower_bound=0.7", 'fairness.protected=["carrier"]']
    assert parse_overrides(texts) == {
        "serving": {"max_p99_ms": {"1": 40}},
        "evaluation": {"AUC": {"lower_bound": 0.7}},
        "fairness": {"protected": ["carrier"]},
    }


@pytest.mark.parametrize("text", ["margin=1", "regression.margin", "regression.=1", ".margin=1", "=1", ""])
def test_what_is_no_bound_is_refused(text):
    with pytest.raises(UserError, match=r"`gate\.setting=value`"):
        parse_overrides([text])


@pytest.mark.parametrize("texts", [["a.b=1", "a.b=2"], ["a.b=1", "a.b.c=2"], ["a.b.c=1", "a.b=2"], ['a.b={"c": 1}', "a.b.c=2"]])
def test_a_bound_is_tightened_once(texts):
    with pytest.raises(UserError, match="tightened once"):
        parse_overrides(texts)


def test_both_ways_of_saying_it_are_refused():
    with pytest.raises(UserError, match="not by both"):
        settings_with_overrides(["overrides={}"], ["regression.margin=0"])


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"regression": {"margin": 0.1}}, "may only be lowered"),
        ({"regression": {"confidence": 1.5}}, r"regression\.confidence: at least 0\.5 and less than 1"),
        ({"serving": {"max_p99_ms": {"many": 5}}}, "names batch sizes as whole numbers"),
        ({"evaluation": {"AUC": {"lower_bound": 0.5}}}, "may only be raised"),
    ],
)
def test_overrides_are_checked_before_anything_runs(project_dir, overrides, words):
    with pytest.raises(UserError, match=words):
        check_overrides(load_project(project_dir), overrides)


def test_overrides_that_tighten_are_let_through(project_dir):
    check_overrides(load_project(project_dir), {"evaluation": {"AUC": {"lower_bound": 0.7}}, "serving": {"max_size_mb": 5}})
