import dataclasses

import pytest

from components._shared.gates import Verdict
from components._shared.label import LabelKind, LabelSpec
from components._shared.policy import ServingGate
from components.validate_serving.job import Measured, Outcome
from components.validate_serving.latency import Latency, Percentile
from components.validate_serving.serving import judge_serving

BOUNDS = ServingGate(max_p99_ms={"1": 10.0}, max_size_mb=5.0)
SEEN = Measured(
    seconds={"import": 2.0, "cold_start": 0.2},
    peak_mb=600.0,
    first_request_ms=9.0,
    warmup_records=3,
    without_optional=9,
)
SOUND = Outcome(measured=SEEN, answers={})
P99 = Percentile(value=3.0, lower=2.5, upper=4.0)
FAST = Latency(batch_size=1, requests=300, p50=P99, p95=P99, p99=P99, worst=4.0)
LATE = LabelSpec(name="late")


def judge(*, outcome=SOUND, latencies=(FAST,), size_mb=1.0, label=LATE, **bounds):
    return judge_serving(dataclasses.replace(BOUNDS, **bounds), label, outcome, list(latencies), size_mb)


def seen(**changes):
    return dataclasses.replace(SOUND, measured=dataclasses.replace(SEEN, **changes))


def test_a_sound_model_passes():
    result = judge()

    assert result.verdict is Verdict.PASSED
    assert all(item.passed is not False for item in result.measurements)


@pytest.mark.parametrize("check", ["loads", "signatures", "warm-up", "answers", "missing values", "latency"])
def test_a_problem_in_any_check_fails(check):
    result = judge(outcome=seen(problems={check: ["It broke."]}))

    assert result.verdict is Verdict.FAILED
    assert "It broke." in result.reason


@pytest.mark.parametrize("numbers", [{"non_finite": {"examples": 2}}, {"invalid": {"serving_default": 1}}])
def test_bad_numbers_fail(numbers):
    assert judge(outcome=seen(**numbers)).verdict is Verdict.FAILED


def test_a_model_that_is_too_large_fails():
    result = judge(size_mb=5.01)

    assert result.verdict is Verdict.FAILED
    assert result.reason == "megabytes on disk: 5.01; at most 5 is allowed."


@pytest.mark.parametrize(("upper", "verdict"), [(10.0, Verdict.PASSED), (10.1, Verdict.FAILED), (None, Verdict.FAILED)])
def test_the_upper_limit_of_p99_is_judged(upper, verdict):
    result = judge(latencies=[dataclasses.replace(FAST, p99=Percentile(value=3.0, lower=2.5, upper=upper))])

    assert result.verdict is verdict
    assert upper is None or verdict is Verdict.PASSED or result.reason.endswith("upper limit: 10.1; at most 10 is allowed.")


def test_a_batch_size_without_a_bound_is_told_only():
    slow = dataclasses.replace(FAST, batch_size=128, p99=Percentile(value=99.0, lower=90.0, upper=None))
    item = judge(latencies=[FAST, slow]).measurements[-1]

    assert (item.name, item.value, item.passed) == ("p99_ms at batch 128, upper limit", None, None)
    assert "no upper limit" in item.note


@pytest.mark.parametrize(
    ("bounds", "verdict"),
    [
        ({"max_cold_start_s": 0.2, "max_memory_mb": 600}, Verdict.PASSED),
        ({"max_cold_start_s": 0.1}, Verdict.FAILED),
        ({"max_memory_mb": 599}, Verdict.FAILED),
    ],
)
def test_cold_start_and_memory_are_judged_where_a_bound_is_given(bounds, verdict):
    assert judge(**bounds).verdict is verdict


@pytest.mark.parametrize("bounds", [{"max_cold_start_s": 9}, {"max_memory_mb": 9000}])
def test_what_was_not_measured_is_within_no_bound(bounds):
    nothing = seen(seconds={}, peak_mb=None)

    assert judge(outcome=nothing).verdict is Verdict.PASSED
    assert judge(outcome=nothing, **bounds).verdict is Verdict.FAILED


def test_a_numeric_label_has_no_range():
    names = [item.name for item in judge(label=LabelSpec(name="price", kind=LabelKind.NUMERIC)).measurements]

    assert not any("[0, 1]" in name for name in names)
    assert any("[0, 1]" in item.name for item in judge().measurements)


def test_latencies_are_listed_by_batch_size():
    bounds = ServingGate(max_p99_ms={"128": 99.0, "16": 60.0, "2": 50.0})
    names = [item.name for item in judge_serving(bounds, LATE, SOUND, [], 1.0).measurements if "batch" in item.name]

    assert names == [f"p99_ms at batch {size}, upper limit" for size in (2, 16, 128)]


def test_a_latency_that_was_not_measured_fails():
    assert judge(latencies=[]).verdict is Verdict.FAILED


def test_a_server_that_could_not_be_asked_fails_with_the_reason():
    result = judge(outcome=Outcome(measured=None, answers={}, failure="The server cannot be started."))

    assert result.verdict is Verdict.FAILED
    assert result.reason == "The server cannot be started."


def test_what_was_not_tried_because_the_model_does_not_load_is_not_passed():
    result = judge(outcome=seen(problems={"loads": ["No such file."]}))

    assert next(item for item in result.measurements if item.name == "warm-up requests answered").passed is False


def test_a_server_that_was_lost_fails_with_how_it_was():
    result = judge(outcome=seen(lost="The server was ended by signal 9. It was asked for: transform."))

    assert result.verdict is Verdict.FAILED
    assert result.reason == "The server was ended by signal 9. It was asked for: transform."
