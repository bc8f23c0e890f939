import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from components._shared.digest import digest_file, digest_model
from components._shared.gates import APPROVAL_GATE, EVIDENCE_GATE
from components._shared.policy import Policy

REPOSITORY = Path(__file__).parents[3]
DEADLINE = "2026-03-09T12:00:00+00:00"
GATES = (*(field.name for field in dataclasses.fields(Policy)), EVIDENCE_GATE)


def write_files(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))


def write_artifacts(root, weights="w1", baseline=("", ""), **changes):
    """Writes all that push_model reads, and returns its keyword arguments. `changes` go into decision.json."""
    saved_model = {"saved_model.pb": "graph", "variables/variables.data": weights, "assets/vocabulary": "AA\nUA\n"}
    write_files(root / "model/Format-Serving", saved_model)
    digest = digest_model(root / "model/Format-Serving")
    facts = {"model_digest": digest, "data_version": "sha256:data"}
    write_files(root / "schema", {"schema.pbtxt": 'feature { name: "carrier" }'})
    training = {**facts, "schema_hash": digest_file(root / "schema/schema.pbtxt")}
    write_files(root / "model", {"training.json": {**training, "seed": 7, "epochs_run": 3, "hyperparameters": {"units": 8}}})
    manifest = {"data_version": "sha256:data", "spans": [1, 2], "splits": {"train": {"rows": 1200}}, "fingerprint": "sha256:f"}
    write_files(root / "examples", {"manifest.json": manifest})
    statistics = {"Split-train/FeatureStats.pb": "train", "Split-eval/FeatureStats.pb": "eval"}
    write_files(root / "statistics", {**statistics, "statistics.json": {"data_version": "sha256:data"}})
    write_files(root / "evaluation", {"evaluation.json": {**facts, "rows": 100, "metrics": {"candidate": {"auc": 0.75}}}})
    status = changes.get("status", "approved" if changes.get("approved", True) else "refused")
    verdicts = {APPROVAL_GATE: "pending" if status == "pending" else "not_applicable"}
    gates = [
        {"stage": "s", "gate": name, "verdict": verdicts.get(name, "passed"), "reason": f"{name} is fine"} for name in GATES
    ]
    decision = {
        "format": "sluice/decision/1",
        "approved": status == "approved",
        "status": status,
        "deadline": DEADLINE if status == "pending" else "",
        "reason": "All gates passed.",
        **facts,
        "policy_hash": "sha256:policy",
        "overrides": [],
        "baseline_version": baseline[0],
        "baseline_pushed_digest": baseline[1],
        "gates": gates,
        "lineage": {"spans": [1, 2], "features_hash": "sha256:features", "metrics": {"auc": 0.75}},
        **changes,
    }
    blessing = "BLESSED" if decision["approved"] else "NOT_BLESSED"
    write_files(root / "decision", {"decision.json": decision, blessing: ""})
    names = ("model", "decision", "examples", "statistics", "schema", "evaluation", "pushed")
    return {name: str(root / name) for name in names} | {"serving_dir": str(root.parent / "serving"), "strict": False}


@pytest.fixture
def make_artifacts(tmp_path):
    return lambda name="run", **options: write_artifacts(tmp_path / name, **options)


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
