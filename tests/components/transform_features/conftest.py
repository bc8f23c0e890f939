"""A tiny project: 60 training rows with missing values, a schema, and the report of a data gate that let them through."""

import shutil

import pyarrow as pa
import pytest

from components._data.examples import read_manifest, write_manifest, write_split
from components._data.integrity import digest_split
from components._shared.digest import digest_code
from components._shared.gates import Evidence, GateReport, GateResult, Verdict

SCHEMA = """
feature { name: "origin" type: BYTES presence { min_fraction: 1.0 } shape {} }
feature { name: "hour" type: INT presence { min_fraction: 1.0 } shape {} }
feature { name: "seats" type: FLOAT presence { min_fraction: 0.5 } value_count { min: 1 max: 1 } }
feature { name: "late" type: INT presence { min_fraction: 1.0 } shape {} not_in_environment: "SERVING" }
default_environment: "TRAINING"
default_environment: "SERVING"
"""
FEATURES = """
import tensorflow as tf
import tensorflow_transform as tft
from neighbour import LABEL

def preprocessing_fn(inputs):
    seats = tft.scale_to_z_score(inputs["seats"])
    dense = tf.sparse.to_dense(tf.SparseTensor(seats.indices, seats.values, [seats.dense_shape[0], 1]), 0.0)
    return {
        "hour_z": tft.scale_to_z_score(inputs["hour"]),
        "seats_z": tf.squeeze(dense, axis=1),
        "origin_id": tft.compute_and_apply_vocabulary(inputs["origin"], num_oov_buckets=1),
        "pair": tf.stack([tf.cast(inputs["hour"], tf.float32)] * 2, axis=1),
        LABEL: inputs[LABEL],
    }
"""
ROWS = {"train": 60, "eval": 12, "test": 12}
DATA_VERSION = "sha256:d1"


def make_rows(count, offset):
    """Rows of which every fourth has no seats; the origin is never missing."""
    return pa.table(
        {
            "origin": [("JFK", "Zürich", "<b>")[row % 3] for row in range(count)],
            "hour": pa.array([offset + row % 10 for row in range(count)], pa.int64()),
            "seats": pa.array([None if row % 4 == 0 else 100.0 + row for row in range(count)], pa.float32()),
            "late": pa.array([row % 2 for row in range(count)], pa.int64()),
        }
    )


def write_report(folder, verdict, data_version=DATA_VERSION, gate="data"):
    """Writes the report of a gate."""
    evidence = Evidence(model_digest="", data_version=data_version, policy_hash="sha256:p", baseline_version="")
    result = GateResult(gate=gate, verdict=verdict, reason="seats: 40 % missing")
    GateReport(stage="validate_examples", evidence=evidence, gates=(result,)).write(folder)


@pytest.fixture(scope="session")
def tiny_project(tmp_path_factory):
    root = tmp_path_factory.mktemp("transform")
    for offset, (split, rows) in zip((0, 50, 0), ROWS.items(), strict=True):
        write_split(root / "examples", split, make_rows(rows, offset))
    splits = {split: {"rows": rows, "files": digest_split(root / "examples", split)} for split, rows in ROWS.items()}
    write_manifest(root / "examples", {"data_version": DATA_VERSION, "label": "late", "splits": splits})
    (root / "schema").mkdir()
    (root / "schema" / "schema.pbtxt").write_text(SCHEMA)
    (root / "project").mkdir()
    (root / "project" / "features.py").write_text(FEATURES)
    (root / "project" / "neighbour.py").write_text('LABEL = "late"\n')
    write_report(root / "anomalies", Verdict.PASSED)
    return root


@pytest.fixture
def inputs(tiny_project, tmp_path):
    """Makes keyword arguments of the stage; `features` replaces the text of features.py."""

    def make(features=None, **changed):
        project = tiny_project / "project"
        if features is not None:
            project = tmp_path / "project"
            project.mkdir()
            (project / "features.py").write_text(features)
        arguments = {name: str(tiny_project / name) for name in ("examples", "schema", "anomalies")}
        arguments |= {"project_dir": str(project), "features_hash": digest_code(project, "features.py")}
        arguments |= {name: str(tmp_path / name) for name in ("transform_graph", "transformed_examples")}
        return arguments | changed

    return make


@pytest.fixture
def write_gate():
    return write_report


@pytest.fixture
def changed_examples(tiny_project, tmp_path):
    """Makes examples of which one split is replaced."""

    def make(split, change):
        folder = tmp_path / "changed"
        shutil.copytree(tiny_project / "examples", folder)
        write_split(folder, split, change(make_rows(ROWS[split], 0)))
        manifest = read_manifest(folder)
        manifest["splits"][split]["files"] = digest_split(folder, split)
        write_manifest(folder, manifest)
        return str(folder)

    return make


@pytest.fixture(scope="session")
def transformed(tiny_project, tmp_path_factory):
    """The stage run once: its result, and where it wrote."""
    from components.transform_features.executor import transform_features

    root = tmp_path_factory.mktemp("transformed")
    arguments = {name: str(tiny_project / name) for name in ("examples", "schema", "anomalies")}
    arguments |= {name: str(root / name) for name in ("transform_graph", "transformed_examples")}
    project = tiny_project / "project"
    digest = digest_code(project, "features.py")
    return root, transform_features(project_dir=str(project), features_hash=digest, **arguments)
