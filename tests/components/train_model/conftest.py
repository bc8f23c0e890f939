"""The flights project on 600 made-up flights, transformed and trained once."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components._data.examples import write_manifest, write_split
from components._data.integrity import digest_split
from components._shared.digest import digest_code
from components._shared.gates import Evidence, GateReport, GateResult, Verdict

FLIGHTS = Path(__file__).parents[3] / "projects" / "flights"
ROWS = {"train": 600, "eval": 120, "test": 120}
DATA_VERSION = "sha256:d1"


def make_flights(count, seed):
    """Flights that are late in the evening, mostly; one in five lacks what is known of the plane."""
    rng = np.random.default_rng(seed)
    hour = rng.integers(5, 23, count)
    known = rng.random(count) > 0.2
    return pa.table(
        {
            "month": rng.integers(1, 13, count),
            "hour": hour,
            "minute": rng.integers(0, 60, count),
            "sched_arr_time": (hour + 1) * 100,
            "distance": rng.integers(100, 3000, count),
            "carrier": rng.choice(["AA", "B6", "UA"], count),
            "origin": rng.choice(["EWR", "JFK", "LGA"], count),
            "dest": rng.choice(["ATL", "BOS", "SFO", "Zürich"], count),
            "tailnum": pa.array(rng.choice(["N1", "N2"], count), mask=~known),
            "plane_year": pa.array(rng.uniform(1980, 2013, count), pa.float32(), mask=~known),
            "plane_seats": pa.array(rng.uniform(20, 400, count), pa.float32(), mask=~known),
            "late": (hour + rng.normal(0, 3, count) > 15).astype(np.int64),
        }
    )


@pytest.fixture(scope="session")
def flights(tmp_path_factory):
    """Folders of examples, schema, transform graph and transformed examples."""
    from components.transform_features.executor import transform_features

    root = tmp_path_factory.mktemp("flights")
    for seed, (split, rows) in enumerate(ROWS.items()):
        write_split(root / "examples", split, make_flights(rows, seed))
    splits = {split: {"rows": rows, "files": digest_split(root / "examples", split)} for split, rows in ROWS.items()}
    manifest = {"data_version": DATA_VERSION, "label": "late", "splits": splits, "spans": [1], "split_rule": {"salt": "s"}}
    write_manifest(root / "examples", manifest)
    (root / "schema").mkdir()
    shutil.copy(FLIGHTS / "schema.pbtxt", root / "schema")
    evidence = Evidence(model_digest="", data_version=DATA_VERSION, policy_hash="sha256:p", baseline_version="")
    passed = GateResult(gate="data", verdict=Verdict.PASSED, reason="fine")
    GateReport(stage="validate_examples", evidence=evidence, gates=(passed,)).write(root / "anomalies")
    names = ("examples", "schema", "anomalies", "transform_graph", "transformed_examples")
    folders = {name: str(root / name) for name in names}
    transform_features(**folders, project_dir=str(FLIGHTS), features_hash=digest_code(FLIGHTS, "features.py"))
    return {name: folder for name, folder in folders.items() if name != "anomalies"}


@pytest.fixture
def inputs(flights, tmp_path):
    """Makes keyword arguments of the stage; `code` replaces the text of model.py."""

    def make(code=None, **changed):
        project = FLIGHTS
        if code is not None:
            project = tmp_path / "project"
            project.mkdir()
            (project / "model.py").write_text(code)
        return flights | settings(project, tmp_path) | changed

    return make


def settings(project, outputs):
    return {
        "project_dir": str(project),
        "model_hash": digest_code(project, "model.py"),
        "epochs": 3,
        "batch_size": 64,
        "patience": 2,
        "seed": 7,
        "hyperparameters": {"learning_rate": 0.01, "hidden_units": [8]},
        "fn_args": {},
        "checkpoint_dir": "",
        **{name: str(outputs / name) for name in ("model", "metrics", "report")},
    }


@pytest.fixture
def changed_examples(flights, tmp_path):
    """Makes transformed examples of which one split is changed."""

    def make(split, change):
        from components._data.examples import read_split

        folder = tmp_path / "changed"
        shutil.copytree(flights["transformed_examples"], folder)
        write_split(folder, split, change(read_split(folder, split)))
        return str(folder)

    return make


@pytest.fixture(scope="session")
def trained(flights, tmp_path_factory):
    """The stage run once: its result, where it wrote, and training.json."""
    from components.train_model.executor import train_model

    root = tmp_path_factory.mktemp("trained")
    result = train_model(**flights, **settings(FLIGHTS, root))
    return result, root, json.loads((root / "model" / "training.json").read_text())


@pytest.fixture(scope="session")
def served_rows():
    """Raw flights as requests hold them: some lack optional features, some hold values never seen in training."""
    rows = make_flights(40, 9)
    unseen = pa.array(["XX" if row % 3 == 0 else "AA" for row in range(40)])
    return rows.set_column(rows.column_names.index("carrier"), "carrier", unseen).drop(["late"])
