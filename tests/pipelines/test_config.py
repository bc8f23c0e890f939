import json

import pytest

from components._shared.errors import UserError
from components._shared.policy import ApprovalGate, Policy
from components._shared.policy_documents import read_policy
from components._shared.rules import read_rules
from components.ingest_examples.config import read_source
from pipelines.config import load_project
from pipelines.serving_settings import check_server


def edit(folder, old, new):
    file = folder / "project.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def message_of(folder):
    with pytest.raises(UserError) as raised:
        load_project(folder)
    return str(raised.value)


def test_values_reach_the_stages_as_they_were_written(project_dir):
    project = load_project(project_dir)
    assert project.splits_json == {"key": ["day"], "salt": "parcels", "train": 0.8, "eval": 0.1, "test": 0.1}
    assert project.source_json == {
        "format": "csv",
        "null_values": ["", "NA"],
        "delimiter": ",",
        "encoding": "utf-8",
        "decimal_point": ".",
        "columns": {},
        "row_number": "",
        "bad_rows": "fail",
        "max_bad_rows": 0.01,
        "row_key": ["parcel"],
        "label": {"name": "late", "column": "delay", "above": 15.0},
    }


def test_inputs_are_chosen_by_day_and_bad_rows_set_aside(project_dir):
    edit(project_dir, "span-{SPAN}/*.csv", "{YYYY}/{MM}-{DD}/v{VERSION}/*.csv")
    edit(project_dir, "spans: 1-9", "spans: 2013-01-05\n  bad_rows: quarantine\n  max_bad_rows: 0")
    edit(project_dir, "salt: parcels", "salt: parcels\n  also_tfrecord: true")
    project = load_project(project_dir)
    assert (project.source.spans, project.splits.also_tfrecord) == ("2013-01-05", True)
    assert (project.source_json["bad_rows"], project.source_json["max_bad_rows"]) == ("quarantine", 0)
    assert "also_tfrecord" not in project.splits_json


def test_a_label_that_is_a_column_has_no_rule(project_dir):
    edit(project_dir, "{ name: late, column: delay, above: 15 }", "{ name: late }")
    assert load_project(project_dir).source_json["label"] == {"name": "late"}


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ({"name": "late", "positive": ["yes", "y"]}, "binary"),
        ({"name": "late", "classes": ["on time", "late"]}, "multiclass"),
        ({"name": "late", "column": "delay", "kind": "numeric"}, "numeric"),
    ],
)
def test_a_label_of_every_kind_reaches_the_stages(project_dir, label, kind):
    edit(project_dir, "{ name: late, column: delay, above: 15 }", json.dumps(label))
    project = load_project(project_dir)
    assert read_source(json.loads(json.dumps(project.source_json))).label.spec.kind == kind


def test_gates_that_do_not_suit_the_label_are_told_before_anything_runs(project_dir):
    edit(project_dir, "{ name: late, column: delay, above: 15 }", "{ name: late, kind: numeric }")
    edit(project_dir, "  strict: false", "  regression: { metric: auc }")
    assert "gates.regression.metric: one that suits a numeric label: auto, mean_absolute_error" in message_of(project_dir)


def test_gates_are_the_policy_of_the_stages(project_dir):
    project = load_project(project_dir)
    assert read_policy(project.policy_json) == project.policy
    assert project.policy.fairness.protected == ("depot",)
    assert project.policy.parity == Policy().parity


@pytest.mark.parametrize("text", ["approval: required", "approval: { required: true }"])
def test_an_approval_is_required_by_a_word_or_by_its_setting(project_dir, text):
    edit(project_dir, "  strict: false", f"  {text}")
    assert load_project(project_dir).policy.approval == ApprovalGate(required=True)


@pytest.mark.parametrize(
    ("text", "servers", "mode"),
    [
        ("server: http://a:8501", "http://a:8501", ""),
        ("server: [http://a:8501, grpc://b:8500]", "http://a:8501,grpc://b:8500", ""),
        ("server: http://a:8501\n  model_config_file: m", "http://a:8501", "file"),
        ("server: [grpc://a:8500]\n  labels: reload", "grpc://a:8500", "reload"),
    ],
)
def test_servers_and_labels(project_dir, text, servers, mode):
    file = project_dir / "project.yaml"
    file.write_text(file.read_text().replace("directory: served/parcels", f"directory: served/parcels\n  {text}"))
    serving = load_project(project_dir).serving
    assert (serving.server, serving.label_mode) == (servers, mode)
    with pytest.raises(UserError, match="may name another one, and never none"):
        check_server(serving, {"server": ""})
    check_server(serving, {"server": "http://c:8501"})


def test_serving_directory_starts_at_the_project(project_dir):
    assert load_project(project_dir / "project.yaml").serving_dir == project_dir / "served" / "parcels"


def test_numbers_as_keys_become_text(project_dir):
    edit(project_dir, '"1": 50, "16": 60', "1: 50, 16: 60")
    assert load_project(project_dir).policy.serving.max_p99_ms == {"1": 50.0, "16": 60.0}


def test_a_gate_is_switched_off_with_a_reason(project_dir):
    edit(project_dir, "protected: [depot]", "off: no protected group is known")
    assert load_project(project_dir).policy.fairness.off == "no protected group is known"


def test_a_protected_feature_needs_no_bound_where_the_gate_is_off(project_dir):
    edit(project_dir, "max_equalized_odds_difference: 0.1", "off: agreed with the data office")
    assert load_project(project_dir).policy.fairness.protected == ("depot",)


def test_a_protected_feature_is_one_of_the_schema(project_dir):
    (project_dir / "schema.pbtxt").write_text('feature { name: "depot" type: BYTES }')
    edit(project_dir, "protected: [depot]", "protected: [depot, depot*size]")
    assert "gates.fairness.protected: size: no feature of schema.pbtxt." in message_of(project_dir)


def test_thresholds_and_crossed_features_reach_the_stages(project_dir):
    edit(project_dir, "protected: [depot]", "protected: [depot, depot*hour]\n    decision_threshold: [0.5, 0.3]")
    fairness = read_policy(load_project(project_dir).policy_json).fairness
    assert (fairness.protected, fairness.decision_thresholds) == (("depot", "depot*hour"), (0.5, 0.3))


def test_project_is_frozen(project_dir):
    with pytest.raises(ValueError, match="frozen"):
        load_project(project_dir).training.epochs = 4


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("name: parcels", "name: Parcels!", "name: String should match pattern"),
        ("name: parcels\n", "", "name: missing. Add it."),
        ("epochs: 3", "epoch: 3", "training.epoch: not a known key. Known here: epochs, batch_size"),
        ("epochs: 3", "epochs: 0", "training.epochs: Input should be greater than or equal to 1. Received: 0."),
        ("epochs: 3", "epochs: '3'", 'training.epochs: Input should be a valid integer. Received: "3".'),
        ("patience: 1", "patience: true", "training.patience: Input should be a valid integer. Received: true."),
        ("epochs: 3", "checkpoint_dir: gs://bucket/x", "training.checkpoint_dir: String should match pattern"),
        ("learning_rate: 0.002", "learning_rate: .nan", "every number is finite"),
        ("spans: 1-9", "spans: 1..9", "source.spans: Spans are `all`, a window such as `latest:7`"),
        ("format: csv", "bad_rows: drop", "source.bad_rows: Input should be 'fail' or 'quarantine'"),
        ("format: csv", "max_bad_rows: 1.5", "source: `source.max_bad_rows` is a share of the rows"),
        ("span-{SPAN}", "span-{SPANS}", "source.pattern: The placeholders of a pattern are"),
        ("spans: 1-9", "spans: 9", "source.spans: Input should be a valid string. Received: 9."),
        ("row_key: [parcel]", "row_key: []", "source.row_key: Tuple should have at least 1 item"),
        ("row_key: [parcel]", "row_key: parcel", "source.row_key: Input should be a valid array"),
        (", above: 15", "", "source.label: A label derived from a number has both `column` and `above`"),
        ("column: delay, above: 15", "classes: [no]", "source.label: A multiclass label has at least two classes."),
        ("column: delay, above: 15", "classes: [1, 2]", "source.label.classes.0: Input should be a valid string"),
        (
            "above: 15",
            "over: 15",
            "source.label.over: not a known key. Known here: name, column, kind, above",
        ),
        ("test: 0.1", "test: 0.3", "splits: The shares of train, eval and test are above 0 and sum to 1."),
        ("test: 0.1", "test: 0", "splits: The shares of train, eval and test are above 0 and sum to 1."),
        ("format: csv", "format: xml", "source.format: Input should be 'csv', 'parquet' or 'tfrecord'"),
        ("  strict: false", "  approvals: {}", "gates.approvals: not a known key. Known here: "),
        ("  strict: false", "  approval: { deadline_hours: 0 }", "gates.approval.deadline_hours: from 1 to 8760. Received: 0."),
        ("  strict: false", "  approval: { deadline_hours: 8761 }", "gates.approval.deadline_hours: from 1 to 8760."),
        ("  strict: false", "  approval: perhaps", "gates.approval: Input should be"),
        ("train: 100 }", "train: -1 }", "gates.data.min_rows: at least 0. Received: -1."),
        ("  strict: false", "  robustness: { noise: 2 }", "gates.robustness.noise: in [0, 1]. Received: 2."),
        ("  strict: false", "  robustness: { rows: 0 }", "gates.robustness.rows: at least 1. Received: 0."),
        ("train: 100 }", "train: many }", "gates.data.min_rows.train: Input should be a valid integer"),
        ("protected: [depot]", "protect: [depot]", "gates.fairness.protect: not a known key. Known here: off, protected"),
        ("protected: [depot]", "decision_threshold: 2", "gates.fairness.decision_threshold: in [0, 1]. Received: 2."),
        ("protected: [depot]", "decision_threshold: [0.1, 2]", "gates.fairness.decision_threshold: in [0, 1]. Received: 2."),
        ("protected: [depot]", "decision_threshold: []", "gates.fairness.decision_threshold: at least one number."),
        ("protected: [depot]", "protected: [depot*]", 'gates.fairness.protected: "depot*" lacks a feature beside a `*`.'),
        ("difference: 0.1", "difference: null", "gates.fairness: `protected` needs a bound, such as max_equalized_odds_diff"),
        ("difference: 0.1", "difference: -1", "gates.fairness.max_equalized_odds_difference: in [0, 1]. Received: -1."),
        ("strict: false", "calibration: { bins: 1 }", "gates.calibration.bins: at least 2. Received: 1."),
        ("strict: false", "calibration: { max_base_rate_ratio: 0.5 }", "gates.calibration.max_base_rate_ratio: at least 1."),
        ("protected: [depot]", "off: true", "gates.fairness.off: Input should be a valid string. Received: true."),
        ("strict: false", "regression: { margin: -1 }", "gates.regression.margin: at least 0. Received: -1."),
        ("strict: false", "regression: { confidence: 1 }", "gates.regression.confidence: at least 0.5 and less than 1. "),
        ("strict: false", "regression: { confidence: 0.4 }", "gates.regression.confidence: at least 0.5 and less than 1. "),
        ("strict: false", "regression: { resamples: 5 }", "gates.regression.resamples: at least 100. Received: 5."),
        ("strict: false", "regression: { seed: -1 }", "gates.regression.seed: at least 0. Received: -1."),
        ("strict: false", "regression: { mode: any }", "gates.regression.mode: Input should be 'non_inferior' or 'better'."),
        ("strict: false", "regression: { metric: f1 }", "gates.regression.metric: Input should be 'auto', "),
        ('"16": 60', '"many": 60', "gates.serving.max_p99_ms: keys are batch sizes"),
        ('"16": 60', '"16": -60', "gates.serving.max_p99_ms: at least 0. Received: -60."),
        ("max_p99_ms:", "requests: 298\n    max_p99_ms:", "gates.serving.requests: at least 299. Received: 298."),
        ("max_p99_ms:", "max_memory_mb: -1\n    max_p99_ms:", "gates.serving.max_memory_mb: at least 0. Received: -1."),
        ("max_p99_ms:", "max_cold_start_s: soon\n    max_p99_ms:", "gates.serving.max_cold_start_s"),
        ("strict: false", "strict: 1", "gates.strict: Input should be a valid boolean. Received: 1."),
        ("slicing_specs:", "slices:", "evaluation.slices: not a field of tfma.EvalConfig"),
        ("label_key: late", "label_key: delay", "evaluation.model_specs: each has the label_key 'late'"),
        ("  metrics_specs:", "  options:", "evaluation.metrics_specs: at least one metric"),
        ("directory: served/parcels", "dir: x", "serving.directory: missing. Add it."),
        ("directory: served/parcels", "directory: x\n  server: parcels:8501", "serving.server: String should match pattern"),
        (
            "directory: served/parcels",
            "directory: x\n  server: http://p:8501/v1",
            "serving.server: String should match pattern",
        ),
        ("directory: served/parcels", "directory: x\n  model_config_file: m", "serving: labels move only to a version"),
        ("directory: served/parcels", "directory: x\n  labels: reload", "labels needs server"),
        (
            "directory: served/parcels",
            "directory: x\n  server: [grpc://a:8500, http://b:8501]\n  labels: reload",
            "serving: labels: reload tells servers by gRPC: each server is grpc://host:port",
        ),
        (
            "directory: served/parcels",
            "directory: x\n  server: http://a:1\n  labels: file",
            "labels: file needs model_config_file",
        ),
        (
            "directory: served/parcels",
            "directory: x\n  server: [http://a:1, b:2]",
            "serving.server: String should match pattern",
        ),
        ("directory: served/parcels", "directory: x\n  keep_versions: -1", "serving.keep_versions"),
        ("directory: served/parcels", "directory: x\n  server_wait_seconds: 0", "serving.server_wait_seconds"),
        ("  salt: parcels", "  salt: a\n  salt: b", "the key 'salt' appears twice"),
        ("name: parcels", "name: [", "is a YAML file"),
        ("splits:", "splits", "Received: line 13, column 6: could not find expected ':'."),
    ],
)
def test_bad_configuration_names_file_key_and_remedy(project_dir, old, new, expected):
    edit(project_dir, old, new)
    message = message_of(project_dir)
    assert expected in message
    assert "project.yaml" in message


RULES = """  business_rules:
    rules:
      - name: parcels of the first hour are on time
        when: { column: hour, below: 1 }
        prediction: { at_most: 0.5 }
"""


def test_business_rules_reach_the_stages(project_dir):
    edit(project_dir, "  strict: false", f"{RULES}  strict: false")
    (project_dir / "schema.pbtxt").write_text('feature { name: "hour" type: INT } feature { name: "depot" type: BYTES }')
    project = load_project(project_dir)
    rules = read_policy(project.policy_json).business_rules.rules
    assert [rule.columns for rule in read_rules(rules)] == [{"hour"}]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("column: hour", "column: hours", "gates.business_rules.rules.0: hours: no feature of schema.pbtxt."),
        ("at_most: 0.5", "at_most: half", "gates.business_rules.rules.0: prediction: bounds are numbers"),
        ("prediction:", "predicted:", "gates.business_rules.rules.0: has one of `prediction`, `never` and `monotonic`"),
        ("- name: parcels of the first hour are on time", "- nam: x", "gates.business_rules.rules.0: needs a `name`."),
    ],
)
def test_a_business_rule_that_makes_no_sense_is_told(project_dir, old, new, expected):
    edit(project_dir, "  strict: false", f"{RULES.replace(old, new)}  strict: false")
    (project_dir / "schema.pbtxt").write_text('feature { name: "hour" type: INT } feature { name: "depot" type: BYTES }')
    assert expected in message_of(project_dir)


def test_all_problems_are_listed_at_once(project_dir):
    edit(project_dir, "epochs: 3", "epochs: 0")
    edit(project_dir, "protected: [depot]", "decision_threshold: 2")
    (project_dir / "model.py").unlink()
    message = message_of(project_dir)
    assert "3 problems" in message
    assert all(key in message for key in ("training.epochs", "gates.fairness.decision_threshold", "model.py: no such file"))


@pytest.mark.parametrize("text", ["", "- a\n", "7\n"])
def test_a_file_without_keys_is_refused(project_dir, text):
    (project_dir / "project.yaml").write_text(text)
    assert "a mapping of keys to values" in message_of(project_dir)


LAUGHS = "".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12))


@pytest.mark.parametrize("text", [f"a0: &a0 ha\n{LAUGHS}", "a: &a [*a]\n"])
def test_aliases_that_grow_without_end_are_refused(project_dir, text):
    edit(project_dir, "source:", f"{text}source:")
    message = message_of(project_dir)
    assert "at most 100000 keys and values" in message
    assert "Remove aliases" in message


def test_an_alias_stands_for_what_it_names(project_dir):
    edit(project_dir, "epochs: 3", "epochs: &few 4")
    edit(project_dir, "seed: 17", "seed: *few")
    training = load_project(project_dir).training
    assert (training.epochs, training.seed) == (4, 4)


@pytest.mark.parametrize("text", [f"a: {'[' * 1_000}", "a: 2013-13-45"])
def test_yaml_that_python_cannot_hold_is_refused(project_dir, text):
    edit(project_dir, "source:", f"{text}\nsource:")
    assert "Received:" in message_of(project_dir)


def test_a_folder_without_project_is_refused(tmp_path):
    assert "A project is a folder with a project.yaml" in message_of(tmp_path)


def test_a_module_of_tfx_may_be_the_only_code_of_a_project(project_dir):
    (project_dir / "features.py").unlink()
    with pytest.raises(UserError, match=r"features\.py: no such file"):
        load_project(project_dir)
    (project_dir / "model.py").write_text("def preprocessing_fn(inputs): ...\ndef run_fn(fn_args): ...\n")
    digests = load_project(project_dir).digests
    assert digests["features.py"] == digests["model.py"]


def test_settings_of_a_run_fn_are_passed_on_as_they_are_set(project_dir):
    edit(project_dir, "training:\n", "training:\n  fn_args: { train_steps: 7, custom_config: { a: 1 } }\n")
    assert load_project(project_dir).training.fn_args.json_object == {"train_steps": 7, "custom_config": {"a": 1}}
    edit(project_dir, "train_steps: 7", "train_steps: 0, epochs: 3")
    message = message_of(project_dir)
    assert "training.fn_args.train_steps" in message
    assert "training.fn_args.epochs: not a known key" in message
