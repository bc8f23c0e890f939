import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from components._data.examples import write_split
from components._shared.digest import digest_file
from components._shared.errors import UserError
from components._shared.gates import Verdict, read_gate_report
from components._shared.required import DOCUMENTS


def auc(world):
    return world.eval_config["metrics_specs"][0]["metrics"][0]


def test_good_candidate_passes_and_artifact_is_whole(first):
    world, result = first
    assert [gate.verdict for gate in result.report.gates] == [
        Verdict.PASSED,
        Verdict.PASSED,
        Verdict.NOT_APPLICABLE,
        Verdict.PASSED,
    ]
    report, folder = read_gate_report(world.root / "evaluation"), world.root / "evaluation"
    assert (report.evidence, report.gates) == (result.report.evidence, result.report.gates)
    assert set(report.documents) == set(DOCUMENTS["evaluation"])
    assert report.documents["evaluation.json"] == digest_file(folder / "evaluation.json")
    assert report.documents["manifest.json"] == digest_file(world.root / "examples" / "manifest.json")


def test_summary_predictions_and_page_tell_the_same(first, rows):
    world, result = first
    summary = json.loads((world.root / "evaluation" / "evaluation.json").read_text())
    table = pq.read_table(world.root / "evaluation" / "predictions.parquet")
    assert summary["metrics"]["candidate"]["auc"] == result.metrics["auc"]
    assert [item["rows"] for item in summary["slices"] if item["slice"] == "origin=LGA"] == [20]
    assert table.column_names == ["late", "candidate"]
    assert table["candidate"].to_numpy() == pytest.approx(rows["signal"].to_numpy())
    assert "passes every gate" in (world.root / "report").read_text()


def test_tfma_loads_the_artifact(first):
    from tensorflow_model_analysis.api import model_eval_lib

    world, result = first
    loaded = model_eval_lib.load_eval_result(str(world.root / "evaluation"))
    overall = dict(loaded.slicing_metrics)[()][""][""]
    assert overall["auc"]["doubleValue"] == pytest.approx(result.metrics["auc"], abs=1e-12)
    assert model_eval_lib.load_validation_result(str(world.root / "evaluation")).validation_ok


def test_bad_candidate_fails_performance(world):
    world.write_model("noise")
    gate = world.gate("performance")
    assert gate.verdict is Verdict.FAILED
    assert "at least 0.7 is required" in gate.reason


def test_production_wins(world):
    world.write_model("noise")
    world.write_baseline("signal")
    gate = world.gate("regression")
    assert gate.verdict is Verdict.FAILED
    assert gate.measurements[0].value < -0.3
    assert "worse by more than allowed" in gate.reason
    assert "Of the change thresholds: The change of auc of all rows" in gate.reason


def test_candidate_wins(compared):
    _, result = compared
    assert result.report.gates[2].verdict is Verdict.PASSED
    assert result.metrics["baseline_auc"] < result.metrics["auc"]


def test_slice_threshold_judges_large_slices_and_reports_small_ones(world):
    threshold = {"value_threshold": {"lower_bound": {"value": 0.9999}}}
    auc(world)["per_slice_thresholds"] = [{"slicing_specs": [{"feature_keys": ["origin"]}], "threshold": threshold}]
    gate = world.gate("performance")
    assert {item.slice: item.passed for item in gate.measurements} == {
        "": True,
        "origin=EWR": False,
        "origin=JFK": False,
        "origin=LGA": None,
    }
    assert gate.verdict is Verdict.FAILED


def test_threshold_on_an_absent_slice_fails(world):
    threshold = {"value_threshold": {"lower_bound": {"value": 0.1}}}
    absent = {"feature_values": {"origin": "SFO"}}
    auc(world)["per_slice_thresholds"] = [{"slicing_specs": [absent], "threshold": threshold}]
    gate = world.gate("performance")
    assert gate.verdict is Verdict.FAILED
    assert "origin=SFO" in gate.reason


def test_without_a_threshold_performance_fails(world):
    del auc(world)["threshold"]
    assert world.gate("performance").verdict is Verdict.FAILED


@pytest.mark.parametrize(("candidate", "live", "verdict"), [("signal", "noise", "PASSED"), ("noise", "signal", "FAILED")])
def test_without_a_change_threshold_the_paired_comparison_judges_alone(world, candidate, live, verdict):
    del auc(world)["threshold"]["change_threshold"]
    world.write_model(candidate)
    world.write_baseline(live)
    gate = world.gate("regression")
    assert gate.verdict is Verdict[verdict]
    assert "change" not in gate.reason


def test_a_change_threshold_holds_beside_the_paired_comparison(world):
    auc(world)["threshold"]["change_threshold"]["absolute"]["value"] = 0.9
    world.write_baseline("noise")
    gate = world.gate("regression")
    assert gate.measurements[0].passed is True
    assert gate.verdict is Verdict.FAILED
    assert "at least 0.9 is required" in gate.reason


def test_the_margin_and_the_mode_of_the_policy_decide(world):
    world.write_baseline("signal")
    verdicts = []
    for mode in ("non_inferior", "better"):
        world.policy["regression"] = {"mode": mode}
        verdicts.append(world.gate("regression").verdict)
    assert verdicts == [Verdict.PASSED, Verdict.FAILED]


def test_one_class_test_split_fails_regression_with_the_reason(world):
    world.spoil("late", np.zeros(400, dtype=np.int64))
    world.write_baseline("noise")
    gate = world.gate("regression")
    assert gate.verdict is Verdict.FAILED
    assert "have the same label" in gate.reason
    assert "have the same label" in (world.root / "report").read_text()


def test_page_shows_the_comparison_with_the_live_version(first, compared):
    assert "Against the live version" not in (first[0].root / "report").read_text()
    page = (compared[0].root / "report").read_text()
    assert all(text in page for text in ("Against the live version", "paired bootstrap", "DeLong", "at least -0.01"))


def test_regression_that_is_off_keeps_its_numbers(world):
    world.policy["regression"] = {"off": "the split rule changes"}
    world.write_baseline("noise")
    gate = world.gate("regression")
    assert (gate.verdict, gate.reason) == (Verdict.SWITCHED_OFF, "the split rule changes")
    assert gate.measurements


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [({"split_rule": {"key": ["month"]}}, "another split rule"), ({"label": "cancelled"}, "another label")],
)
def test_live_version_of_another_kind_fails_regression_only(world, manifest, reason):
    world.write_baseline("noise", **manifest)
    performance, regression = world.gates("performance", "regression")
    assert performance.verdict is Verdict.PASSED
    assert regression.verdict is Verdict.FAILED
    assert reason in regression.reason


@pytest.mark.parametrize("name", ["other_features", "invalid", "two"])
def test_live_version_that_cannot_score_fails_regression_only(world, name):
    world.write_baseline(name)
    performance, regression = world.gates("performance", "regression")
    assert (performance.verdict, regression.verdict) == (Verdict.PASSED, Verdict.FAILED)
    assert "live version 3" in regression.reason.lower()


def test_live_version_whose_manifest_is_no_object_fails_regression_only(world):
    world.write_baseline("noise")
    (world.root / "baseline" / "model" / "assets.extra" / "sluice" / "manifest.json").write_text("[]")
    performance, regression = world.gates("performance", "regression")
    assert (performance.verdict, regression.verdict) == (Verdict.PASSED, Verdict.FAILED)
    assert "does not say how its data was split" in regression.reason


def test_training_record_that_is_no_object_is_refused(world):
    (world.root / "model" / "training.json").write_text("[]")
    with pytest.raises(UserError, match=r"holds training\.json"):
        world.run()


def test_changed_live_version_fails_regression(world):
    world.write_baseline("noise")
    (world.root / "baseline" / "model" / "saved_model.pb").write_bytes(b"other")
    assert "not those that were released" in world.gate("regression").reason


def test_predictions_that_are_no_probability_fail_with_their_count(world, rows):
    world.write_model("invalid")
    count = int(np.sum(rows["signal"].to_numpy() <= 0.5))
    performance, fairness, regression, calibration = world.run().report.gates
    assert performance.verdict is fairness.verdict is calibration.verdict is Verdict.FAILED
    assert performance.reason.startswith(f"{count} of 400 predictions")
    assert regression.verdict is Verdict.NOT_APPLICABLE


def test_one_class_test_split_fails_performance_with_the_reason(world):
    world.spoil("late", np.zeros(400, dtype=np.int64))
    gate = world.gate("performance")
    assert gate.verdict is Verdict.FAILED
    assert "all labels of these rows are equal" in gate.reason


def test_model_of_other_data_fails_every_gate(world):
    world.write_model("signal", data_version="sha256:other")
    report = world.run().report
    assert {gate.verdict for gate in report.gates} == {Verdict.FAILED}
    assert "another data version" in report.gates[0].reason


def test_gate_that_is_off_says_why_and_keeps_its_numbers(world):
    world.policy["performance"]["off"] = "first release"
    gate = world.gate("performance")
    assert (gate.verdict, gate.reason) == (Verdict.SWITCHED_OFF, "first release")
    assert gate.measurements


def test_unfair_candidate_fails(world):
    world.policy["fairness"]["max_equal_opportunity_difference"] = 0.01
    gate = world.gate("fairness")
    assert gate.verdict is Verdict.FAILED
    assert "equal opportunity difference over origin" in gate.reason


def test_candidate_that_promises_too_much_fails_calibration(world):
    world.policy["calibration"] = {}
    gate = world.gate("calibration")
    assert gate.verdict is Verdict.FAILED
    assert "expected calibration error" in gate.reason


def test_page_shows_groups_with_their_intervals_and_the_calibration_error(world):
    world.policy["fairness"] |= {"protected": ["origin", "origin*carrier"], "decision_threshold": [0.3, 0.45]}
    world.run()
    page = (world.root / "report").read_text()
    for words in ("Fairness over origin*carrier, predictions above 0.45", "carrier=AA, origin=JFK", "calibration error: c"):
        assert words in page


def test_protected_feature_that_is_no_column_fails(world):
    world.policy["fairness"]["protected"] = ["gender"]
    gate = world.gate("fairness")
    assert gate.verdict is Verdict.FAILED
    assert "no such column" in gate.reason


def test_rows_without_a_protected_value_are_counted(world, rows):
    world.policy["fairness"]["protected"] = ["carrier"]
    counts = [item.value for item in world.gate("fairness").measurements if item.name == "carrier missing"]
    assert counts == [rows["carrier"].null_count]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([None, *[0] * 399], "1 of 400 rows"),
        ([float("nan"), *[0.0] * 399], "1 of 400 rows"),
        ([0, 1, 2, 3] * 100, "0 or 1.*source.label.kind"),
        (["no", "yes"] * 200, "a column of string"),
    ],
)
def test_bad_label_is_refused(world, values, message):
    world.spoil("late", values)
    with pytest.raises(UserError, match=message):
        world.run()


def test_empty_test_split_is_refused(world, rows):
    world.write_examples(rows.slice(0, 0))
    with pytest.raises(UserError, match="at least one row"):
        world.run()


def test_corrupt_shard_is_refused(world):
    (world.root / "examples" / "Split-test" / "part-00000.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(UserError, match="not those that were ingested"):
        world.run()


def test_missing_feature_is_refused(world, rows):
    world.write_examples(rows.drop(["signal"]))
    with pytest.raises(UserError, match="signal"):
        world.run()


def test_slice_over_an_unknown_column_is_refused(world):
    world.eval_config["slicing_specs"].append({"feature_keys": ["airport"]})
    with pytest.raises(UserError, match="airport"):
        world.run()


def test_model_of_many_outputs_is_refused(world):
    world.write_model("two")
    with pytest.raises(UserError, match=r"shape \[400\] for 400 rows.*\[400, 2\]"):
        world.run()


def test_changed_model_is_refused(world):
    world.write_model("signal", model_digest="sha256:other")
    with pytest.raises(UserError, match=r"training\.json"):
        world.run()


def test_model_that_does_not_load_is_refused(world):
    from components._shared.digest import digest_model

    (world.root / "model" / "Format-Serving" / "saved_model.pb").write_bytes(b"no proto")
    training = world.root / "model" / "training.json"
    digest = digest_model(world.root / "model" / "Format-Serving")
    training.write_text(json.dumps({**json.loads(training.read_text()), "model_digest": digest}))
    with pytest.raises(UserError, match="SavedModel"):
        world.run()


def test_baseline_that_says_nothing_is_refused(world):
    (world.root / "baseline" / "baseline.json").unlink()
    with pytest.raises(UserError, match=r"baseline\.json"):
        world.run()


def test_failed_run_leaves_no_report_of_an_earlier_one(world, monkeypatch):
    (world.root / "evaluation").mkdir()
    (world.root / "evaluation" / "gates.json").write_text("{}")
    monkeypatch.setattr("components.evaluate_model.executor.run_tfma", None)
    with pytest.raises(TypeError):
        world.run()
    assert not (world.root / "evaluation" / "gates.json").exists()


def test_killed_run_leaves_no_report(world):
    world.policy["fairness"]["protected"] = []
    arguments = {name: str(value) if isinstance(value, Path) else value for name, value in world.arguments().items()}
    code = (
        "import os, json, signal\n"
        "from components.evaluate_model import executor\n"
        "executor.page.render = lambda content, details: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"executor.evaluate_model(**json.loads({json.dumps(arguments)!r}))\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, check=False)
    assert done.returncode == -9
    assert not (world.root / "evaluation" / "gates.json").exists()


def test_another_policy_under_the_same_hash_is_refused(world):
    policy = {**world.policy, "performance": {"min_slice_size": 10**6}}
    with pytest.raises(UserError, match="that the pipeline was compiled with"):
        world.run(policy=policy, policy_hash=world.arguments()["policy_hash"])


def test_evaluation_says_what_it_compared_and_by_which_configuration(compared):
    world, _ = compared
    summary = json.loads((world.root / "evaluation" / "evaluation.json").read_text())
    live = json.loads((world.root / "baseline" / "baseline.json").read_text())
    assert summary["baseline_model_digest"] == live["model_digest"]
    assert summary["eval_config"] == world.eval_config


def test_live_version_without_a_digest_fails_regression(world):
    world.write_baseline("noise")
    file = world.root / "baseline" / "baseline.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "model_digest": ""}))
    assert "not those that were released" in world.gate("regression").reason


def test_rows_that_came_later_are_refused(world, rows):
    write_split(world.root / "examples", "test", rows.slice(0, 300))
    with pytest.raises(UserError, match="not those that were ingested: Split-test"):
        world.run()


def test_label_may_slice_and_is_no_group(world):
    world.eval_config["slicing_specs"].append({"feature_keys": ["late"]})
    world.policy["fairness"]["protected"] = ["late"]
    performance, fairness, _, _ = world.run().report.gates
    assert performance.verdict is Verdict.PASSED
    assert fairness.verdict is Verdict.FAILED
    assert "it is the label" in fairness.reason


def test_reason_begins_with_all_rows(world):
    threshold = {"value_threshold": {"lower_bound": {"value": 0.9999}}}
    auc(world)["threshold"] = threshold
    auc(world)["per_slice_thresholds"] = [{"slicing_specs": [{"feature_keys": ["origin"]}], "threshold": threshold}]
    assert world.gate("performance").reason.startswith("The auc of all rows is")


def test_a_run_may_tighten_bounds_of_gates_and_metrics(first, world):
    before = first[1].report.evidence.policy_hash
    world.overrides = {"evaluation": {"AUC": {"lower_bound": 0.999}}, "fairness": {"max_equal_opportunity_difference": 1e-6}}

    report = world.run().report

    assert {gate.gate: gate.verdict for gate in report.gates if gate.verdict is Verdict.FAILED}.keys() == {
        "performance",
        "fairness",
    }
    assert report.evidence.policy_hash != before
    assert json.loads((world.root / "evaluation" / "evaluation.json").read_text())["policy_hash"] == report.evidence.policy_hash
