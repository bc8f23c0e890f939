import re
from pathlib import Path

import pyarrow as pa
import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2

from components._data.statistics import write_origin
from components._shared.digest import digest_file
from components._shared.errors import UserError
from components._shared.gates import Verdict, read_gate_report
from components._shared.policy_documents import hash_policy

SPLITS = ("train", "eval", "test")


def data_gate(case):
    """Runs the stage and returns what it tells the others."""
    case.run()
    (gate,) = read_gate_report(case.paths["anomalies"]).gates
    return gate


def anomalies_of(case, split):
    path = Path(case.paths["anomalies"]) / f"Split-{split}" / "SchemaDiff.pb"
    return anomalies_pb2.Anomalies.FromString(path.read_bytes())


def with_comparator(case, feature, comparator):
    schema = (case.folder / "schema" / "schema.pbtxt").read_text()
    case.set_schema(schema.replace(f'name: "{feature}"', f'name: "{feature}" {comparator}', 1))


def test_good_data_passes(case):
    gate = data_gate(case)
    assert gate.verdict is Verdict.PASSED, gate.reason
    assert all(item.passed for item in gate.measurements)
    assert "The data gate passed" in case.page()


def test_the_evidence_is_bound_to_data_policy_and_baseline(case, table):
    case.set_baseline("7", table())
    case.run()
    report = read_gate_report(case.paths["anomalies"])
    assert report.stage == "validate_examples"
    assert (report.evidence.data_version, report.evidence.policy_hash) == ("sha256:d1", hash_policy({}, {}))
    assert (report.evidence.baseline_version, report.evidence.model_digest) == ("7", "")
    assert report.documents == {"manifest.json": digest_file(Path(case.paths["examples"], "manifest.json"))}


@pytest.mark.parametrize("split", SPLITS)
def test_a_dropped_column_fails_in_any_split(case, table, split):
    case.set_split(split, table(city=None))
    gate = data_gate(case)
    assert gate.verdict is Verdict.FAILED
    assert f"feature 'city', split '{split}': Column dropped" in gate.reason
    assert anomalies_of(case, split).anomaly_info["city"].severity == anomalies_pb2.AnomalyInfo.ERROR


def test_one_column_dropped_from_all_splits_is_one_problem(case, table):
    for split in SPLITS:
        case.set_split(split, table(city=None))
    assert data_gate(case).reason.startswith("1 problem: feature 'city', split 'train', 'eval', 'test': Column dropped")


def test_the_page_says_which_column_where_and_that_the_run_stops(case, table):
    for split in SPLITS:
        case.set_split(split, table(city=None))
    case.run()
    page = case.page()
    assert re.search(r"<code>city</code>: Column dropped</strong>.*in splits train, eval, test<", page)
    assert "The run stops at transform_features" in page


def test_a_number_turned_to_text_fails(case, table):
    case.set_split("train", table(age=pa.array(["young"] * 120)))
    assert "Expected data of type: INT but got STRING" in data_gate(case).reason


def test_a_value_outside_the_domain_fails(case, table):
    case.set_split("train", table(city=pa.array(["Bonn", "Atlantis"] * 60)))
    gate = data_gate(case)
    assert gate.verdict is Verdict.FAILED
    assert "Atlantis" in gate.reason


def test_a_number_out_of_range_fails(case, table):
    case.set_split("test", table(age=pa.array([18, 900] * 60)))
    assert "feature 'age', split 'test'" in data_gate(case).reason


def test_missing_required_values_fail(case, table):
    case.set_split("train", table(city=pa.array(["Bonn", None] * 60)))
    assert data_gate(case).verdict is Verdict.FAILED


def test_a_column_that_the_schema_does_not_know_fails(case, table):
    case.set_split("train", table(surprise=pa.array([1] * 120)))
    assert "feature 'surprise', split 'train': New column" in data_gate(case).reason


def test_too_few_rows_fail(case):
    case.policy = {"data": {"min_rows": {"eval": 121}}}
    gate = data_gate(case)
    assert gate.verdict is Verdict.FAILED
    assert "120 rows; gates.data.min_rows asks for at least 121" in gate.reason


def test_as_many_rows_as_asked_for_pass(case):
    case.policy = {"data": {"min_rows": {"eval": 120}}}
    assert data_gate(case).verdict is Verdict.PASSED


def test_an_empty_split_fails(case, table):
    case.set_split("eval", table().slice(0, 0))
    case.set_manifest({"train": 120, "eval": 0, "test": 120})
    assert "split 'eval': No rows" in data_gate(case).reason


def test_statistics_of_other_examples_fail(case):
    case.set_manifest({"train": 121, "eval": 120, "test": 120})
    assert "Statistics of other examples" in data_gate(case).reason


@pytest.mark.parametrize("label", [[1] * 120, [0] * 120])
def test_a_label_with_one_class_fails(case, table, label):
    case.set_split("eval", table(churned=pa.array(label)))
    assert "feature 'churned', split 'eval': Label with one value only" in data_gate(case).reason


def test_missing_labels_fail(case, table):
    case.set_split("train", table(churned=pa.array([0, 1, None] * 40)))
    assert "40 of 120 rows have no label" in data_gate(case).reason


def test_an_absent_label_fails_though_the_schema_does_not_ask_for_it(case, table):
    case.set_schema(
        (case.folder / "schema/schema.pbtxt")
        .read_text()
        .replace('"churned" type: INT presence { min_fraction: 1.0 } shape {}', '"churned" type: INT')
    )
    case.set_split("train", table(churned=None))
    assert "No label" in data_gate(case).reason


@pytest.mark.parametrize(("value", "words"), [("nan", "60 values are NaN"), ("inf", "infinite"), ("-inf", "infinite")])
def test_numbers_that_are_none_fail(case, table, value, words):
    case.set_split("train", table(income=pa.array([float(value), 1.0] * 60, pa.float32())))
    assert words in data_gate(case).reason


def test_nan_passes_where_the_schema_allows_it(case, table):
    with_comparator(case, "income", "float_domain { disallow_nan: false }")
    case.set_split("train", table(income=pa.array([float("nan"), 1.0] * 60, pa.float32())))
    assert data_gate(case).verdict is Verdict.PASSED


def test_nan_in_the_label_fails_even_where_the_schema_allows_it(case, table):
    schema = (case.folder / "schema/schema.pbtxt").read_text()
    case.set_schema(schema.replace('"churned" type: INT', '"churned" type: FLOAT float_domain { disallow_nan: false }'))
    for split in SPLITS:
        case.set_split(split, table(churned=pa.array([0.0, 1.0, float("nan")] * 40, pa.float32())))
    assert "feature 'churned', split 'train'" in data_gate(case).reason


def test_data_like_the_live_versions_pass(case, table):
    case.set_baseline("3", table())
    gate = data_gate(case)
    assert gate.verdict is Verdict.PASSED
    drift = {item.name: item.value for item in gate.measurements if item.name.startswith("drift")}
    assert drift == pytest.approx(
        {"drift of city: L-infinity distance": 0, "drift of income: Jensen-Shannon divergence": 0}, abs=1e-6
    )


def test_drifted_categories_fail(case, table):
    case.set_baseline("3", table(city=pa.array(["Bonn"] * 120)))
    gate = data_gate(case)
    assert gate.verdict is Verdict.FAILED
    (drift,) = (item for item in gate.measurements if item.name == "drift of city: L-infinity distance")
    assert (drift.value, drift.upper_bound, drift.passed) == (pytest.approx(0.5), pytest.approx(0.2), False)


def test_drifted_numbers_fail(case, table):
    case.set_baseline("3", table(income=pa.array([100.0 + row for row in range(120)], pa.float32())))
    assert "feature 'income', split 'train': Too far from the live version's distribution" in data_gate(case).reason


@pytest.mark.parametrize(
    ("kind", "values", "found"),
    [
        ({}, [0, 2, 1], True),
        ({"label_kind": "multiclass", "label_classes": ["a", "b", "c"]}, [0, 2, 1], False),
        ({"label_kind": "multiclass", "label_classes": ["a", "b"]}, [0, 2, 1], True),
        ({"label_kind": "numeric"}, [-7, 2, 30], False),
    ],
)
def test_a_label_beyond_its_kind_fails(case, table, kind, values, found):
    case.set_split("eval", table(churned=pa.array(values * 40)))
    case.set_manifest(dict.fromkeys(("train", "eval", "test"), 120), **kind)
    assert ("feature 'churned', split 'eval': Label that is no class" in data_gate(case).reason) is found


def test_drift_is_judged_on_the_training_split_only(case, table):
    case.set_baseline("3", table())
    case.set_split("eval", table(city=pa.array(["Bonn"] * 120)))
    assert data_gate(case).verdict is Verdict.PASSED


def test_skew_is_measured_where_the_schema_asks_for_it(case, table):
    with_comparator(case, "city", "skew_comparator { infinity_norm { threshold: 0.1 } }")
    case.set_baseline("3", table(city=pa.array(["Bonn", "Bonn", "Köln"] * 40)))
    gate = data_gate(case)
    (skew,) = (item for item in gate.measurements if item.name.startswith("skew of city"))
    assert (skew.value, skew.passed) == (pytest.approx(1 / 6, abs=1e-4), False)
    assert gate.verdict is Verdict.FAILED


def test_a_comparator_that_can_never_speak_fails(case):
    with_comparator(case, "age", "drift_comparator { infinity_norm { threshold: 0.1 } }")
    assert "between numbers it is always 0" in data_gate(case).reason


def test_drift_that_cannot_be_measured_fails(case, table):
    with_comparator(case, "age", "drift_comparator {}")
    case.set_baseline("3", table())
    assert "feature 'age', split 'train': No drift could be measured" in data_gate(case).reason


@pytest.mark.parametrize("spoil", ["unlink", "truncate", "empty", "other"])
def test_a_live_version_without_readable_statistics_fails(case, table, spoil):
    case.set_baseline("3", table())
    path = case.folder / "baseline/model/assets.extra/sluice/statistics/Split-train/FeatureStats.pb"
    spoiled = {"truncate": path.read_bytes()[:-7], "empty": b"", "other": b"no statistics"}
    path.unlink()
    if spoil in spoiled:
        path.write_bytes(spoiled[spoil])
    gate = data_gate(case)
    assert gate.verdict is Verdict.FAILED
    assert "Version 3 is live, and statistics of its training split are missing or damaged" in gate.reason


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": null}'])
def test_an_unreadable_baseline_fails(case, text):
    case.write("baseline/baseline.json", text)
    assert "says in baseline.json which version is live" in data_gate(case).reason


def test_a_feature_that_the_live_version_lost_fails(case, table):
    case.set_baseline("3", table(city=None))
    assert "previous data is missing" in data_gate(case).reason


def test_a_feature_that_is_new_in_this_release_only_warns(case, table):
    case.set_baseline(
        "3", table(city=None), schema='feature { name: "age" } feature { name: "income" } feature { name: "churned" }'
    )
    result = case.run()
    assert (result.verdict, result.warnings) == (Verdict.PASSED, 1)
    assert "New feature, not compared" in case.page()


def test_a_switched_off_gate_says_so_and_still_lists_what_is_wrong(case, table):
    case.policy = {"data": {"off": "a trial run"}}
    case.set_split("train", table(city=None))
    gate = data_gate(case)
    assert (gate.verdict, gate.reason) == (Verdict.SWITCHED_OFF, "a trial run")
    assert "it would have failed with 1 problem" in case.page()


def test_hostile_values_are_escaped(case, table):
    case.set_split("train", table(city=pa.array(["Bonn", "<img src=x onerror=alert(1)>"] * 60)))
    case.run()
    assert "&lt;img src=x" in case.page()
    assert "<img" not in case.page()


def test_many_new_values_fit_into_one_line(case, table):
    case.set_split("train", table(city=pa.array([f"town\n{index}" for index in range(120)])))
    gate = data_gate(case)
    assert gate.verdict is Verdict.FAILED
    assert len(gate.reason) < 1000
    assert "\n" not in gate.reason


def test_the_page_stands_alone(case, table):
    case.set_baseline("3", table(city=pa.array(["Bonn"] * 120)))
    case.run()
    assert not re.search(r"<script|\b(src|href)\s*=|https?://|url\(", case.page())


def test_the_text_file_holds_sentences_and_protos(case, table):
    case.set_split("train", table(city=None))
    case.run()
    text = (Path(case.paths["anomalies"]) / "anomalies.txt").read_text()
    assert text.startswith("ERROR feature 'city', split 'train': Column dropped.")
    assert 'anomaly_info {\n  key: "city"' in text


def test_splits_are_counted_once(case, table):
    case.set_split("train", table(city=None, age=None))
    result = case.run()
    assert (result.anomalous_splits, result.errors) == (("train",), 2)


def test_an_earlier_verdict_does_not_outlive_a_failed_run(case):
    case.run()
    case.set_schema("")
    with pytest.raises(UserError):
        case.run()
    assert not Path(case.paths["anomalies"]).exists()


def test_missing_statistics_are_an_error_of_the_input(case):
    (case.folder / "statistics/Split-test/FeatureStats.pb").unlink()
    with pytest.raises(UserError, match=r"Split-test/FeatureStats\.pb"):
        case.run()
    assert not Path(case.paths["anomalies"]).exists()


def test_statistics_of_other_examples_are_an_error_of_the_input(case):
    write_origin(case.folder / "statistics", "sha256:other")
    with pytest.raises(UserError, match=r"from these examples\. Received: statistics of sha256:other"):
        case.run()


def test_a_schema_without_environments_is_refused(case):
    case.set_schema('feature { name: "age" type: INT }')
    with pytest.raises(UserError, match="default_environment"):
        case.run()


def test_a_bound_for_an_unknown_split_is_refused(case):
    case.policy = {"data": {"min_rows": {"trian": 5}}}
    with pytest.raises(UserError, match="trian"):
        case.run()


def test_another_policy_under_the_same_hash_is_refused(case):
    known = {"policy": {}, "eval_config": {}, "policy_hash": hash_policy({}, {})}
    for changes in ({"policy": {"data": {"min_rows": {"train": 1}}}}, {"eval_config": {"options": {}}}):
        with pytest.raises(UserError, match="that the pipeline was compiled with"):
            case.run(**{**known, **changes})


def test_a_run_may_tighten_a_bound(case):
    case.policy = {"data": {"min_rows": {"train": 100}}}
    assert case.run().verdict is Verdict.PASSED
    assert case.run(overrides={"data": {"min_rows": {"train": 121}}}).verdict is Verdict.FAILED
    with pytest.raises(UserError, match=r"data\.min_rows\.train may only be raised\. The policy has 100\. Received: 99\."):
        case.run(overrides={"data": {"min_rows": {"train": 99}}})
