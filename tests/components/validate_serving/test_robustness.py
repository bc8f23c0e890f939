"""Each probe says no to a model that breaks exactly there, asked by the stage's own code of a server in this process."""

import re

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from components._data.schema import read_schema
from components._shared.gates import Verdict
from components._shared.policy import RobustnessGate
from components.validate_serving.job import Job, Measured, Outcome
from components.validate_serving.perturbations import perturb, plan_probes
from components.validate_serving.robustness import UNCHANGED, judge_robustness, probe_key
from components.validate_serving.stress import ask_probes

NAN, INFINITY = float("nan"), float("inf")
OPTIONAL = "presence { min_fraction: 0.5 } value_count { min: 1 max: 1 }"
INTEGERS = "feature { name: 'n' type: INT presence { min_fraction: 1.0 } shape {} int_domain { min: 0 max: 12 } }"


@pytest.fixture
def judge(kit, project, tmp_path):
    """Returns a function that asks a model, given as a function of raw tensors, and judges the answers."""

    def run(predict, predict_examples=None, *, table=None, schema="", label=kit.LATE, labels=(-1e6, 1e6), **bounds):
        schema_file = tmp_path / "schema" / "schema.pbtxt"
        schema_file.write_text(schema or kit.SCHEMA)
        gate, known = RobustnessGate(**bounds), read_schema(schema_file)
        model = kit.export(tmp_path / "model", predict, predict_examples, label=label)
        table = (kit.rows_table() if table is None else table).drop(["late"])
        task = Job(
            model="",
            schema=known,
            label=label,
            interface=kit.own(label),
            batch_sizes=(),
            requests=1,
            timeout_seconds=1,
            robustness=gate,
        )
        seen, answers = Measured(), {}
        with kit.served(model) as client:
            ask_probes(client, task, table, seen, answers)
        return judge_robustness(gate, label, Outcome(measured=seen, answers=answers), table, known, labels)

    return run


def failed(found):
    return {item.name.rpartition(":")[0]: item for item in found.result.measurements if item.passed is False}


def test_a_sound_model_passes_and_permutation_is_only_told(kit, judge):
    found = judge(kit.good)

    assert (found.result.verdict, found.broken) == (Verdict.PASSED, [])
    kinds = {item.name: item for item in found.result.measurements}
    assert kinds["origin, permuted among rows: mean change"].passed is None
    assert kinds["seats, missing, as tf.Example: answers that are not a probability in [0, 1]"].passed
    assert "40 test rows" in found.result.reason


def where(condition, value):
    """Returns a model that gives `value` where the condition on raw tensors holds, else one half."""
    return lambda raw: tf.where(condition(raw), value, tf.fill(tf.shape(raw["hour"]), 0.5))


def long(raw):
    return tf.strings.length(raw["origin"]) > 100


@pytest.mark.parametrize(
    ("condition", "value", "probe"),
    [
        (lambda raw: tf.strings.regex_full_match(raw["origin"], "(?s).*never seen.*"), NAN, "origin, unseen category"),
        (lambda raw: raw["origin"] == "", INFINITY, "origin, empty string"),
        (long, 1.5, "origin, very long text"),
        (lambda raw: tf.strings.regex_full_match(raw["origin"], "(?s)Zürich 東.*"), -0.1, "origin, Unicode"),
        (lambda raw: tf.strings.substr(raw["origin"], 0, 1) == b"\xff", NAN, "origin, bytes that are no UTF-8"),
        (lambda raw: raw["hour"] < tf.int64.min + 2, NAN, "hour, the least integer"),
        (lambda raw: raw["hour"] == tf.int64.max, NAN, "hour, the greatest integer"),
        (lambda raw: raw["seats"] == 0, NAN, "seats, zero"),
        (lambda raw: raw["seats"] == INFINITY, NAN, "seats, infinity"),
        (lambda raw: raw["seats"] == -INFINITY, NAN, "seats, -infinity"),
        (lambda raw: (raw["seats"] >= 9e29) & (raw["seats"] < INFINITY), 2.0, "seats, 1e30"),
        (lambda raw: (raw["seats"] <= -9e29) & (raw["seats"] > -INFINITY), 2.0, "seats, -1e30"),
    ],
)
def test_a_probe_says_no(judge, condition, value, probe):
    found = judge(where(condition, value))

    assert found.result.verdict is Verdict.FAILED
    assert set(failed(found)) == {probe}
    assert probe in found.result.reason
    assert (found.broken[0]["probe"], found.broken[0]["before"]) == (probe, 0.5)
    assert len(found.broken[0]["values"]["origin"]) <= 60


def test_negative_numbers_say_no(judge):
    negative = where(lambda raw: (raw["hour"] < 0) & (raw["hour"] >= -40), NAN)

    assert set(failed(judge(negative))) >= {"hour, negative"}


def test_a_missing_value_says_no_either_way(kit, judge):
    present = kit.rows_table().filter(pa.compute.is_valid(kit.rows_table()["seats"]))
    broken = where(lambda raw: tf.math.is_nan(raw["seats"]), NAN)

    raw, serialized = judge(broken, kit.good, table=present), judge(kit.good, broken, table=present)

    assert set(failed(raw)) == {"seats, missing, as raw tensors", "seats, NaN"}
    assert set(failed(serialized)) == {"seats, missing, as tf.Example"}


@pytest.mark.parametrize(("judged", "verdict"), [(False, Verdict.PASSED), (True, Verdict.FAILED)])
def test_nan_in_a_required_feature_is_judged_when_asked_for(kit, judge, judged, verdict):
    schema = kit.SCHEMA.replace(OPTIONAL, "presence { min_fraction: 1.0 } shape {}")
    table = kit.rows_table().filter(pa.compute.is_valid(kit.rows_table()["seats"]))

    broken = where(lambda raw: tf.math.is_nan(raw["seats"]), NAN)
    found = judge(broken, kit.good, table=table, schema=schema, required_nan_must_be_finite=judged)

    assert found.result.verdict is verdict
    item = next(item for item in found.result.measurements if item.name.startswith("seats, NaN"))
    assert (item.value, item.passed) == (len(table), False if judged else None)


def test_a_required_feature_that_is_missing_may_be_refused(kit, judge):
    kinds = {item.name: item for item in judge(kit.good).result.measurements}

    item = kinds["origin, missing, as tf.Example: answers that are not a probability in [0, 1]"]
    assert item.passed
    assert item.note.startswith("refused, as a required feature may be: INVALID_ARGUMENT")


def test_a_required_feature_that_is_missing_is_not_answered_with_nonsense(kit, judge):
    schema = kit.SCHEMA.replace(OPTIONAL, "presence { min_fraction: 1.0 } shape {}")
    table = kit.rows_table().filter(pa.compute.is_valid(kit.rows_table()["seats"]))

    found = judge(where(lambda raw: tf.math.is_nan(raw["seats"]), NAN), table=table, schema=schema)

    assert set(failed(found)) == {"seats, missing, as tf.Example"}


def test_permuted_values_are_judged_by_their_validity(kit, judge):
    """Seats and hours belong together in these rows, so only permuted ones come apart."""
    apart = where(lambda raw: tf.abs(tf.cast(raw["hour"], tf.float32) - raw["seats"]) > 2, NAN)
    table = kit.rows_table()
    found = judge(apart, table=table.set_column(2, "seats", table["hour"].cast(pa.float32())), noise=0.0)

    assert {"hour, permuted among rows", "seats, permuted among rows"} <= set(failed(found))


def test_a_prediction_that_jumps_under_noise_says_no(judge):
    found = judge(lambda raw: tf.cast(raw["hour"] % 2, tf.float32), noise=0.5)

    assert {item.name for item in found.result.measurements if item.passed is False} == {
        f"{what}, noise of 0.5 standard deviations: {measure}"
        for what in ("hour", "all numbers")
        for measure in ("mean change", "99th percentile of the change")
    }
    assert re.search(
        "hour, noise of 0.5 standard deviations: mean change is 0.[3-7].*; at most 0.05 is allowed", found.result.reason
    )
    assert found.broken[0]["values"]["hour"] != str(found.broken[0]["row"])


def test_few_rows_that_jump_say_no_by_the_percentile(judge):
    jumps = where(lambda raw: (raw["seats"] > 39.1001) & (raw["seats"] < 50), 1.0)

    kind = "noise of 0.1 standard deviations"
    assert set(failed(judge(jumps, noise=0.1, max_mean_change=0.1))) == {f"seats, {kind}", f"all numbers, {kind}"}


def test_a_model_that_raises_on_one_value_fails_that_probe_alone(judge):
    def raises(raw):
        with tf.control_dependencies([tf.debugging.assert_less(tf.strings.length(raw["origin"]), 100)]):
            return tf.cast(raw["hour"], tf.float32) * 0

    found = judge(raises)

    assert [item.name for item in found.result.measurements if item.passed is False] == ["origin, very long text"]
    assert "INVALID_ARGUMENT" in found.result.reason


def test_a_model_that_answers_nothing_fails(judge):
    found = judge(lambda raw: tf.zeros([1]))

    assert found.result.verdict is Verdict.FAILED
    assert "did not answer the unchanged rows" in found.result.reason


def perturb_whole_numbers(tmp_path, noise):
    (tmp_path / "schema.pbtxt").write_text(INTEGERS)
    schema, table = read_schema(tmp_path / "schema.pbtxt"), pa.table({"n": pa.array([0, 12, 5, None] * 50, pa.int64())})
    bounds = RobustnessGate(noise=noise)
    probes = plan_probes(schema, bounds)
    probe = next(probe for probe in probes if probe.change == "noise")
    kinds = {probe.kind: probe.value for probe in probes}
    assert (kinds["the schema's minimum"], kinds["the schema's maximum"]) == (0, 12)
    return [perturb(table, probe, schema, bounds)["n"].to_pylist() for _ in range(2)]


def test_noise_moves_whole_numbers_to_near_ones_and_stays_in_the_domain(tmp_path):
    """The standard deviation of the numbers is 4.9."""
    first, again = perturb_whole_numbers(tmp_path, noise=0.2)

    assert first == again
    assert [set(first[start::4]) for start in range(4)] == [{0, 1}, {11, 12}, {4, 5, 6}, {None}]


def test_noise_that_moves_no_whole_number_is_not_judged(tmp_path, judge):
    assert set(perturb_whole_numbers(tmp_path, noise=0.05)[0]) == {0, 12, 5, None}

    found = judge(lambda raw: tf.cast(raw["hour"] % 2, tf.float32), noise=0.01)

    (hour,) = (item for item in found.result.measurements if item.name.startswith("hour, noise"))
    assert (hour.passed, hour.value) == (None, None)
    assert "moves no whole number" in hour.note


def test_a_sound_classifier_passes(kit, judge):
    found = judge(lambda raw: kit.species(kit.near(raw)), label=kit.SPECIES)

    assert found.result.verdict is Verdict.PASSED


def test_a_number_beyond_the_widened_range_of_the_label_says_no(kit, judge):
    """The price is linear in the seats and the hour: it leaves any range where one of both is extreme."""
    found = judge(kit.price, label=kit.PRICE)

    extremes = {"seats, 1e30", "seats, -1e30", "hour, the least integer", "hour, the greatest integer"}
    assert set(failed(found)) == {"seats, infinity", "seats, -infinity", *extremes}
    rule = "the labels of the test split go from -1e+06 to 1e+06, and 10 times that width is allowed beyond"
    assert failed(found)["seats, 1e30"].note == f"40 of 40 rows not a number from -2.1e+07 to 2.1e+07, {rule}"


@pytest.mark.parametrize(("factor", "verdict"), [(3.0, Verdict.PASSED), (2.99, Verdict.FAILED)])
def test_the_range_is_widened_by_the_factor_and_its_end_is_within(kit, judge, factor, verdict):
    sevens = judge(lambda raw: tf.fill(tf.shape(raw["hour"]), 7.0), label=kit.PRICE, labels=(-1, 1), max_range_factor=factor)

    assert sevens.result.verdict is verdict


def test_a_numeric_label_without_a_range_says_no(kit, judge):
    found = judge(lambda raw: tf.fill(tf.shape(raw["hour"]), 7.0), label=kit.PRICE, labels=None)

    assert found.result.verdict is Verdict.FAILED
    assert "no finite label" in found.result.reason


def test_probabilities_that_do_not_sum_to_one_say_no(kit, judge):
    def half(raw):
        probabilities = kit.species(kit.near(raw))
        return tf.where((raw["seats"] == 0)[:, tf.newaxis], probabilities / 2, probabilities)

    found = judge(half, label=kit.SPECIES)

    assert set(failed(found)) == {"seats, zero"}
    assert "40 of 40 rows not probabilities in [0, 1] that sum to 1" in found.result.reason
    assert found.broken[0]["class"] in kit.SPECIES.classes


def test_one_class_that_jumps_under_noise_says_no(kit, judge):
    def jumps(raw):
        odd = tf.cast(raw["hour"] % 2, tf.float32)
        return tf.stack([odd / 2, (1 - odd) / 2, tf.fill(tf.shape(odd), 0.5)], axis=1)

    found = judge(jumps, label=kit.SPECIES, noise=0.5)

    assert re.search("hour, noise of 0.5 standard deviations: mean change is 0.[1-4]", found.result.reason)
    assert found.broken[0]["class"] in {"Adelie", "Chinstrap"}


def test_a_number_moves_in_standard_deviations_of_the_predictions(kit, judge):
    def far(raw):
        return 1e6 * tf.cast(raw["hour"] % 2, tf.float32)

    found = judge(far, label=kit.PRICE, noise=0.5)

    mean = next(item for item in found.result.measurements if item.name.startswith("hour, noise") and "mean" in item.name)
    assert (0.5 < mean.value < 1.5, mean.passed) == (True, False)
    assert mean.name.endswith("in standard deviations of the predictions")


def test_a_constant_number_is_stable(kit, judge):
    assert judge(lambda raw: tf.fill(tf.shape(raw["hour"]), 7.0), label=kit.PRICE).result.verdict is Verdict.PASSED


def test_a_probe_that_ends_the_server_says_no_even_where_its_answer_would_not_be_judged(kit, tmp_path):
    (tmp_path / "schema.pbtxt").write_text("feature { name: 'x' type: FLOAT presence { min_fraction: 1.0 } shape {} }")
    schema, table = read_schema(tmp_path / "schema.pbtxt"), pa.table({"x": pa.array([1.0, 2.0], pa.float32())})
    probes = plan_probes(schema, RobustnessGate())
    ends = next(index for index, probe in enumerate(probes) if probe.kind == "NaN")
    answers = {UNCHANGED: np.array([0.5, 0.5]), **{probe_key(i): np.array([0.5, 0.5]) for i in range(len(probes)) if i != ends}}
    lost = "The server was ended by signal 8."
    seen = Measured(lost=lost, unanswered={probe_key(ends): lost})

    found = judge_robustness(RobustnessGate(), kit.LATE, Outcome(measured=seen, answers=answers), table, schema)

    assert not probes[ends].judged
    assert found.result.reason == f"x, NaN: {lost}"
