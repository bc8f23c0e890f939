import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components._shared.gates import Evidence, Verdict
from components._shared.label import LabelSpec
from components._shared.policy import ParityGate
from components.validate_serving import job
from components.validate_serving.parity import NoPredictionsError, judge_parity, read_predictions

BOUNDS = ParityGate(tolerance=0.01)
LATE = LabelSpec(name="late")
RAW, REST, EXAMPLES = job.ANSWERS


def evidence_of(model):
    from components._shared.digest import digest_model

    return Evidence(
        model_digest=digest_model(model / "Format-Serving"),
        data_version="sha256:data",
        policy_hash="sha256:policy",
        baseline_version="",
    )


def agree(kit):
    predictions = kit.expected().astype(np.float64)
    return predictions, dict.fromkeys(job.ANSWERS, predictions.copy())


def test_equal_answers_pass(kit):
    predictions, answers = agree(kit)

    assert (
        judge_parity(BOUNDS, kit.LATE, predictions, answers, kit.rows_table(), regroup=False).result.verdict is Verdict.PASSED
    )


@pytest.mark.parametrize("way", job.ANSWERS)
def test_one_row_through_one_way_fails(kit, way):
    predictions, answers = agree(kit)
    answers[way] = predictions + np.where(np.arange(len(predictions)) == 7, 0.02, 0)

    found = judge_parity(BOUNDS, kit.LATE, predictions, answers, kit.rows_table(), regroup=False)

    assert found.result.verdict is Verdict.FAILED
    assert "1 of 40 rows" in found.result.reason
    assert (found.worst[0]["row"], found.worst[0]["values"]["hour"]) == (7, "7")


def test_a_difference_of_the_tolerance_passes_and_beyond_fails(kit):
    predictions = np.zeros(40)
    exact, beyond = (dict.fromkeys(job.ANSWERS, predictions + shift) for shift in (0.01, np.nextafter(0.01, 1)))

    assert judge_parity(BOUNDS, kit.LATE, predictions, exact, kit.rows_table(), regroup=False).result.verdict is Verdict.PASSED
    assert judge_parity(BOUNDS, kit.LATE, predictions, beyond, kit.rows_table(), regroup=False).result.verdict is Verdict.FAILED


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_fails_and_comes_first(kit, value):
    predictions, answers = agree(kit)
    answers[EXAMPLES] = np.where(np.arange(40) == 3, value, predictions)

    found = judge_parity(BOUNDS, kit.LATE, predictions, answers, kit.rows_table(), regroup=False)

    assert found.result.verdict is Verdict.FAILED
    assert (found.worst[0]["row"], found.worst[0]["answers"][EXAMPLES]) == (3, None)


def test_an_evaluation_without_a_number_fails(kit):
    predictions, answers = agree(kit)
    predictions[0] = np.nan

    assert (
        judge_parity(BOUNDS, kit.LATE, predictions, answers, kit.rows_table(), regroup=False).result.verdict is Verdict.FAILED
    )


@pytest.mark.parametrize("way", job.ANSWERS)
def test_a_way_without_answers_fails(kit, way):
    predictions, answers = agree(kit)
    del answers[way]

    result = judge_parity(BOUNDS, kit.LATE, predictions, answers, kit.rows_table(), regroup=False).result

    assert result.verdict is Verdict.FAILED
    assert job.ANSWERS[way] in result.reason


def test_no_answers_at_all_fail(kit):
    assert judge_parity(BOUNDS, kit.LATE, kit.expected(), {}, kit.rows_table(), regroup=False).result.verdict is Verdict.FAILED


def read(project, good_model, rows, test_rows=40, label=LATE):
    return read_predictions(project["evaluation"], evidence_of(good_model), test_rows, label, rows)


def test_the_first_predictions_are_those_of_the_first_rows(kit, project, good_model):
    found = read(project, good_model, kit.rows_table().slice(0, 5))

    np.testing.assert_array_equal(found, kit.expected()[:5].astype(np.float64))


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        ({"model_digest": "sha256:other"}, "another model digest"),
        ({"data_version": "sha256:other"}, "another data version"),
        ({"policy_hash": "sha256:other"}, "another policy hash"),
        ({"baseline_version": "2"}, "another baseline version"),
    ],
)
def test_an_evaluation_of_something_else_does_not_count(kit, project, good_model, tmp_path, evidence, words):
    kit.write_evaluation(tmp_path / "evaluation", good_model, **evidence)

    with pytest.raises(NoPredictionsError, match=words):
        read(project, good_model, kit.rows_table())


def test_predictions_of_another_number_of_rows_do_not_count(kit, project, good_model):
    with pytest.raises(NoPredictionsError, match="predicted 40 rows; the test split has 41"):
        read(project, good_model, kit.rows_table(), test_rows=41)


def test_rows_in_another_order_do_not_count(kit, project, good_model, tmp_path):
    labels = kit.rows_table()["late"].to_pylist()[::-1]
    kit.write_evaluation(tmp_path / "evaluation", good_model, labels=labels)

    with pytest.raises(NoPredictionsError, match="same order"):
        read(project, good_model, kit.rows_table())


@pytest.mark.parametrize("file", ["predictions.parquet", "gates.json"])
@pytest.mark.parametrize("content", [None, b"", b"PAR1"])
def test_files_that_cannot_be_read_do_not_count(kit, project, good_model, tmp_path, file, content):
    path = tmp_path / "evaluation" / file
    path.unlink() if content is None else path.write_bytes(content)

    with pytest.raises(NoPredictionsError, match="missing or unreadable"):
        read(project, good_model, kit.rows_table())


def disagree(kit, label, predict, row, shift):
    predictions = kit.expected(predict).astype(np.float64)
    answers = {way: predictions.copy() for way in job.ANSWERS}
    for way in (RAW, REST):
        answers[way][row] += shift
    return judge_parity(ParityGate(), label, predictions, answers, kit.rows_table(), regroup=False)


def test_one_class_that_differs_fails_and_is_named(kit):
    found = disagree(kit, kit.SPECIES, kit.species, 5, [0, 1e-3, 0])

    assert found.result.verdict is Verdict.FAILED
    worst = found.worst[0]
    assert (worst["row"], worst["class"]) == (5, "Chinstrap")
    assert worst["answers"][REST] - worst["evaluation"] == pytest.approx(1e-3)


@pytest.mark.parametrize(("shift", "verdict"), [(1e-3, Verdict.PASSED), (1e-1, Verdict.FAILED)])
def test_numbers_are_compared_relative_to_their_scale(kit, shift, verdict):
    assert disagree(kit, kit.PRICE, kit.price, 5, shift).result.verdict is verdict


def test_the_scale_of_small_numbers_is_small(kit):
    def tiny(raw):
        return 1e-6 * kit.good(raw)

    assert disagree(kit, kit.PRICE, tiny, 5, 1e-9).result.verdict is Verdict.FAILED


def test_predictions_of_another_kind_do_not_count(kit, project, good_model):
    with pytest.raises(NoPredictionsError, match="not 3 probabilities per row but float"):
        read(project, good_model, kit.rows_table(), label=kit.SPECIES)


def test_predictions_of_classes_keep_their_order(kit, project, good_model, tmp_path):
    kit.write_evaluation(tmp_path / "evaluation", good_model, kit.expected(kit.species))

    found = read(project, good_model, kit.rows_table().slice(0, 5), label=kit.SPECIES)

    np.testing.assert_array_equal(found, kit.expected(kit.species)[:5].astype(np.float64))
    with pytest.raises(NoPredictionsError, match="not one number per row"):
        read(project, good_model, kit.rows_table())


def test_predictions_with_a_gap_do_not_count(kit, project, good_model, tmp_path):
    columns = {"late": kit.rows_table()["late"], "candidate": pa.array([0.5] * 39 + [None], pa.float32())}
    pq.write_table(pa.table(columns), tmp_path / "evaluation" / "predictions.parquet")

    with pytest.raises(NoPredictionsError, match="not one number"):
        read(project, good_model, kit.rows_table())


def test_rest_and_grpc_that_disagree_fail_though_both_are_near_the_evaluation(kit):
    predictions = kit.expected().astype(np.float64)
    answers = {way: predictions.copy() for way in job.ANSWERS}
    answers[REST][3] += 5e-6

    result = judge_parity(ParityGate(), kit.LATE, predictions, answers, kit.rows_table(), regroup=False).result

    assert result.verdict is Verdict.FAILED
    assert result.reason == "REST and gRPC give different predictions: 1 rows beyond, the largest difference is 5e-06."
