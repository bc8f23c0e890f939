import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tensorflow_metadata.proto.v0 import statistics_pb2

from components._data.integrity import digest_split
from components._shared.artifacts import SPLITS
from components._shared.digest import digest_file, digest_model
from components._shared.gates import APPROVAL_GATE, EVIDENCE_GATE, Evidence, GateReport, GateResult, Measurement
from components._shared.overrides import tighten
from components._shared.policy import Policy
from components._shared.policy_documents import hash_policy, policy_to_json, read_policy
from components._shared.required import REQUIRED

REPOSITORY = Path(__file__).parents[3]
DEADLINE = "2026-03-09T12:00:00+00:00"
JUDGED = (("examples", "manifest.json"), ("model", "training.json"), ("evaluation", "evaluation.json"))
SCHEMA = 'feature { name: "x" type: FLOAT presence { min_fraction: 1 } shape {} }'
GATES = (*(field.name for field in dataclasses.fields(Policy)), EVIDENCE_GATE)


def write_files(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))


def write_statistics(root):
    for split in SPLITS:
        numbers = statistics_pb2.DatasetFeatureStatisticsList()
        numbers.datasets.add(name=split, num_examples=3)
        path = root / f"statistics/Split-{split}/FeatureStats.pb"
        path.parent.mkdir(parents=True)
        path.write_bytes(numbers.SerializeToString(deterministic=True))


def write_reports(root, evidence):
    """Writes every report, in which each gate passed, and returns their digests by artifact."""
    measured = (Measurement(name="auc", value=0.75, lower_bound=0.5, passed=True),)
    for artifact, stage in {required.artifact: required.stage for required in REQUIRED}.items():
        names = [required.gate for required in REQUIRED if required.artifact == artifact]
        results = tuple(GateResult(gate=name, verdict="passed", reason="fine", measurements=measured) for name in names)
        GateReport(stage=stage, evidence=Evidence(**evidence), gates=results).write(root / artifact)
    return {required.artifact: digest_file(root / required.artifact / "gates.json") for required in REQUIRED}


def make_gates(status, digests):
    """Returns the gates of a decision."""
    verdicts = {APPROVAL_GATE: "pending" if status == "pending" else "not_applicable"}
    known = {
        required.gate: {
            "stage": required.stage,
            "evidence_file": f"{required.artifact}/gates.json",
            "evidence_digest": digests[required.artifact],
        }
        for required in REQUIRED
    }
    own = {"stage": "decide_release", "evidence_file": "", "evidence_digest": ""}
    told = [{"gate": name, "verdict": verdicts.get(name, "passed"), "reason": f"{name} is fine"} for name in GATES]
    return [{**known.get(gate["gate"], own), **gate} for gate in told]


def write_rows(root, rows, predictions):
    """Writes test rows of the one feature x with their predictions, and returns what the manifest says of them."""
    (root / "examples/Split-test").mkdir(parents=True)
    pq.write_table(pa.table({"x": rows}), root / "examples/Split-test/part-00000.parquet")
    (root / "evaluation").mkdir()
    pq.write_table(pa.table({"candidate": predictions.astype(np.float32)}), root / "evaluation/predictions.parquet")
    return {
        "label": "late",
        "label_kind": "binary",
        "splits": {"test": {"rows": len(rows), "files": digest_split(root / "examples", "test")}},
    }


def write_artifacts(root, weights="w1", baseline=("", ""), served=None, rows=None, policy=None, overrides=None, **changes):
    """Writes all that push_model reads, and returns its keyword arguments. `changes` go into decision.json."""
    saved_model = {"saved_model.pb": "graph", "variables/variables.data": weights, "assets/vocabulary": "AA\nUA\n"}
    if served:
        shutil.copytree(served, root / "model/Format-Serving")
    else:
        write_files(root / "model/Format-Serving", saved_model)
    digest = digest_model(root / "model/Format-Serving")
    facts = {"model_digest": digest, "data_version": "sha256:data"}
    compiled = {"policy": policy_to_json(read_policy(policy or {})), "eval_config": {"options": {}}}
    bounds = tighten(**compiled, overrides=overrides)
    write_files(root / "schema", {"schema.pbtxt": SCHEMA})
    training = {**facts, "schema_hash": digest_file(root / "schema/schema.pbtxt")}
    write_files(root / "model", {"training.json": {**training, "seed": 7, "epochs_run": 3, "hyperparameters": {"units": 8}}})
    manifest = {"data_version": "sha256:data", "spans": [1, 2], "splits": {"train": {"rows": 1200}}, "fingerprint": "sha256:f"}
    manifest |= write_rows(root, *rows) if rows else {}
    write_files(root / "examples", {"manifest.json": manifest})
    write_statistics(root)
    write_files(root / "statistics", {"statistics.json": {"data_version": "sha256:data"}})
    evaluated = {**facts, "eval_config": bounds.eval_config, "rows": 100, "metrics": {"candidate": {"auc": 0.75}}}
    write_files(root / "evaluation", {"evaluation.json": evaluated})
    reports = write_reports(root, {**facts, "policy_hash": bounds.policy_hash, "baseline_version": baseline[0]})
    status = changes.get("status", "approved" if changes.get("approved", True) else "refused")
    decision = {
        "format": "sluice/decision/1",
        "approved": status == "approved",
        "status": status,
        "deadline": DEADLINE if status == "pending" else "",
        "reason": "All gates passed.",
        **facts,
        "policy_hash": bounds.policy_hash,
        "policy": bounds.document,
        "overrides": list(bounds.overrides),
        "baseline_version": baseline[0],
        "baseline_pushed_digest": baseline[1],
        "gates": make_gates(status, reports),
        "documents": {name: digest_file(root / folder / name) for folder, name in JUDGED},
        "lineage": {"spans": [1, 2], "features_hash": "sha256:features", "metrics": {"auc": 0.75}},
        **changes,
    }
    blessing = "BLESSED" if decision["approved"] else "NOT_BLESSED"
    write_files(root / "decision", {"decision.json": decision, blessing: ""})
    inputs = ("model", "decision", "examples", "statistics", "schema", "anomalies", "evaluation", "serving_report")
    paths = {name: str(root / name) for name in (*inputs, "pushed")} | {"serving_dir": str(root.parent / "serving")}
    judged_by = {**compiled, "policy_hash": hash_policy(compiled["policy"], compiled["eval_config"])}
    server = {"server": "", "server_required": False, "model_name": "m", "server_wait_seconds": 20, "labels": ""}
    settings = {"model_config_file": "", "keep_versions": 0, "strict": False}
    return paths | judged_by | {"overrides": overrides or {}} | server | settings


@pytest.fixture
def make_artifacts(tmp_path):
    return lambda name="run", **options: write_artifacts(tmp_path / name, **options)


@pytest.fixture
def make_flags(tmp_path):
    """Returns a function that returns keyword arguments of push_model as a command line, strict."""

    def make(options, name="run"):
        options = {**options, "strict": True, "pushed_version": str(tmp_path / name / "version")}
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in options.items()}
        return [text for name, value in texts.items() for text in (f"--{name}", value)]

    return make


@pytest.fixture
def start_python():
    """Starts a Python program that can import the components, without TensorFlow or anything else that is slow."""

    def start(*arguments, **options):
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=REPOSITORY,
            env=environment,
            text=True,
            stderr=subprocess.PIPE,
            **options,
        )

    return start
