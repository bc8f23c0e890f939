import contextlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest
import tensorflow as tf

from components._data.examples import write_split
from components._shared.errors import UserError
from components._shared.gates import Verdict, read_gate_report
from components._shared.overrides import tighten
from components._shared.policy import ParityGate, hash_policy
from components.validate_serving.client import run_job
from components.validate_serving.executor import validate_serving
from components.validate_serving.job import Job

RISES = {"column": "hour", "direction": "increasing", "over": [0, 23]}
RULES = ({"name": "never certain", "prediction": {"at_most": 0.5}},)


def run(project, policy, **more):
    """Runs the stage on an evaluation under the same bounds."""
    file = Path(project["evaluation"], "gates.json")
    document = json.loads(file.read_text())
    with contextlib.suppress(UserError):  # the stage meets the same error
        document["evidence"]["policy_hash"] = tighten(policy, {}, more.get("overrides")).policy_hash
    file.write_text(json.dumps(document))
    found = validate_serving(**project, eval_config={}, policy=policy, policy_hash=hash_policy(policy, {}), **more)
    assert read_gate_report(project["serving_report"]) == found
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


def test_a_sound_model_passes_every_gate(kit, project):
    gates = run(project, kit.policy())

    assert [gate.verdict for gate in gates.values()] == [Verdict.PASSED] * 3 + [Verdict.NOT_APPLICABLE]
    document = json.loads(Path(project["serving_report"], "serving_report.json").read_text())
    memory, seconds = document["measured"]["memory"], document["measured"]["seconds"]
    assert memory["peak_mb"] - memory["before_load_mb"] == memory["added_mb"] > 1
    assert seconds["cold_start"] > seconds["load"] > 0
    assert seconds.keys() >= {"import", "warmup"}
    assert [item["batch_size"] for item in document["latency"]] == [1, 16, 64, 128]
    page = Path(project["report"]).read_text()
    assert "<script" not in page
    assert "http" not in page
    assert "&lt;b&gt;|" in page


def test_another_prediction_fails_parity_and_shows_the_row(kit, project, good_model, tmp_path):
    predictions = kit.expected()
    predictions[2] += 0.25
    kit.write_evaluation(tmp_path / "evaluation", good_model, predictions)

    gates = run(project, kit.policy(parity=ParityGate(rows=30)))

    assert (gates["serving"].verdict, gates["parity"].verdict) == (Verdict.PASSED, Verdict.FAILED)
    assert "1 of 30 rows" in gates["parity"].reason
    worst = json.loads(Path(project["serving_report"], "serving_report.json").read_text())["worst_rows"][0]
    assert (worst["row"], worst["values"]) == (2, {"origin": "<b>|", "hour": "2", "seats": worst["values"]["seats"]})


def test_features_that_training_saw_otherwise_fail_parity_and_are_on_the_page(kit, project):
    hours = pa.array([(hour + (hour == 11)) % 24 for hour in range(40)], pa.int64())
    kit.write_transformed(Path(project["transformed_examples"]), hour_id=hours)

    gates = run(project, kit.policy())

    assert (gates["serving"].verdict, gates["parity"].verdict) == (Verdict.PASSED, Verdict.FAILED)
    assert gates["parity"].reason.startswith("Serving transforms raw rows otherwise than training did")
    document = json.loads(Path(project["serving_report"], "serving_report.json").read_text())
    (row,) = document["differing_features"]
    assert (row["feature"], row["row"], row["training"], row["serving"]) == ("hour_id", 11, "12", "11")
    assert "Features whose transform differs" in Path(project["report"]).read_text()


@pytest.mark.parametrize(("name", "predict"), [("SPECIES", "species"), ("PRICE", "price")])
def test_every_kind_of_label_is_judged_by_every_gate(kit, project, tmp_path, name, predict):
    label, predict = getattr(kit, name), getattr(kit, predict)
    kit.write_project(tmp_path, label)
    kit.export(tmp_path / "model", lambda raw: predict(kit.near(raw)), label=label)
    kit.write_evaluation(tmp_path / "evaluation", tmp_path / "model", kit.expected(predict))
    policy = kit.policy(rules=({"name": "rises", "monotonic": RISES | ({"class": "Adelie"} if label.classes else {})},))
    policy["robustness"].update(max_mean_change=1, max_p99_change=1)

    gates = run({**project, "model": str(tmp_path / "model")}, policy)

    assert {gate.verdict for gate in gates.values()} == {Verdict.PASSED}, gates


def test_a_rule_that_does_not_suit_the_label_is_refused(kit, project):
    with pytest.raises(UserError, match="a binary label has no class 'Gentoo'"):
        run(project, kit.policy(rules=({"name": "x", "never": "Gentoo"},)))


def test_a_model_that_never_answers_is_ended_and_fails_every_gate(kit, project, tmp_path):
    def forever(raw):
        return tf.while_loop(lambda _: True, lambda x: (x + 1.0,), (tf.cast(raw["hour"], tf.float32),))[0]

    kit.export(tmp_path / "model", forever)
    kit.write_evaluation(tmp_path / "evaluation", tmp_path / "model")

    gates = run({**project, "model": str(tmp_path / "model")}, kit.policy(rules=RULES), timeout_seconds=15)

    assert {gate.verdict for gate in gates.values()} == {Verdict.FAILED}
    assert gates["serving"].reason == "The fresh process did not finish within 15 seconds."
    assert "Timeout" in Path(project["report"]).read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="finds the process in /proc")
def test_a_process_that_is_killed_fails_with_the_signal(kit, project, good_model, tmp_path):
    task = Job(
        model=str(good_model / "Format-Serving"),
        schema=project["schema"],
        label=kit.LATE,
        batch_sizes=(1,),
        requests=1,
        timeout_seconds=60,
    )
    killer = threading.Thread(target=kill_worker)
    killer.start()

    outcome = run_job(task, kit.rows_table())

    killer.join()
    assert outcome.measured is None
    assert outcome.failure == "The fresh process was ended by signal 9."


def kill_worker():
    """Kills the child of this process that runs the worker, as soon as there is one."""
    for _ in range(200):
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it ended while we looked
                parent = process.joinpath("stat").read_text().rpartition(")")[2].split()[1]
                if int(parent) == os.getpid() and b"validate_serving.worker" in process.joinpath("cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
                    return
        time.sleep(0.05)


def test_a_model_that_does_not_load_fails_with_the_log(kit, project, tmp_path):
    (tmp_path / "model" / "Format-Serving").mkdir(parents=True)
    (tmp_path / "model" / "Format-Serving" / "saved_model.pb").write_bytes(b"\xff not a model")
    kit.write_evaluation(tmp_path / "evaluation", tmp_path / "model")

    gates = run({**project, "model": str(tmp_path / "model")}, kit.policy(rules=RULES))

    assert {gate.verdict for gate in gates.values()} == {Verdict.FAILED}
    assert "does not load" in gates["serving"].reason


def test_an_empty_test_split_fails_every_gate(kit, project, tmp_path):
    write_split(tmp_path / "examples", "test", kit.rows_table().slice(0, 0))

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


def test_a_gate_that_is_switched_off_is_not_asked(kit, project, tmp_path):
    policy = kit.policy(rules=RULES)
    policy["robustness"]["off"] = policy["business_rules"]["off"] = "the model is a stub"

    gates = run(project, policy)

    assert {gates[name].verdict for name in ("robustness", "business_rules")} == {Verdict.SWITCHED_OFF}
    document = json.loads(Path(project["serving_report"], "serving_report.json").read_text())
    assert document["measured"]["unanswered"] == {}
    assert gates["robustness"].measurements == ()


def test_a_rule_that_makes_no_sense_is_refused(kit, project):
    with pytest.raises(UserError, match="one of the three forms"):
        run(project, kit.policy(rules=({"name": "x"},)))


def test_a_gate_that_is_switched_off_says_so(kit, project, tmp_path):
    write_split(tmp_path / "examples", "test", kit.rows_table().slice(0, 0))

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

    with pytest.raises(UserError, match="every SERVING feature"):
        run(project, kit.policy())


def test_a_corrupt_shard_is_refused(kit, project, tmp_path):
    (tmp_path / "examples" / "Split-test" / "part-00000.parquet").write_bytes(b"PAR1 cut off")

    gates = Path(project["serving_report"], "gates.json")
    gates.parent.mkdir()
    gates.write_text("of an older run")

    with pytest.raises(UserError):
        run(project, kit.policy())
    assert not gates.exists()


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_a_baseline_that_cannot_be_read_is_refused(kit, project, tmp_path, content):
    (tmp_path / "baseline" / "baseline.json").write_text(content)

    with pytest.raises(UserError, match=r"baseline\.json"):
        run(project, kit.policy())
