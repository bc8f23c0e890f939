import contextlib
import json
import sys
from pathlib import Path

import keras
import pyarrow as pa
import pytest
import tensorflow as tf

from components._data.examples import write_split
from components._shared.digest import digest_file
from components._shared.errors import UserError
from components._shared.gates import Verdict, read_gate_report
from components._shared.overrides import tighten
from components._shared.policy import ParityGate
from components._shared.policy_documents import hash_policy
from components._shared.required import DOCUMENTS
from components.validate_serving.executor import validate_serving

RISES = {"column": "hour", "direction": "increasing", "over": [0, 23]}
RULES = ({"name": "never certain", "prediction": {"at_most": 0.5}},)


CRASHES = """
import os, sys
from serving.__main__ import main
from serving.servable import Servable

predict = Servable.predict

def crash(servable, signature, inputs, *more):
    if "origin" in inputs and b"x" * 10_000 in inputs["origin"]:
        os.abort()
    return predict(servable, signature, inputs, *more)

Servable.predict = crash
main()
"""


@pytest.fixture(autouse=True)
def _quick_server(tmp_path, monkeypatch, forked_server):
    """Lets models be asked in a server that starts at once; a test that is about the server itself takes another."""
    (tmp_path / "quick").mkdir()
    put_server(tmp_path / "quick", monkeypatch, forked_server)


def run(project, policy, **more):
    """Runs the stage on an evaluation under the same bounds."""
    file = Path(project["evaluation"], "gates.json")
    document = json.loads(file.read_text())
    with contextlib.suppress(UserError):  # the stage meets the same error
        document["evidence"]["policy_hash"] = tighten(policy, {}, more.get("overrides")).policy_hash
    file.write_text(json.dumps(document))
    found = validate_serving(**project, eval_config={}, policy=policy, policy_hash=hash_policy(policy, {}), **more)
    report = read_gate_report(project["serving_report"])
    assert (report.evidence, report.gates) == (found.evidence, found.gates)
    record = {"training.json"} - {file.name for file in Path(project["model"]).iterdir()}
    assert set(report.documents) == set(DOCUMENTS["serving_report"]) - record
    assert report.documents["manifest.json"] == digest_file(Path(project["examples"], "manifest.json"))
    return {gate.gate: gate for gate in found.gates}


def test_another_policy_under_the_same_hash_is_refused(kit, project):
    known = {"eval_config": {}, "policy_hash": hash_policy(kit.policy(), {})}
    with pytest.raises(UserError, match="that the pipeline was compiled with"):
        validate_serving(**project, **known, policy=kit.policy(max_size_mb=900.0))
    with pytest.raises(UserError, match="that the pipeline was compiled with"):
        validate_serving(**project, **{**known, "eval_config": {"options": {}}}, policy=kit.policy())


def test_a_run_may_tighten_a_bound(kit, project):
    gates = run(project, kit.policy(), overrides={"serving": {"max_size_mb": 0.000001}})

    assert [gates[name].verdict for name in ("serving", "parity")] == [Verdict.FAILED, Verdict.PASSED]
    assert read_gate_report(project["serving_report"]).evidence.policy_hash != hash_policy(kit.policy(), {})


def test_a_sound_model_passes_every_gate(kit, project, monkeypatch):
    monkeypatch.setenv("PATH", "")  # no tensorflow_model_server there

    gates = run(project, kit.policy())

    assert [gate.verdict for gate in gates.values()] == [Verdict.PASSED] * 3 + [Verdict.NOT_APPLICABLE]
    document = json.loads(Path(project["serving_report"], "serving_report.json").read_text())
    assert document["server"].startswith("the local server on TensorFlow 2.")
    assert document["measured"]["peak_mb"] > 100
    assert 0 < document["measured"]["seconds"]["cold_start"] < document["seconds"] - document["measured"]["seconds"]["import"]
    assert [item["batch_size"] for item in document["latency"]] == [1, 16, 64, 128]
    page = Path(project["report"]).read_text()
    assert "<script" not in page
    assert "http" not in page
    assert "&lt;b&gt;|" in page
    assert "(no tensorflow_model_server on the PATH)" in page


def test_another_prediction_and_another_feature_fail_parity_and_are_shown(kit, project, good_model, tmp_path):
    predictions = kit.expected()
    predictions[2] += 0.25
    kit.write_evaluation(tmp_path / "evaluation", good_model, predictions)
    hours = pa.array([(hour + (hour == 11)) % 24 for hour in range(40)], pa.int64())
    kit.write_transformed(Path(project["transformed_examples"]), hour_id=hours)

    gates = run(project, kit.policy(parity=ParityGate(rows=30, transform_off="only a run_fn's model may go without")))

    assert (gates["serving"].verdict, gates["parity"].verdict) == (Verdict.PASSED, Verdict.FAILED)
    assert "1 of 30 rows" in gates["parity"].reason
    assert "Serving transforms raw rows otherwise than training did" in gates["parity"].reason
    document = json.loads(Path(project["serving_report"], "serving_report.json").read_text())
    worst, (row,) = document["worst_rows"][0], document["differing_features"]
    assert (worst["row"], worst["values"]) == (2, {"origin": "<b>|", "hour": "2", "seats": worst["values"]["seats"]})
    assert (row["feature"], row["row"], row["training"], row["serving"]) == ("hour_id", 11, "12", "11")
    assert "Features whose transform differs" in Path(project["report"]).read_text()


def test_a_model_that_divides_by_the_greatest_of_its_batch_fails_parity_and_is_shown(kit, project, tmp_path):
    kit.export(tmp_path / "model", kit.greatest)
    kit.write_evaluation(tmp_path / "evaluation", tmp_path / "model", kit.expected(kit.greatest))

    gates = run({**project, "model": str(tmp_path / "model")}, kit.policy())

    assert (gates["serving"].verdict, gates["parity"].verdict) == (Verdict.PASSED, Verdict.FAILED)
    told = "The answer depends on the other rows of the request: asked one by one, 39 of 40 rows differ; the largest"
    assert gates["parity"].reason.startswith(told)
    assert "use TFT's analyzers, or training=False. The served model makes the same 4" in gates["parity"].reason
    worst = json.loads(Path(project["serving_report"], "serving_report.json").read_text())["worst_rows"][0]
    assert worst["answers"]["raw tensors, one by one"] == pytest.approx(1)
    assert worst["answers"]["raw tensors"] == pytest.approx(worst["evaluation"], abs=1e-6)
    assert "raw tensors, one by one</th>" in Path(project["report"]).read_text()


def test_a_transform_that_divides_by_the_greatest_of_its_batch_fails_parity_by_its_feature(kit, project, tmp_path):
    kit.export(tmp_path / "model", transform=kit.transform_by_greatest)
    kit.write_evaluation(tmp_path / "evaluation", tmp_path / "model")
    logits = pa.array(kit.transform_by_greatest(kit.raw_rows())["logit"].numpy())
    kit.write_transformed(Path(project["transformed_examples"]), logit=logits)

    gates = run({**project, "model": str(tmp_path / "model")}, kit.policy())

    assert (gates["serving"].verdict, gates["parity"].verdict) == (Verdict.PASSED, Verdict.FAILED)
    told = "The transform depends on the other rows of the request: asked one by one, 1 of 4 features differ: logit."
    assert gates["parity"].reason.startswith(told)
    rows = json.loads(Path(project["serving_report"], "serving_report.json").read_text())["differing_features"]
    assert {row["feature"] for row in rows} == {"logit, one by one"}


@pytest.mark.parametrize(("name", "predict"), [("SPECIES", "species"), ("PRICE", "price")])
def test_every_kind_of_label_is_judged_by_every_gate(kit, project, tmp_path, name, predict):
    label, predict = getattr(kit, name), getattr(kit, predict)
    kit.write_project(tmp_path, label)
    kit.export(tmp_path / "model", lambda raw: predict(kit.near(raw)), label=label)
    kit.write_evaluation(tmp_path / "evaluation", tmp_path / "model", kit.expected(predict))
    policy = kit.policy(rules=({"name": "rises", "monotonic": RISES | ({"class": "Adelie"} if label.classes else {})},))
    policy["robustness"].update(max_mean_change=1, max_p99_change=1, max_range_factor=10_000_000)  # the labels are 0 and 1

    gates = run({**project, "model": str(tmp_path / "model")}, policy)

    assert {gate.verdict for gate in gates.values()} == {Verdict.PASSED}, gates


def test_a_rule_that_does_not_suit_the_label_is_refused(kit, project):
    with pytest.raises(UserError, match="a binary label has no class 'Gentoo'"):
        run(project, kit.policy(rules=({"name": "x", "never": "Gentoo"},)))


def put_server(folder, monkeypatch, lines):
    """Puts a `tensorflow_model_server` on the PATH that tells its version, and else does as the lines say."""
    script = folder / "bin" / "tensorflow_model_server"
    script.parent.mkdir()
    version = "[ $1 = --version ] && echo TensorFlow ModelServer: 2.16.1-rc0 && echo TensorFlow Library: 2.16.1 && exit"
    script.write_text(f"#!/bin/sh\n{version}\necho $@ > {folder / 'flags'}\n{lines}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")


def test_the_server_on_the_path_is_asked_with_flags_of_its_own(kit, project, tmp_path, monkeypatch):
    put_server(tmp_path, monkeypatch, f'exec {sys.executable} -m serving "$@"')

    gates = run(project, kit.policy())

    assert [gate.verdict for gate in gates.values()] == [Verdict.PASSED] * 3 + [Verdict.NOT_APPLICABLE]
    document = json.loads(Path(project["serving_report"], "serving_report.json").read_text())
    assert document["server"] == "tensorflow_model_server 2.16.1-rc0"
    assert document["measured"]["seconds"]["cold_start"] > 1  # with the imports: the binary has none
    assert "import" not in document["measured"]["seconds"]
    assert "tensorflow_model_server 2.16.1-rc0" in Path(project["report"]).read_text()
    flags = [flag.partition("=")[0] for flag in (tmp_path / "flags").read_text().split()]
    known = ("port", "rest_api_port", "model_name", "model_base_path", "file_system_poll_wait_seconds", "max_num_load_retries")
    assert flags == [f"--{name}" for name in known]


def test_a_server_that_a_probe_ends_says_no_and_names_the_probe(kit, project, tmp_path, monkeypatch):
    (tmp_path / "crashes.py").write_text(CRASHES)
    put_server(tmp_path, monkeypatch, f'PYTHONPATH=$PWD exec {sys.executable} {tmp_path / "crashes.py"} "$@"')

    gates = run(project, kit.policy(rules=RULES))

    told = "The server was ended by signal 6. It was asked for: the probe origin, very long text."
    assert [gate.verdict for gate in gates.values()] == [Verdict.FAILED, Verdict.PASSED, Verdict.FAILED, Verdict.FAILED]
    assert gates["serving"].reason == told
    assert gates["robustness"].reason.startswith(f"origin, very long text: {told}")
    assert told in gates["business_rules"].reason
    assert "Running gRPC ModelServer" in Path(project["report"]).read_text()  # the log


def test_a_server_that_never_has_the_model_fails_every_gate(kit, project, tmp_path, monkeypatch):
    put_server(tmp_path, monkeypatch, "echo still loading\nexec sleep 60")

    gates = run(project, kit.policy(rules=RULES), timeout_seconds=1)

    assert {gate.verdict for gate in gates.values()} == {Verdict.FAILED}
    assert "The model was not AVAILABLE within 1 seconds." in gates["serving"].reason
    assert "still loading" in Path(project["report"]).read_text()


def test_a_server_that_cannot_be_started_fails_every_gate(kit, project, tmp_path, monkeypatch):
    put_server(tmp_path, monkeypatch, "")
    (tmp_path / "bin" / "tensorflow_model_server").write_bytes(b"\x7fELF of another machine")

    gates = run(project, kit.policy(rules=RULES))

    assert {gate.verdict for gate in gates.values()} == {Verdict.FAILED}
    assert gates["serving"].reason.startswith("The server cannot be started")


def test_a_model_that_does_not_load_fails_with_the_log(kit, project, tmp_path):
    (tmp_path / "model" / "Format-Serving").mkdir(parents=True)
    (tmp_path / "model" / "Format-Serving" / "saved_model.pb").write_bytes(b"\xff not a model")
    kit.write_evaluation(tmp_path / "evaluation", tmp_path / "model")

    gates = run({**project, "model": str(tmp_path / "model")}, kit.policy(rules=RULES))

    assert {gate.verdict for gate in gates.values()} == {Verdict.FAILED}
    assert "does not load" in gates["serving"].reason
    assert "What the server said last" in Path(project["report"]).read_text()


def test_a_model_whose_variables_a_server_does_not_restore_fails(kit, project, tmp_path):
    """A tf.Module that tracks a Keras 3 model saves its variables under two names; the graph's stay empty in a server."""
    module = tf.Module()
    module.model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1, activation="sigmoid")])

    def predict(raw):
        return module.model(tf.cast(raw["hour"], tf.float32)[:, tf.newaxis])[:, 0]

    model = kit.export(tmp_path / "model", predict, module=module)
    loaded = tf.saved_model.load(model / "Format-Serving")  # TensorFlow itself does not mind
    wanted = loaded.signatures["serving_default"](**kit.raw_rows())["probability"].numpy()
    kit.write_evaluation(tmp_path / "evaluation", model, wanted)

    gates = run({**project, "model": str(model)}, kit.policy())

    assert gates["serving"].verdict is Verdict.FAILED
    assert "does not load" in gates["serving"].reason
    assert "FAILED_PRECONDITION" in gates["serving"].reason


def test_an_empty_test_split_fails_every_gate(kit, project, tmp_path):
    write_split(tmp_path / "examples", "test", kit.rows_table().slice(0, 0))
    kit.write_project(tmp_path)

    gates = run(project, kit.policy(rules=RULES))

    assert {gate.verdict for gate in gates.values()} == {Verdict.FAILED}
    assert gates["serving"].reason == "The test split has no rows to send."


def test_broken_probes_and_rules_are_on_the_page(kit, project, tmp_path):
    kit.export(tmp_path / "model", lambda raw: tf.where(raw["seats"] == 0, float("nan"), kit.good(raw)))
    kit.write_evaluation(tmp_path / "evaluation", tmp_path / "model")

    gates = run({**project, "model": str(tmp_path / "model")}, kit.policy(rules=RULES))

    assert [gate.verdict for gate in gates.values()] == [Verdict.PASSED, Verdict.PASSED, Verdict.FAILED, Verdict.FAILED]
    document = json.loads(Path(project["serving_report"], "serving_report.json").read_text())
    assert [item["probe"] for item in document["broken_probes"]] == ["seats, zero"]
    assert document["broken_probes"][0]["values"]["seats"] == "0"
    assert {item["rule"] for item in document["broken_rules"]} == {"never certain"}
    page = Path(project["report"]).read_text()
    assert all(text in page for text in ("robustness and business rules", "seats, zero", "Rows that break a business rule"))


def test_what_belongs_to_gates_that_are_switched_off_is_not_asked(kit, project):
    policy = kit.policy(parity=ParityGate(off="the model is a stub"), rules=RULES)
    policy["robustness"]["off"] = policy["business_rules"]["off"] = "the model is a stub"

    gates = run(project, policy)

    assert {gates[name].verdict for name in ("parity", "robustness", "business_rules")} == {Verdict.SWITCHED_OFF}
    assert not any("one by one" in item.name for item in gates["parity"].measurements)
    document = json.loads(Path(project["serving_report"], "serving_report.json").read_text())
    assert document["measured"]["unanswered"] == {}
    assert "groupings" not in document["measured"]["seconds"]
    assert gates["robustness"].measurements == ()


def test_a_rule_that_makes_no_sense_is_refused(kit, project):
    with pytest.raises(UserError, match="one of the three forms"):
        run(project, kit.policy(rules=({"name": "x"},)))


def test_a_gate_that_is_switched_off_says_so(kit, project, tmp_path):
    write_split(tmp_path / "examples", "test", kit.rows_table().slice(0, 0))
    kit.write_project(tmp_path)

    gates = run(project, kit.policy(off="latency is tested elsewhere"))

    assert gates["serving"].verdict is Verdict.SWITCHED_OFF
    assert gates["serving"].reason == "Switched off: latency is tested elsewhere"
    assert gates["parity"].verdict is Verdict.FAILED


@pytest.mark.parametrize(
    "serving", [{"max_p99_ms": {"one": 5.0}}, {"max_p99_ms": {}}, {"max_p99_ms": {"0": 5.0}}, {"requests": 298}]
)
def test_a_bound_that_cannot_be_measured_is_refused(kit, project, serving):
    with pytest.raises(UserError):
        run(project, kit.policy(**serving))


def test_parity_over_no_rows_is_refused(kit, project):
    with pytest.raises(UserError, match=r"`parity.rows` is at least 1"):
        run(project, kit.policy(parity=ParityGate(rows=0)))


def test_a_column_that_the_examples_lack_is_refused(kit, project, tmp_path):
    write_split(tmp_path / "examples", "test", kit.rows_table().drop(["hour"]))
    kit.write_project(tmp_path)

    with pytest.raises(UserError, match="every SERVING feature"):
        run(project, kit.policy())


def test_a_corrupt_shard_is_refused(kit, project, tmp_path):
    (tmp_path / "examples" / "Split-test" / "part-00000.parquet").write_bytes(b"PAR1 cut off")

    gates = Path(project["serving_report"], "gates.json")
    gates.parent.mkdir()
    gates.write_text("of an older run")

    with pytest.raises(UserError, match="split 'test' are not those that were ingested"):
        run(project, kit.policy())
    assert not gates.exists()


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_a_baseline_that_cannot_be_read_is_refused(kit, project, tmp_path, content):
    (tmp_path / "baseline" / "baseline.json").write_text(content)

    with pytest.raises(UserError, match=r"baseline\.json"):
        run(project, kit.policy())
