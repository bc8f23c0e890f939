import json

import numpy as np
import pyarrow as pa
import pytest

from components._data.examples import write_manifest, write_split
from components._shared.artifacts import SPLITS
from components.draft_project.executor import draft_project
from pipelines.config import load_project

ROWS = {"train": 300, "eval": 100, "test": 100}
LABELS = {
    "binary": {"name": "y"},
    "multiclass": {"name": "y", "classes": ["no", "null", "a: b"]},
    "numeric": {"name": "y", "kind": "numeric"},
}
SCHEMA = 'feature { name: "x" type: FLOAT presence { min_fraction: 1 } shape {} }\nfeature { name: "sex" type: BYTES }\n'


def column(name, role, **settings):
    known = {"original": f"the {name}", "why": "why\nnot", "distinct": 5, "missing": 0, "date": None, "may_be_protected": False}
    return {"name": name, "role": role, **known, **settings}


@pytest.fixture
def draft(tmp_path):
    """Writes a draft and examples, and makes a project of them."""

    def write(kind, labels, columns=()):
        source = {"format": "csv", "null_values": ["", "NA"], "delimiter": ";", "encoding": "cp1252", "decimal_point": ","}
        source |= {
            "columns": {"the x": "x", "größe: #1\n": "size"},
            "row_number": "row",
            "row_key": ["row"],
            "label": LABELS[kind],
        }
        document = {"rows": 500, "labelled": 500, "label_kind": kind, "source": source, "split_key": ["row"], "why_keys": "so"}
        document["shares"] = {"train": 0.6, "eval": 0.2, "test": 0.2}
        document["columns"] = [
            column("y", "label"),
            column("x", "number"),
            column("sex", "category", may_be_protected=True),
            *columns,
        ]
        (tmp_path / "draft.json").write_text(json.dumps(document))
        (tmp_path / "schema.pbtxt").write_text(SCHEMA)
        random = np.random.default_rng(0)
        for split, count in ROWS.items():
            y = labels(random, count)
            table = {"x": y + random.normal(0, 0.8, count), "sex": random.choice(["f", "m"], count), "y": y}
            # What a test row says must not matter: here it would ruin everything.
            write_split(tmp_path / "examples", split, pa.table(table if split != "test" else {"x": ["broken"]}))
        write_manifest(tmp_path / "examples", {"splits": {split: {"rows": ROWS[split]} for split in SPLITS}})
        draft_project(
            draft=str(tmp_path),
            examples=str(tmp_path / "examples"),
            name="a-b",
            pattern="../data.csv",
            project=str(tmp_path / "project"),
        )
        return load_project(tmp_path / "project"), json.loads((tmp_path / "notes.json").read_text())

    return write


def classes(count):
    return lambda random, rows: random.integers(0, count, rows)


def bound_of(project):
    metric = project.evaluation["metrics_specs"][0]["metrics"][1]
    ((side, bound),) = metric["threshold"]["value_threshold"].items()
    return metric["class_name"], side, bound["value"]


def test_a_binary_project_is_one_that_can_be_loaded(draft):
    project, notes = draft("binary", lambda random, rows: (random.random(rows) < 0.1) * 1)
    assert project.source_json["columns"] == {"the x": "x", "größe: #1\n": "size"}
    assert project.source_json["encoding"] == "cp1252"
    metric, side, value = bound_of(project)
    assert (metric, side) == ("AUC", "lower_bound")
    assert 0.5 <= value < 0.9
    assert project.policy.fairness.protected == ()
    assert "#   sex" in (project.folder / "project.yaml").read_text()
    assert 0 < project.policy.fairness.decision_threshold < 0.5
    assert project.training.hyperparameters["output_bias"] < -1.5
    assert project.policy.data.min_rows == {"train": 150, "eval": 50, "test": 50}
    assert notes["rows"] == ROWS


def test_a_multiclass_project_keeps_classes_that_yaml_would_change(draft):
    project, _ = draft("multiclass", classes(3))
    assert project.source.label.classes == ("no", "null", "a: b")
    assert bound_of(project)[:2] == ("SparseCategoricalAccuracy", "lower_bound")
    assert 'Dense(3, activation="softmax")' in (project.folder / "model.py").read_text()


def test_a_numeric_project_predicts_in_the_unit_of_the_label(draft):
    project, _ = draft("numeric", lambda random, rows: random.normal(1000, 5, rows))
    assert project.training.hyperparameters["label_mean"] == pytest.approx(1000, abs=2)
    assert project.training.hyperparameters["label_scale"] == pytest.approx(5, abs=1)
    assert bound_of(project)[0:2] == ("MeanAbsoluteError", "upper_bound")
    assert project.policy.regression.margin > 0


def test_columns_that_tell_nothing_and_a_rare_label_are_told(draft):
    _, notes = draft("binary", lambda random, rows: (np.arange(rows) % 50 == 0) * 1)
    assert any("fewer than five rows" in note for note in notes["notes"])
