"""What is asked of a server, of one in this process."""

import pyarrow as pa
import pytest
import tensorflow as tf

from components._data.schema import read_schema
from components._shared.policy import ParityGate
from components.validate_serving.job import Job, Measured, Samples
from components.validate_serving.probes import ask_everything
from components.validate_serving.transform_parity import judge_transform


@pytest.fixture
def ask_all(kit, project):
    """Returns a function that asks a model everything: what was seen, the answers, the transformed rows."""

    def run(model, rows=None, label=None):
        rows = kit.rows_table() if rows is None else rows
        samples = Samples(rows=rows, to_transform=kit.rows_table(), robustness=rows, rules=rows)
        task = Job(
            model=str(model / "Format-Serving"),
            schema=read_schema(project["schema"]),
            label=label or kit.LATE,
            interface=kit.own(label or kit.LATE),
            batch_sizes=(1,),
            requests=3,
            timeout_seconds=60,
        )
        seen = Measured()
        with kit.served(model) as client:
            return seen, *ask_everything(client, task, samples, seen, lambda: 100.0)

    return run


@pytest.fixture
def ask(ask_all):
    return lambda *args, **kwargs: ask_all(*args, **kwargs)[0]


def test_a_sound_model_has_no_problems(ask, good_model):
    seen = ask(good_model)

    assert seen.problems == {}
    assert (seen.warmup_records, seen.without_optional) == (1, 40)
    assert seen.signatures["serving_default"]["inputs"]["hour"] == "int64 [None]"


@pytest.mark.parametrize("name", ["examples", "transform_features"])
def test_a_missing_signature_is_a_problem(kit, ask, tmp_path, name):
    seen = ask(kit.export(tmp_path / "model", leave_out=name))

    assert f"The model has no signature '{name}'." in seen.problems["signatures"]
    assert seen.problems["answers"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (tf.TensorSpec([None], tf.int32, name="hour"), "is int32; the schema asks for int64"),
        (tf.TensorSpec([8], tf.int64, name="hour"), "a batch of any size"),
        (tf.TensorSpec([None, 1], tf.int64, name="hour"), "a batch of any size"),
    ],
)
def test_an_input_of_another_kind_is_a_problem(kit, ask, tmp_path, spec, words):
    model = kit.export(tmp_path / "model", lambda raw: raw["seats"] * 0, kit.good, raw={**kit.RAW, "hour": spec}, warmup=False)

    assert any(words in problem for problem in ask(model).problems["signatures"])


def test_an_input_that_the_schema_does_not_know_is_a_problem(kit, ask, tmp_path):
    raw = {**kit.RAW, "weather": tf.TensorSpec([None], tf.string, name="weather")}

    seen = ask(kit.export(tmp_path / "model", raw=raw, warmup=False))

    assert "serving_default: the input 'weather' is no feature of the schema." in seen.problems["signatures"]


def test_a_feature_that_the_model_does_not_take_is_a_problem(kit, ask, tmp_path):
    raw = {name: spec for name, spec in kit.RAW.items() if name != "origin"}

    seen = ask(kit.export(tmp_path / "model", lambda raw: tf.sigmoid(raw["seats"]), kit.good, raw=raw, warmup=False))

    assert "serving_default: the input 'origin' is missing." in seen.problems["signatures"]


def test_numbers_that_are_not_finite_are_counted(kit, ask, tmp_path):
    seen = ask(kit.export(tmp_path / "model", lambda raw: tf.sqrt(20.0 - tf.cast(raw["hour"], tf.float32)) / 9, kit.good))

    assert seen.non_finite["serving_default"] == 19
    assert seen.non_finite["JSON"] == 19
    assert seen.non_finite["examples"] == 0


def test_probabilities_outside_their_range_are_counted(kit, ask, tmp_path):
    seen = ask(kit.export(tmp_path / "model", kit.good, lambda raw: tf.cast(raw["hour"], tf.float32) / 38))

    assert seen.invalid["examples"] == 1


def test_missing_values_that_break_the_model_are_noticed(kit, ask, tmp_path):
    seen = ask(kit.export(tmp_path / "model", lambda raw: tf.where(raw["seats"] > 0, 0.5, raw["seats"])))

    assert seen.non_finite["without optional features"] == 2 * 40


def test_a_column_of_another_type_is_a_problem_that_names_it(kit, ask, good_model):
    rows = kit.rows_table()
    texts = pa.array([str(hour) for hour in rows["hour"].to_pylist()])

    seen = ask(good_model, rows.set_column(1, "hour", texts))

    assert "'hour'" in seen.problems["answers"][0]


def test_predictions_of_another_shape_are_a_problem(kit, ask, tmp_path):
    seen = ask(kit.export(tmp_path / "model", lambda raw: kit.good(raw)[:, tf.newaxis]))

    assert any("of shape [40, 1] for 40 rows" in problem for problem in seen.problems["answers"])


def test_a_model_that_raises_is_a_problem(kit, ask, tmp_path):
    def raises(raw):
        with tf.control_dependencies([tf.debugging.assert_less(raw["hour"], tf.constant(30, tf.int64))]):
            return kit.good(raw)

    seen = ask(kit.export(tmp_path / "model", raises))

    assert any(problem.startswith("INVALID_ARGUMENT") for problem in seen.problems["answers"])
    assert seen.first_request_ms > 0


@pytest.mark.parametrize(
    ("records", "words"),
    [(None, "is missing"), ([], "Received: 0"), ([b""], "is a predict_log")],
)
def test_warmup_requests_that_a_server_does_not_play_are_a_problem(kit, ask, tmp_path, records, words):
    model = kit.export(tmp_path / "model", warmup=False)
    if records is not None:
        kit.write_warmup(model / "Format-Serving", records)

    (problem,) = ask(model).problems["warm-up"]
    assert words in problem
    assert not problem.startswith("ValueError")


def test_the_model_transforms_rows_as_training_did(kit, ask_all, good_model, project):
    _, _, served, _ = ask_all(good_model)
    folder = project["transformed_examples"]
    assert judge_transform(ParityGate(), kit.LATE, served, folder, kit.rows_table(), rows=40).passed


def test_a_transform_of_another_shape_is_a_problem(kit, ask_all, tmp_path):
    seen, _, transformed, _ = ask_all(
        kit.export(tmp_path / "model", transform=lambda raw: {"all": tf.reduce_sum(raw["seats"])})
    )

    assert seen.problems["transform"] == ["transform_features gives 'all' of shape [] for 40 rows."]
    assert transformed is None


def test_a_label_of_another_kind_is_a_problem(kit, ask, good_model):
    seen = ask(good_model, label=kit.PRICE)

    assert "serving_default: the output 'prediction' of dtype float32 is missing." in seen.problems["signatures"]
    assert seen.problems["answers"]


def test_probabilities_that_do_not_sum_to_one_are_counted(kit, ask, tmp_path):
    def half(raw):
        return kit.species(raw) / tf.where(raw["hour"] == 3, 2.0, 1.0)[:, tf.newaxis]

    seen = ask(kit.export(tmp_path / "model", half, label=kit.SPECIES), label=kit.SPECIES)

    assert seen.invalid["examples"] == 1
