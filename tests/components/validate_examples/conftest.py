import json
import random

import pyarrow as pa
import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components._data.examples import write_manifest
from components._data.statistics import write_origin, write_statistics
from components._shared.policy_documents import hash_policy
from components.generate_statistics.executor import compute_statistics
from components.validate_examples.executor import validate_examples

ROWS = 120
SCHEMA = """
feature { name: "age" type: INT presence { min_fraction: 1.0 } shape {} int_domain { min: 0 max: 120 } }
feature { name: "income" type: FLOAT presence { min_fraction: 0.5 } value_count { min: 1 max: 1 }
  drift_comparator { jensen_shannon_divergence { threshold: 0.3 } } }
feature { name: "city" type: BYTES presence { min_fraction: 1.0 } shape {} domain: "city"
  drift_comparator { infinity_norm { threshold: 0.2 } } }
feature { name: "churned" type: INT presence { min_fraction: 1.0 } shape {} not_in_environment: "SERVING" }
string_domain { name: "city" value: "Bonn" value: "Köln" }
default_environment: "TRAINING"
default_environment: "SERVING"
"""


def make_table(**columns):
    """120 rows that the schema accepts; a keyword replaces a column, None drops it."""
    draw = random.Random(1)
    defaults = {
        "age": pa.array([draw.randint(18, 90) for _ in range(ROWS)]),
        "income": pa.array([draw.uniform(1, 9) for _ in range(ROWS)], pa.float32()),
        "city": pa.array(["Bonn", "Köln"] * (ROWS // 2)),
        "churned": pa.array([0, 1, 1] * (ROWS // 3)),
    }
    return pa.table({name: values for name, values in {**defaults, **columns}.items() if values is not None})


@pytest.fixture
def table():
    return make_table


class Case:
    """The inputs of one run, ready to be spoiled by a test."""

    def __init__(self, folder):
        self.folder = folder
        self.policy = {}
        self.paths = {
            name: str(folder / name) for name in ("examples", "statistics", "schema", "baseline", "anomalies", "report")
        }
        for split in ("train", "eval", "test"):
            self.set_split(split, make_table())
        self.set_schema(SCHEMA)
        write_origin(self.folder / "statistics", "sha256:d1")
        self.set_manifest(dict.fromkeys(("train", "eval", "test"), ROWS))
        self.set_baseline("")

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def set_split(self, split, rows, artifact="statistics"):
        schema = text_format.Parse(SCHEMA, schema_pb2.Schema())
        write_statistics(self.folder / artifact, split, compute_statistics([rows], schema, split))

    def set_schema(self, text):
        self.write("schema/schema.pbtxt", text)

    def set_manifest(self, rows=None, **others):
        splits = {split: {"rows": (rows or {}).get(split, ROWS)} for split in ("train", "eval", "test")}
        manifest = {"data_version": "sha256:d1", "label": "churned", "splits": splits, **others}
        write_manifest(self.folder / "examples", manifest)

    def set_baseline(self, version, rows=None, schema=SCHEMA):
        self.write("baseline/baseline.json", json.dumps({"version": version, "model_digest": "sha256:m" if version else ""}))
        if rows is not None:
            self.set_split("train", rows, "baseline/model/assets.extra/sluice/statistics")
            self.write("baseline/model/assets.extra/sluice/schema.pbtxt", schema)

    def run(self, **changes):
        known = {"eval_config": {}, "policy": self.policy, "policy_hash": hash_policy(self.policy, {})}
        return validate_examples(**{**self.paths, **known, **changes})

    def page(self):
        return (self.folder / "report").read_text(encoding="utf-8")


@pytest.fixture
def case(tmp_path):
    return Case(tmp_path)
