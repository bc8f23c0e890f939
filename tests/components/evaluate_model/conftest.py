"""Four hundred rows, models that repeat one of their columns, and the artifacts around them."""

import copy
import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from components._data.examples import write_split
from components._data.integrity import digest_split
from components._data.split_keys import write_split_keys
from components._shared.digest import digest_model
from components._shared.policy_documents import hash_policy

SCHEMA = """
feature { name: "origin" type: BYTES presence { min_fraction: 1.0 } shape {} }
feature { name: "carrier" type: BYTES }
feature { name: "signal" type: FLOAT presence { min_fraction: 1.0 } shape {} }
feature { name: "noise" type: FLOAT presence { min_fraction: 1.0 } shape {} }
feature { name: "late" type: INT presence { min_fraction: 1.0 } shape {} not_in_environment: "SERVING" }
default_environment: "TRAINING"
default_environment: "SERVING"
"""
SPLIT_RULE = {"key": ["day"], "salt": "s", "train": 0.8, "eval": 0.1, "test": 0.1}
EVAL_CONFIG: dict[str, Any] = {
    "model_specs": [{"label_key": "late"}],
    "slicing_specs": [{}, {"feature_keys": ["origin"]}],
    "metrics_specs": [
        {
            "metrics": [
                {
                    "class_name": "AUC",
                    "threshold": {
                        "value_threshold": {"lower_bound": {"value": 0.7}},
                        "change_threshold": {"direction": "HIGHER_IS_BETTER", "absolute": {"value": -0.05}},
                    },
                },
                {"class_name": "BinaryCrossentropy"},
            ]
        }
    ],
}
POLICY: dict[str, Any] = {
    "performance": {"min_slice_size": 50},
    "fairness": {
        "protected": ["origin"],
        "min_group_size": 50,
        "max_equalized_odds_difference": 0.5,
    },
    "calibration": {"max_calibration_error": 0.5, "max_base_rate_ratio": 3},
}


def make_rows(seed: int = 7, rows: int = 400) -> pa.Table:
    """`signal` tells the label well, `noise` does not; LGA has 20 rows only."""
    random = np.random.default_rng(seed)
    late = (random.random(rows) < 0.4).astype(np.int64)
    signal = np.clip(0.3 + 0.3 * late + 0.15 * random.standard_normal(rows), 0.01, 0.99).astype(np.float32)
    origin = np.where(np.arange(rows) < 20, "LGA", random.choice(["JFK", "EWR"], rows))
    carrier = [None if index % 9 == 0 else name for index, name in enumerate(random.choice(["AA", "UA"], rows).tolist())]
    noise = random.random(rows).astype(np.float32)
    return pa.table({"origin": origin.tolist(), "carrier": carrier, "signal": signal, "noise": noise, "late": late})


@pytest.fixture(scope="session")
def saved_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SavedModels that repeat a column, or fall short of what a kind of label asks for."""
    import tensorflow as tf

    root = tmp_path_factory.mktemp("models")
    answers = {
        "signal": lambda signal: {"probability": tf.identity(signal)},
        "noise": lambda noise: {"probability": tf.identity(noise)},
        "invalid": lambda signal: {"probability": tf.where(signal > 0.5, signal, float("nan"))},
        "classes": lambda signal: {"probabilities": tf.stack([1 - signal, signal], axis=1)},
        "unscaled": lambda signal: {"probabilities": tf.stack([signal, signal], axis=1)},
        "number": lambda signal: {"prediction": 100 * signal},
        "infinite": lambda signal: {"prediction": tf.where(signal > 0.5, signal, float("inf"))},
        "two": lambda signal: {"probability": tf.stack([signal, 1 - signal], axis=1)},
        "other_features": lambda altitude: {"probability": tf.identity(altitude)},
    }
    for name, answer in answers.items():
        module, argument = tf.Module(), answer.__code__.co_varnames[0]
        module.serve = tf.function(answer)
        signature = module.serve.get_concrete_function(**{argument: tf.TensorSpec([None], tf.float32, argument)})
        tf.saved_model.save(module, str(root / name), signatures={"serving_default": signature})
    return root


@dataclasses.dataclass
class World:
    """All inputs of the stage in one folder, to be spoiled by a test before `run`."""

    root: Path
    saved_models: Path
    eval_config: dict[str, Any]
    policy: dict[str, Any]
    overrides: dict[str, Any] = dataclasses.field(default_factory=dict)

    def spoil(self, name: str, values: Any) -> None:
        """Writes the examples with another column of that name."""
        table = make_rows()
        self.write_examples(table.set_column(table.column_names.index(name), name, pa.array(values)))

    def write_examples(self, table: pa.Table, **manifest: Any) -> None:
        shutil.rmtree(self.root / "examples", ignore_errors=True)
        write_split(self.root / "examples", "test", table)
        write_split_keys(self.root / "examples", "test", np.arange(table.num_rows, dtype=np.uint64) % 50)
        document = {"format": "sluice/examples/1", "data_version": "sha256:d1", "label": "late", "split_rule": SPLIT_RULE}
        files = digest_split(self.root / "examples", "test")
        splits = {"test": {"rows": table.num_rows, "files": files}}
        columns = {"columns": dict.fromkeys(table.column_names, "BYTES"), "splits": splits}
        (self.root / "examples" / "manifest.json").write_text(json.dumps({**columns, **document, **manifest}))

    def write_model(self, name: str, **training: Any) -> None:
        shutil.rmtree(self.root / "model", ignore_errors=True)
        saved = shutil.copytree(self.saved_models / name, self.root / "model" / "Format-Serving")
        document = {"data_version": "sha256:d1", "label": "late", "model_digest": digest_model(saved), **training}
        (self.root / "model" / "training.json").write_text(json.dumps(document))

    def write_baseline(self, name: str, **manifest: Any) -> None:
        shutil.rmtree(self.root / "baseline", ignore_errors=True)
        document = {"version": "", "model_digest": "", "pushed_digest": ""}
        if name:
            saved = shutil.copytree(self.saved_models / name, self.root / "baseline" / "model")
            document = {"version": "3", "model_digest": digest_model(saved), "pushed_digest": "sha256:p"}
            (saved / "assets.extra" / "sluice").mkdir(parents=True)
            split = {"label": "late", "split_rule": SPLIT_RULE, **manifest}
            (saved / "assets.extra" / "sluice" / "manifest.json").write_text(json.dumps(split))
        (self.root / "baseline").mkdir(exist_ok=True)
        (self.root / "baseline" / "baseline.json").write_text(json.dumps(document))

    def arguments(self) -> dict[str, Any]:
        folders = {name: self.root / name for name in ("model", "baseline", "examples", "evaluation", "report")}
        config = {"eval_config": self.eval_config, "policy": self.policy, "overrides": self.overrides}
        known = {"schema": self.root / "schema.pbtxt", "policy_hash": hash_policy(self.policy, self.eval_config)}
        return {**folders, **known, **config}

    def run(self, **changes: Any) -> Any:
        from components.evaluate_model.executor import evaluate_model

        return evaluate_model(**{**self.arguments(), **changes})

    def gates(self, *names: str) -> Any:
        """Returns what some gates say; groups, whose counts take a run of TFMA of their own, only for the fairness gate."""
        if "fairness" not in names:
            self.policy["fairness"]["protected"] = []
        found = {gate.gate: gate for gate in self.run().report.gates}
        return [found[name] for name in names]

    def gate(self, name: str) -> Any:
        return self.gates(name)[0]


@pytest.fixture
def rows() -> pa.Table:
    return make_rows()


@pytest.fixture
def world(tmp_path: Path, saved_models: Path) -> World:
    """A good candidate, no live version."""
    return make_world(tmp_path, saved_models)


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory, saved_models: Path) -> tuple[World, Any]:
    """The same, and its result, to be read only."""
    built = make_world(tmp_path_factory.mktemp("first"), saved_models)
    return built, built.run()


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory, saved_models: Path) -> tuple[World, Any]:
    """A good candidate beside a live version that is worse, and the result, to be read only."""
    built = make_world(tmp_path_factory.mktemp("compared"), saved_models)
    built.write_baseline("noise")
    return built, built.run()


def make_world(root: Path, saved_models: Path) -> World:
    built = World(root, saved_models, copy.deepcopy(EVAL_CONFIG), copy.deepcopy(POLICY))
    (root / "schema.pbtxt").write_text(SCHEMA)
    built.write_examples(make_rows())
    built.write_model("signal")
    built.write_baseline("")
    return built
