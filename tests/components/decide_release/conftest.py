"""A run in which every stage says yes, and the means to change one thing in it."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components._data.integrity import digest_split
from components._shared.artifacts import SPLITS
from components._shared.digest import digest_file, digest_model
from components._shared.gates import Evidence, GateReport, GateResult, Measurement, Verdict
from components._shared.overrides import tighten
from components._shared.policy import FairnessGate, Policy
from components._shared.policy_documents import hash_policy, policy_to_json
from components._shared.required import DOCUMENTS

GATES = {
    "anomalies": ("validate_examples", ("data",)),
    "evaluation": ("evaluate_model", ("performance", "fairness", "regression", "calibration")),
    "serving_report": ("validate_serving", ("serving", "parity", "robustness", "business_rules")),
}


EVALUATED = {"metrics": {"candidate": {"auc": 0.75}}, "baseline_model_digest": "sha256:l"}


def write_json(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def write_splits(examples: Path) -> dict[str, Any]:
    """Writes a shard per split and returns what a manifest says of them."""
    for split in SPLITS:
        (examples / f"Split-{split}").mkdir(parents=True, exist_ok=True)
        (examples / f"Split-{split}" / "part-00000.parquet").write_bytes(b"rows")
    return {split: {"files": digest_split(examples, split)} for split in SPLITS}


class Run:
    """The artifacts of one run, and the keyword arguments of the stage."""

    def __init__(self, root: Path, *, weights: bytes = b"a model", data_version: str = "sha256:data") -> None:
        self.root, self.data_version = root, data_version
        self.overrides: dict[str, Any] = {}
        self.eval_config: dict[str, Any] = {"options": {}}
        (root / "model" / "Format-Serving").mkdir(parents=True)
        (root / "model" / "Format-Serving" / "saved_model.pb").write_bytes(weights)
        self.digest = digest_model(root / "model" / "Format-Serving")
        self.policy = policy_to_json(Policy(fairness=FairnessGate(protected=("origin",))))
        known = {"data_version": data_version, "model_digest": self.digest}
        training = {**known, "seed": 17, "epochs_run": 3}
        rows = {"read": 10, "without_label": 1, "duplicates": 0, "kept": 9}
        write_json(root / "model" / "training.json", {**training, "hyperparameters": {"units": 8}, "model_hash": "sha256:m"})
        manifest = {"data_version": data_version, "spans": [1, 2], "rows": rows, "splits": write_splits(root / "examples")}
        write_json(root / "examples" / "manifest.json", manifest)
        live = {"version": "3", "model_digest": "sha256:l", "pushed_digest": "sha256:p"}
        write_json(root / "baseline" / "baseline.json", live)
        self.make_evaluation()
        for artifact, (stage, names) in GATES.items():
            evidence = self.evidence if artifact != "anomalies" else {**self.evidence, "model_digest": ""}
            gates = tuple(
                GateResult(
                    gate=name,
                    verdict=Verdict.PASSED,
                    reason=f"{name} is fine",
                    measurements=(Measurement(name="x", value=0.5, lower_bound=0.1, passed=True),),
                )
                for name in names
            )
            GateReport(stage=stage, evidence=Evidence(**evidence), gates=gates).write(root / artifact)
        for file in ("evaluation/predictions.parquet", "evaluation/details.html", "serving_report/details.html"):
            (root / file).write_text("")
        self.renew_digests()

    @property
    def evidence(self) -> dict[str, str]:
        known = {"data_version": self.data_version, "policy_hash": self.policy_hash, "baseline_version": "3"}
        return {"model_digest": self.digest, **known}

    @property
    def policy_hash(self) -> str:
        """Hash of the bounds that the reports are made under."""
        return tighten(self.policy, self.eval_config, self.overrides).policy_hash

    @property
    def compiled_hash(self) -> str:
        """Hash of the policy before the overrides."""
        return hash_policy(self.policy, self.eval_config)

    def make_evaluation(self) -> None:
        """Writes the evaluation's summary under the bounds of the run."""
        config = tighten(self.policy, self.eval_config, self.overrides).eval_config
        known = {"data_version": self.data_version, "model_digest": self.digest, "eval_config": config}
        write_json(self.root / "evaluation" / "evaluation.json", {**known, **EVALUATED})

    def tighten(self, overrides: dict[str, Any]) -> None:
        """Runs everything again with overrides, with the same verdicts."""
        self.overrides = overrides
        self.make_evaluation()
        self._renew_reports()

    def switch_off(self, gate: str, reason: str) -> None:
        """Switches a gate off as the project's author would."""
        self.change_policy(gate, off=reason)

    def change_policy(self, gate: str, **settings: Any) -> None:
        """Changes a gate's settings as the project's author would: every report is made under the new policy."""
        self.policy[gate].update(settings)
        self._renew_reports()

    def renew_digests(self) -> None:
        """Makes every report name the documents as they are now, as if they had been so when it was written."""
        for artifact in GATES:
            folders = {"manifest.json": "examples", "training.json": "model"}
            files = [self.root / folders.get(name, artifact) / name for name in DOCUMENTS[artifact]]
            documents = {file.name: digest_file(file) for file in files if file.is_file()}
            with contextlib.suppress(OSError, ValueError):
                self.change(f"{artifact}/gates.json", lambda report, found=documents: report.update(documents=found))

    def _renew_reports(self) -> None:
        self.renew_digests()
        for artifact in GATES:
            if (self.root / artifact / "gates.json").exists():
                self.change(
                    f"{artifact}/gates.json", lambda document: document["evidence"].update(policy_hash=self.policy_hash)
                )

    @property
    def arguments(self) -> dict[str, Any]:
        names = ("model", "baseline", "examples", *GATES, "decision", "report", "summary")
        config = {"eval_config": self.eval_config, "policy": self.policy}
        return {
            **{name: str(self.root / name) for name in names},
            **config,
            "policy_hash": self.compiled_hash,
            "overrides": self.overrides,
        }

    def change(self, file: str, edit: Callable[[Any], None]) -> None:
        """Edits one JSON file of the run; what it holds then is what the reports are about."""
        document = json.loads((self.root / file).read_text())
        edit(document)
        (self.root / file).write_text(json.dumps(document))
        if not file.endswith("gates.json"):
            self.renew_digests()

    def change_gate(self, artifact: str, gate: str, **values: Any) -> None:
        """Edits one gate in a report."""

        def edit(document: dict[str, Any]) -> None:
            next(item for item in document["gates"] if item["gate"] == gate).update(values)

        self.change(f"{artifact}/gates.json", edit)


@pytest.fixture
def run(tmp_path) -> Run:
    return Run(tmp_path)


@pytest.fixture
def make_run(tmp_path) -> Callable[[str, str], Run]:
    """Makes another run that differs in one thing: its model, data, policy or overrides."""

    def make(name: str, change: str) -> Run:
        options = {"model": {"weights": b"another model"}, "data": {"data_version": "sha256:other"}}.get(change, {})
        run = Run(tmp_path / name, **options)
        if change == "policy":
            run.switch_off("parity", "not served yet")
        if change == "overrides":
            run.tighten({"parity": {"tolerance": 1e-6}})
        return run

    return make
