import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components._shared.policy import ParityGate
from components.validate_serving import job
from components.validate_serving.job import Job
from components.validate_serving.probes import probe
from components.validate_serving.transform_parity import judge_transform


@pytest.fixture
def ask(kit, project, tmp_path):
    """Returns a function that probes a model in this process."""

    def run(model, rows=None, label=None):
        pq.write_table(rows or kit.rows_table(), tmp_path / job.ROWS_FILE)
        pq.write_table(kit.rows_table(), tmp_path / job.TO_TRANSFORM_FILE)
        task = Job(
            model=str(model / "Format-Serving"),
            schema=project["schema"],
            label=label or kit.LATE,
            batch_sizes=(1,),
            requests=3,
            timeout_seconds=60,
        )
        return probe(task, tmp_path)

    return run


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


def test_a_model_without_its_main_signature_does_not_load(kit, ask, tmp_path):
    assert "loads" in ask(kit.export(tmp_path / "model", leave_out="serving_default")).problems


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (tf.TensorSpec([None], tf.int32, name="hour"), "is int32; the schema asks for int64"),
        (tf.TensorSpec([8], tf.int64, name="hour"), "a batch of any size"),
        (tf.TensorSpec([None, 1], tf.int64, name="hour"), "a batch of any size"),
    ],
)
def test_an_input_of_another_kind_is_a_problem(kit, ask, tmp_path, spec, words):
    model = kit.export(tmp_path / "model", lambda raw: raw["seats"] * 0, kit.good, raw={**kit.RAW, "hour": spec})

    assert any(words in problem for problem in ask(model).problems["signatures"])


def test_an_input_that_the_schema_does_not_know_is_a_problem(kit, ask, tmp_path):
    raw = {**kit.RAW, "weather": tf.TensorSpec([None], tf.string, name="weather")}

    seen = ask(kit.export(tmp_path / "model", raw=raw))

    assert "serving_default: the input 'weather' is no feature of the schema." in seen.problems["signatures"]


def test_a_feature_that_the_model_does_not_take_is_a_problem(kit, ask, tmp_path):
    raw = {name: spec for name, spec in kit.RAW.items() if name != "origin"}

    seen = ask(kit.export(tmp_path / "model", lambda raw: tf.sigmoid(raw["seats"]), kit.good, raw=raw))

    assert "serving_default: the input 'origin' is missing." in seen.problems["signatures"]


def test_numbers_that_are_not_finite_are_counted(kit, ask, tmp_path):
    seen = ask(kit.export(tmp_path / "model", lambda raw: tf.sqrt(20.0 - tf.cast(raw["hour"], tf.float32)) / 9, kit.good))

    assert seen.non_finite["serving_default"] == 2 * 19  # as raw tensors and as JSON
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

    assert any("InvalidArgumentError" in problem for problem in seen.problems["answers"])
    assert seen.first_request_ms > 0


def write_nothing(kit, folder):
    kit.write_warmup(folder, [])


def write_compressed(kit, folder):
    kit.write_warmup(folder, [kit.warmup_record()], "GZIP")


def write_too_many(kit, folder):
    kit.write_warmup(folder, [kit.warmup_record()] * 1001)


def write_noise(kit, folder):
    kit.write_warmup(folder, [b"\xff\xff noise"])


def write_other_kind(kit, folder):
    kit.write_warmup(folder, [b""])


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (None, "is missing"),
        (write_nothing, "Received: 0"),
        (write_compressed, "uncompressed TFRecord"),
        (write_too_many, "1 to 1000 records. Received: more"),
        (write_noise, "PredictionLogs"),
        (write_other_kind, "is a predict_log"),
    ],
)
def test_warmup_requests_that_a_server_would_not_play_are_a_problem(kit, ask, tmp_path, write, words):
    model = kit.export(tmp_path / "model", warmup=False)
    if write:
        write(kit, model / "Format-Serving")

    (problem,) = ask(model).problems["warm-up"]
    assert words in problem
    assert not problem.startswith("ValueError")


@pytest.mark.parametrize("damage", ["saved_model.pb", "variables"])
def test_a_model_without_its_parts_does_not_load(kit, ask, tmp_path, damage):
    import shutil

    model = kit.export(tmp_path / "model")
    part = model / "Format-Serving" / damage
    shutil.rmtree(part) if part.is_dir() else part.unlink()

    assert "loads" in ask(model).problems


def test_the_model_transforms_rows_as_training_did(kit, ask, good_model, project, tmp_path):
    ask(good_model)

    served, folder = pq.read_table(tmp_path / job.TRANSFORMED_FILE), project["transformed_examples"]
    assert judge_transform(ParityGate(), kit.LATE, served, folder, kit.rows_table(), rows=40).passed


def test_a_transform_of_another_shape_is_a_problem(kit, ask, tmp_path):
    seen = ask(kit.export(tmp_path / "model", transform=lambda raw: {"all": tf.reduce_sum(raw["seats"])}))

    assert seen.problems["transform"] == ["transform_features gives 'all' of shape [] for 40 rows."]
    assert not (tmp_path / job.TRANSFORMED_FILE).exists()


def test_a_label_of_another_kind_is_a_problem(kit, ask, good_model):
    seen = ask(good_model, label=kit.PRICE)

    assert "serving_default: the output 'prediction' of dtype float32 is missing." in seen.problems["signatures"]
    assert seen.problems["answers"]


def test_probabilities_that_do_not_sum_to_one_are_counted(kit, ask, tmp_path):
    def half(raw):
        return kit.species(raw) / tf.where(raw["hour"] == 3, 2.0, 1.0)[:, tf.newaxis]

    seen = ask(kit.export(tmp_path / "model", half, label=kit.SPECIES), label=kit.SPECIES)

    assert seen.invalid["examples"] == 1


def test_memory_and_cold_start_are_of_the_model(ask, good_model):
    seen = ask(good_model)

    assert seen.memory["added_mb"] == seen.memory["peak_mb"] - seen.memory["before_load_mb"]
    assert seen.seconds["load"] < seen.seconds["cold_start"] < seen.seconds["load"] + seen.first_request_ms / 1000 + 0.5
