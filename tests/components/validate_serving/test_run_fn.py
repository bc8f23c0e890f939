"""Models that a run_fn exported, which take serialized tf.Examples in serving_default."""

import json

import numpy as np
import pytest
import tensorflow as tf

from components._data.schema import read_schema
from components._shared.gates import GateResult, Verdict
from components._shared.label import LabelSpec
from components._shared.overrides import tighten
from components._shared.policy import ParityGate, RobustnessGate
from components._shared.policy_documents import hash_policy
from components._tf.interface import read_interface
from components.validate_serving.executor import validate_serving
from components.validate_serving.job import EXAMPLES, RAW, REST, Job, Measured, Samples, ways_of
from components.validate_serving.parity import Parity, without_transform
from components.validate_serving.perturbations import MISSING, plan_probes
from components.validate_serving.probes import ask_everything


def export(kit, path, *, transform=None, logits=False):
    """Saves a model as TFX's modules do; its features have other names than the raw ones."""

    def answer(raw):
        value = (kit.logits if logits else kit.good)(kit.near(raw))
        return {"logits" if logits else "outputs": value[:, tf.newaxis]}

    functions = {"serving_default": lambda serialized: answer(kit.parse(serialized))}
    if transform:
        functions["transform_features"] = transform
    spec = tf.TensorSpec([None], tf.string, name="serialized")
    signatures = {name: tf.function(function).get_concrete_function(spec) for name, function in functions.items()}
    tf.saved_model.save(tf.Module(), str(path / "Format-Serving"), signatures=signatures)
    (path / "training.json").write_text(json.dumps({"trained_by": "run_fn", "features": ["hour_id"]}))
    return path


def write_warmup(kit, path, schema):
    from components._tf.export import write_warmup

    folder = path / "Format-Serving"
    write_warmup(folder, kit.rows_table(), read_schema(schema), read_interface(folder, read_schema(schema), kit.LATE))


@pytest.fixture
def judge(kit, project, tmp_path):
    """Runs the stage on a model without transform_features and returns the gates by name."""

    def run(**parity):
        model = export(kit, tmp_path / "tfx")
        write_warmup(kit, model, project["schema"])
        kit.write_evaluation(tmp_path / "evaluation", model, kit.expected(lambda raw: kit.good(kit.near(raw))))
        policy = kit.policy(parity=ParityGate(**parity))
        file = tmp_path / "evaluation" / "gates.json"
        document = json.loads(file.read_text())
        document["evidence"]["policy_hash"] = tighten(policy, {}, None).policy_hash
        file.write_text(json.dumps(document))
        stage = project | {"model": str(model)}
        found = validate_serving(**stage, eval_config={}, policy=policy, policy_hash=hash_policy(policy, {}))
        return {gate.gate: gate for gate in found.gates}

    return run


def test_a_model_without_transform_features_serves_and_has_no_parity(judge):
    gates = judge()
    assert gates["serving"].verdict is Verdict.PASSED, gates["serving"].reason
    assert gates["robustness"].verdict is Verdict.PASSED, gates["robustness"].reason
    assert gates["parity"].verdict is Verdict.FAILED
    assert "no signature 'transform_features'" in gates["parity"].reason
    assert "All 40 rows get the same prediction" in gates["parity"].reason
    names = [item.name for item in gates["parity"].measurements]
    assert "largest difference: serving_default, serialized tf.Example over REST" in names
    assert not [name for name in names if "raw tensors" in name]


def test_parity_rests_on_the_predictions_where_a_reason_is_given(judge):
    parity = judge(transform_off="seen in the review of May")["parity"]
    assert parity.verdict is Verdict.PASSED
    assert "seen in the review of May" in parity.reason


@pytest.fixture
def ask(kit, project, tmp_path):
    """Asks a model everything: what was seen, the answers, the transformed rows."""

    def run(**changes):
        model, schema = export(kit, tmp_path / "tfx", **changes), read_schema(project["schema"])
        interface = read_interface(model / "Format-Serving", schema, kit.LATE)
        rows = kit.rows_table()
        task = Job(
            model=str(model / "Format-Serving"),
            schema=schema,
            label=kit.LATE,
            interface=interface,
            batch_sizes=(1,),
            requests=3,
            timeout_seconds=60,
        )
        seen = Measured()
        with kit.served(model) as client:
            samples = Samples(rows=rows, to_transform=rows, robustness=rows, rules=rows)
            return seen, *ask_everything(client, task, samples, seen, lambda: 100.0)

    return run


def test_transform_features_may_ask_for_the_label(kit, ask):
    def transform(serialized):
        spec = {"late": tf.io.FixedLenFeature([], tf.int64), "hour": tf.io.FixedLenFeature([], tf.int64)}
        parsed = tf.io.parse_example(serialized, spec)
        return {"hour_id": parsed["hour"] % 24, "late_xf": parsed["late"]}

    seen, _, transformed, alone = ask(transform=transform)
    assert "transform" not in seen.problems
    assert transformed["late_xf"].to_pylist() == kit.rows_table()["late"].to_pylist()
    assert alone.num_rows == 40


def test_logits_are_compared_as_probabilities(kit, ask):
    _, answers, _, _ = ask(logits=True)
    wanted = kit.expected(lambda raw: kit.good(kit.near(raw)))
    for way in (REST, EXAMPLES):
        np.testing.assert_allclose(answers[way], wanted, rtol=1e-5)
    assert RAW not in answers


def test_raw_tensors_without_tf_examples_have_two_ways(kit, project, tmp_path):
    specs = {name: kit.RAW[name] for name in ("hour", "seats")}
    signature = tf.function(lambda **raw: {"outputs": raw["seats"]}).get_concrete_function(**specs)
    tf.saved_model.save(tf.Module(), str(tmp_path / "raw"), signatures={"serving_default": signature})
    interface = read_interface(tmp_path / "raw", read_schema(project["schema"]), LabelSpec(name="late"))
    assert sorted(interface.raw) == ["hour", "seats"]
    assert set(ways_of(interface)) == {RAW, REST}


def test_probes_keep_to_the_ways_that_a_model_has(project):
    schema = read_schema(project["schema"])
    missing = {
        way: [p for p in plan_probes(schema, RobustnessGate(), ways) if p.change == MISSING] for way, ways in WAYS.items()
    }
    assert [probe.feature for probe in missing["serialized"]] == ["origin", "hour", "seats"]
    assert [(probe.feature, probe.way) for probe in missing["raw"]] == [("seats", RAW)]
    nan = {
        way: [p.judged for p in plan_probes(schema, RobustnessGate(), ways) if p.kind == "NaN"] for way, ways in WAYS.items()
    }
    assert nan == {"serialized": [False], "raw": [True]}


WAYS = {"serialized": (REST, EXAMPLES), "raw": (RAW, REST)}


def test_a_project_may_say_why_features_are_not_compared():
    passed = Parity(result=GateResult(gate="parity", verdict=Verdict.PASSED, reason="All 40 rows."))
    failed = Parity(result=GateResult(gate="parity", verdict=Verdict.FAILED, reason="2 rows differ."))
    found = [without_transform(parity, "The module has none.").result for parity in (passed, failed)]
    assert [result.verdict for result in found] == [Verdict.PASSED, Verdict.FAILED]
    assert found[0].reason == "All 40 rows. Transformed features are not compared: The module has none."
    assert found[0].measurements[-1].passed is None
