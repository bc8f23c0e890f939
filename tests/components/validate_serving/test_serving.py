import dataclasses

import pytest

from components._shared.gates import Verdict
from components._shared.policy import ServingGate
from components.validate_serving.client import Outcome
from components.validate_serving.job import Measured
from components.validate_serving.latency import Latency
from components.validate_serving.serving import judge_serving

BOUNDS = ServingGate(max_p99_ms={"1": 10.0}, max_size_mb=5.0)
SEEN = Measured(seconds={"load": 0.1}, memory={"peak_mb": 600.0}, first_request_ms=9.0, warmup_records=3, without_optional=9)
SOUND = Outcome(measured=SEEN, answers={})
FAST = Latency(batch_size=1, requests=300, p50=1.0, p95=2.0, p99=3.0, worst=4.0, p99_lower=2.5, p99_upper=4.0)


def judge(*, outcome=SOUND, latencies=(FAST,), size_mb=1.0):
    return judge_serving(BOUNDS, outcome, list(latencies), size_mb)


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


@pytest.mark.parametrize("numbers", [{"non_finite": {"examples": 2}}, {"out_of_range": {"serving_default": 1}}])
def test_bad_numbers_fail(numbers):
    assert judge(outcome=seen(**numbers)).verdict is Verdict.FAILED


def test_a_model_that_is_too_large_fails():
    result = judge(size_mb=5.01)

    assert result.verdict is Verdict.FAILED
    assert result.reason == "megabytes on disk: 5.01; at most 5 is allowed."


def test_a_slow_model_fails():
    result = judge(latencies=[dataclasses.replace(FAST, p99=10.1)])

    assert result.verdict is Verdict.FAILED
    assert result.reason == "p99_ms at batch 1: 10.1; at most 10 is allowed."


def test_latencies_are_listed_by_batch_size():
    bounds = ServingGate(max_p99_ms={"128": 99.0, "16": 60.0, "2": 50.0})
    names = [item.name for item in judge_serving(bounds, SOUND, [], 1.0).measurements if "batch" in item.name]

    assert names == ["p99_ms at batch 2", "p99_ms at batch 16", "p99_ms at batch 128"]


def test_a_latency_that_was_not_measured_fails():
    assert judge(latencies=[]).verdict is Verdict.FAILED


def test_a_process_that_died_fails_with_its_reason():
    result = judge(outcome=Outcome(measured=None, answers={}, failure="The fresh process was ended by signal 9."))

    assert result.verdict is Verdict.FAILED
    assert result.reason == "The fresh process was ended by signal 9."


def test_what_was_not_tried_because_the_model_does_not_load_is_not_passed():
    result = judge(outcome=seen(problems={"loads": ["No such file."]}))

    assert next(item for item in result.measurements if item.name == "warm-up requests answered").passed is False
