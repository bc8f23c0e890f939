import numpy as np
import pytest

from components._shared.gates import Verdict
from components._shared.policy import FairnessGate
from components.evaluate_model.fairness import judge_fairness
from components.evaluate_model.fairness_panels import draw_panels
from components.evaluate_model.group_counts import Counted, Groups

EVEN = (10, 5, 15, 10)  # tp, fp, tn, fn: rates 0.375, 0.5, 0.25


def make_groups(*counts, decision="predictions above 0.5"):
    names = tuple(f"origin={letter}" for letter, _ in zip("ABCDEFGH", counts, strict=False))
    return Groups("origin", decision, names, *np.array(counts, dtype=np.int64).T)


def judge(*counts, size=10, **bounds):
    policy = FairnessGate(protected=("origin",), min_group_size=size, **bounds)
    return judge_fairness(Counted(groups=[make_groups(*counts)]), policy)


def value_of(result, name):
    (found,) = (item.value for item in result.measurements if item.name == f"{name} over origin" and not item.slice)
    return found


def test_equal_groups_pass_every_bound():
    result = judge(
        EVEN,
        (20, 10, 30, 20),
        max_demographic_parity_difference=0,
        min_demographic_parity_ratio=1,
        max_equal_opportunity_difference=0,
        min_equal_opportunity_ratio=1,
        max_equalized_odds_difference=0,
        min_equalized_odds_ratio=1,
    )
    assert result.verdict is Verdict.PASSED
    assert len([item for item in result.measurements if item.passed]) == 6


def test_each_disparity_is_its_formula():
    result = judge(EVEN, (18, 8, 12, 2), max_equalized_odds_difference=1)
    assert value_of(result, "demographic parity difference") == pytest.approx(26 / 40 - 15 / 40)
    assert value_of(result, "demographic parity ratio") == pytest.approx(15 / 26)
    assert value_of(result, "equal opportunity difference") == pytest.approx(0.4)
    assert value_of(result, "equal opportunity ratio") == pytest.approx(0.5 / 0.9)
    assert value_of(result, "equalized odds difference") == pytest.approx(0.4)
    assert value_of(result, "equalized odds ratio") == pytest.approx(0.5 / 0.9)


@pytest.mark.parametrize(
    ("bound", "other"),
    [
        ({"max_demographic_parity_difference": 0.2}, (18, 10, 10, 2)),
        ({"min_demographic_parity_ratio": 0.8}, (18, 10, 10, 2)),
        ({"max_equal_opportunity_difference": 0.2}, (18, 5, 15, 2)),
        ({"min_equal_opportunity_ratio": 0.8}, (18, 5, 15, 2)),
        ({"max_equalized_odds_difference": 0.2}, (18, 5, 15, 2)),
        ({"max_equalized_odds_difference": 0.2}, (10, 15, 5, 10)),
        ({"min_equalized_odds_ratio": 0.8}, (10, 15, 5, 10)),
    ],
)
def test_each_bound_alone_can_say_no(bound, other):
    result = judge(EVEN, other, **bound)
    name = next(iter(bound)).split("_", 1)[1].replace("_", " ")
    assert result.verdict is Verdict.FAILED
    assert result.reason.startswith(f"The {name} over origin is")
    assert "The smaller of both has " in result.reason
    assert "a test on more rows or spans" in result.reason
    assert judge(EVEN, EVEN, **bound).verdict is Verdict.PASSED


def test_a_small_group_whose_rate_may_be_noise_is_shown_and_not_judged():
    result = judge(EVEN, EVEN, (3, 0, 0, 0), max_equal_opportunity_difference=0.2)
    notes = {item.slice: item.note for item in result.measurements if item.name.startswith("true positive rate")}
    assert result.verdict is Verdict.PASSED
    assert notes["origin=C"] == "95 % interval 0.439 to 1; too small to judge: fewer than 10 rows"


@pytest.mark.parametrize("bound", [{"max_demographic_parity_difference": 0.1}, {"min_demographic_parity_ratio": 0.8}])
def test_a_small_group_that_is_unfair_beyond_chance_says_no(bound):
    large = (600, 300, 60, 40)
    result = judge(large, large, (0, 0, 25, 15), size=100, **bound)
    (item,) = (item for item in result.measurements if item.passed is False)
    assert result.verdict is Verdict.FAILED
    assert item.slice in ("origin=A and origin=C", "origin=B and origin=C")
    assert (item.rows, item.value) == (40, pytest.approx(0.9 if "max" in next(iter(bound)) else 0.0))
    assert "beyond chance" in result.reason
    assert "more rows" not in result.reason


def test_two_small_groups_may_prove_it_against_each_other():
    large = (250, 250, 250, 250)
    result = judge(large, large, (20, 20, 0, 0), (0, 0, 20, 20), size=100, max_demographic_parity_difference=0.6)
    assert [item.slice for item in result.measurements if item.passed is False] == ["origin=C and origin=D"]


def test_many_small_fair_groups_seldom_give_a_false_alarm():
    random = np.random.default_rng(4)
    alarms = 0
    for _ in range(200):
        selected = random.binomial([1000, 1000, *[20] * 10], 0.3)
        counts = [(hits, 0, 0, rows - hits) for hits, rows in zip(selected, [1000, 1000, *[20] * 10], strict=True)]
        groups = Groups("origin", "", tuple("abcdefghijkl"), *np.array(counts).T)
        policy = FairnessGate(protected=("origin",), max_demographic_parity_difference=0.07)
        alarms += judge_fairness(Counted(groups=[groups]), policy).verdict is Verdict.FAILED
    assert alarms <= 10


def test_a_group_without_a_favourable_label_has_no_true_positive_rate():
    result = judge(EVEN, EVEN, (0, 5, 15, 0), max_equalized_odds_difference=0.1)
    (item,) = (item for item in result.measurements if item.slice == "origin=C" and item.name.startswith("true"))
    assert (item.value, item.passed, item.note) == (None, None, "not defined: no row has a favourable label")
    assert result.verdict is Verdict.PASSED


@pytest.mark.parametrize("counts", [[EVEN], [EVEN, (3, 0, 0, 0)], [EVEN, (0, 5, 15, 0)]])
def test_fewer_than_two_groups_with_a_rate_cannot_be_compared(counts):
    result = judge(*counts, max_equal_opportunity_difference=0.5)
    assert result.verdict is Verdict.FAILED
    assert "nothing to compare" in result.reason


def test_a_ratio_of_0_over_0_is_no_pass():
    result = judge((0, 0, 15, 10), (0, 0, 15, 10), min_demographic_parity_ratio=0.8)
    assert result.verdict is Verdict.FAILED
    assert "0 over 0" in result.reason


def test_a_bound_that_is_left_out_is_reported():
    result = judge(EVEN, (18, 5, 15, 2), max_demographic_parity_difference=0.5)
    passed = {item.name: item.passed for item in result.measurements if " over " in item.name}
    assert passed["demographic parity difference over origin"] is True
    assert passed["equal opportunity difference over origin"] is None


def test_protected_features_without_a_bound_fail():
    result = judge(EVEN, EVEN)
    assert result.verdict is Verdict.FAILED
    assert "No bound is set" in result.reason


def test_every_decision_is_judged():
    groups = [make_groups(EVEN, EVEN, decision="low"), make_groups(EVEN, (18, 5, 15, 2), decision="high")]
    policy = FairnessGate(protected=("origin",), min_group_size=10, max_equal_opportunity_difference=0.1)
    result = judge_fairness(Counted(groups=groups), policy)
    assert result.reason.startswith("The equal opportunity difference over origin for high is 0.400")


def test_no_protected_feature_is_not_applicable():
    assert judge_fairness(Counted(), FairnessGate()).verdict is Verdict.NOT_APPLICABLE


@pytest.mark.parametrize(
    "counted", [Counted(problem="not countable"), Counted(unsuited={"origin": "not countable"}), Counted()]
)
def test_what_was_not_counted_is_no_pass(counted):
    result = judge_fairness(counted, FairnessGate(protected=("origin",), max_equalized_odds_difference=1))
    assert result.verdict is Verdict.FAILED
    assert "not count" in result.reason


def test_a_panel_holds_a_bar_with_its_interval_for_every_rate():
    policy = FairnessGate(protected=("origin", "other"), min_group_size=25, max_equalized_odds_difference=1)
    counted = Counted(groups=[make_groups(EVEN, (20, 10, 30, 20))], unsuited={"other": "no such column"}, missing={"origin": 7})
    panel, unsuited = draw_panels(counted, policy)
    large, small = panel.groups
    assert (large.name, large.rows, large.precision, large.accuracy) == ("origin=B", 80, pytest.approx(2 / 3), 0.625)
    assert [bar.judged for bar in (*large.bars, *small.bars)] == [True, True, True, True, False, False]
    assert all(bar.lower < bar.value < bar.upper for bar in large.bars)
    assert panel.measurements[-1].value == 7
    assert unsuited.measurements[0].note == "no such column"
