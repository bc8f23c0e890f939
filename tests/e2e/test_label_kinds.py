"""A multiclass and a numeric project, from project.yaml and a CSV file to the evaluation's gates."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from components._data.examples import read_manifest, read_split
from components._data.schema import read_schema
from components._shared.digest import digest_code, digest_contents, digest_file
from components._shared.gates import Verdict, read_gate_report
from components._shared.policy_documents import hash_policy
from components._tf.saved_model import load_model, predict_table
from pipelines.config import load_project

ROWS = 400
CLASSES = ["Adelie", "Chinstrap", "Gentoo"]
SCHEMA = """
feature { name: "island" type: BYTES presence { min_fraction: 1 } shape {} }
feature { name: "bill" type: FLOAT presence { min_fraction: 1 } shape {} }
feature { name: "flipper" type: FLOAT presence { min_fraction: 0.5 } value_count { min: 1 max: 1 } }
feature { name: "%s" type: %s presence { min_fraction: 1 } shape {} not_in_environment: "SERVING" }
default_environment: "TRAINING"
default_environment: "SERVING"
"""
FEATURES = """
import tensorflow as tf
import tensorflow_transform as tft

def preprocessing_fn(inputs):
    flipper = tf.squeeze(tf.sparse.to_dense(inputs["flipper"], default_value=0.0), axis=1)
    outputs = {"bill": tft.scale_to_z_score(inputs["bill"]), "flipper": tft.scale_to_z_score(flipper)}
    outputs["%(label)s"] = inputs["%(label)s"]
    return outputs
"""
MODEL = """
import keras

def build_model(feature_spec, hyperparameters):
    inputs = {name: keras.Input((), dtype="float32", name=name) for name in feature_spec}
    columns = [keras.layers.Reshape((1,))(column) for column in inputs.values()]
    output = keras.layers.Dense(%s)(keras.layers.Concatenate()(columns))
    model = keras.Model(inputs, output)
    model.compile(optimizer=keras.optimizers.Adam(hyperparameters["learning_rate"]), loss="%s")
    return model
"""


def write_project(folder, label, kind, layer, loss, metrics, values):
    """Writes a project on made-up penguins: `bill` and `flipper` say what the label is."""
    random = np.random.default_rng(2)
    bill, flipper = values + random.normal(0, 0.3, ROWS), 2 * values + random.normal(0, 0.3, ROWS)
    written = [CLASSES[int(value)] for value in values] if "classes" in label else (100 + 10 * values).round(3).tolist()
    lines = [f"{n},{'AB'[n % 2]},{bill[n]:.4f},{flipper[n]:.4f},{written[n]}" for n in range(ROWS)]
    (folder / "data.csv").write_text("\n".join([f"number,island,bill,flipper,{label['name']}", *lines]) + "\n")
    (folder / "schema.pbtxt").write_text(SCHEMA % (label["name"], kind))
    (folder / "features.py").write_text(FEATURES % {"label": label["name"]})
    (folder / "model.py").write_text(MODEL % (layer, loss))
    evaluation = {
        "model_specs": [{"label_key": label["name"]}],
        "slicing_specs": [{}, {"feature_keys": ["island"]}],
        "metrics_specs": metrics,
    }
    document = {
        "name": "penguins",
        "source": {"pattern": "data.csv", "row_key": ["number"], "label": label},
        "splits": {"key": ["number"], "train": 0.6, "eval": 0.2, "test": 0.2},
        "evaluation": evaluation,
        "gates": {"performance": {"min_slice_size": 10}},
        "serving": {"model_name": "penguins", "directory": "served"},
    }
    (folder / "project.yaml").write_text(yaml.safe_dump(document))
    return load_project(folder)


def run_stages(project, root):
    """Runs the stages from ingest_examples to evaluate_model in this process; returns the folder of each artifact."""
    from components.evaluate_model.executor import evaluate_model
    from components.generate_statistics.executor import generate_statistics
    from components.ingest_examples.executor import ingest_examples
    from components.train_model.executor import train_model
    from components.transform_features.executor import transform_features
    from components.validate_examples.executor import validate_examples

    at = {
        name: str(root / name)
        for name in ("examples", "statistics", "anomalies", "transform_graph", "transformed_examples", "model", "evaluation")
    }
    baseline, source, folder = root / "baseline", project.folder / "data.csv", str(project.folder)
    baseline.mkdir()
    (baseline / "baseline.json").write_text(json.dumps({"version": "", "model_digest": "", "pushed_digest": ""}))
    file = {"path": str(source), "span": 0, "size": source.stat().st_size, "sha256": digest_file(source)}
    ingest_examples(
        schema=folder,
        files=[file],
        fingerprint=digest_contents([file["sha256"]]),
        spans=[0],
        source=project.source_json,
        splits=project.splits_json,
        examples=at["examples"],
    )
    policy = {"policy": project.policy_json, "eval_config": project.evaluation}
    policy["policy_hash"] = hash_policy(project.policy_json, project.evaluation)
    examples, live = {"examples": at["examples"], "schema": folder}, {"baseline": str(baseline)}
    generate_statistics(**examples, statistics=at["statistics"], report=str(root / "statistics.html"))
    reported = {"statistics": at["statistics"], "anomalies": at["anomalies"], "report": str(root / "anomalies.html")}
    validate_examples(**examples, **live, **policy, **reported)
    transformed = {name: at[name] for name in ("transform_graph", "transformed_examples")}
    features_hash = digest_code(folder, "features.py")
    transform_features(**examples, **transformed, anomalies=at["anomalies"], project_dir=folder, features_hash=features_hash)
    train_model(
        **examples,
        **transformed,
        project_dir=folder,
        model_hash=digest_code(folder, "model.py"),
        epochs=25,
        batch_size=32,
        patience=25,
        seed=1,
        hyperparameters={"learning_rate": 0.1},
        model=at["model"],
        metrics=str(root / "metrics.json"),
        report=str(root / "training.html"),
    )
    judged = {"model": at["model"], "evaluation": at["evaluation"]}
    evaluate_model(**examples, **live, **policy, **judged, report=str(root / "evaluation.html"))
    return at


def check_predictions(at, project, output, shape):
    """Checks that evaluation.json, predictions.parquet and the exported model speak of the same predictions."""
    training = json.loads((project.folder.parent / "run" / "model" / "training.json").read_text())
    assert training["outputs"] == [output]
    table = pq.read_table(f"{at['evaluation']}/predictions.parquet")
    rows = read_split(at["examples"], "test")
    predicted = predict_table(load_model(f"{at['model']}/Format-Serving"), rows, read_schema(project.folder), output=output)
    assert predicted.dtype == np.float32
    assert predicted.shape == (rows.num_rows, *shape)
    np.testing.assert_array_equal(np.array(table["candidate"].to_pylist(), np.float32), predicted)
    assert table.column(0).equals(rows[table.column_names[0]])


def at_least(bound):
    return {"value_threshold": {"lower_bound": {"value": bound}}}


def at_most(bound):
    return {"value_threshold": {"upper_bound": {"value": bound}}}


@pytest.fixture
def folders(tmp_path):
    for name in ("project", "run"):
        (tmp_path / name).mkdir()
    return tmp_path / "project", tmp_path / "run"


def verdicts(at):
    return {gate.gate: gate.verdict for gate in read_gate_report(at["evaluation"]).gates}


def test_a_multiclass_project_reaches_its_gates(folders):
    metrics = [
        {
            "metrics": [
                {"class_name": "SparseCategoricalAccuracy", "threshold": at_least(0.8)},
                {"class_name": "SparseCategoricalCrossentropy"},
            ]
        },
        {
            "metrics": [{"class_name": "AUC", "threshold": at_least(0.9)}],
            "binarize": {"class_ids": {"values": [0, 1, 2]}},
        },
    ]
    values = np.arange(ROWS) % 3
    label = {"name": "species", "classes": CLASSES}
    layer, loss = "3, activation='softmax'", "sparse_categorical_crossentropy"
    project = write_project(folders[0], label, "INT", layer, loss, metrics, values)
    at = run_stages(project, folders[1])
    assert read_manifest(at["examples"])["label_classes"] == CLASSES
    assert verdicts(at)["performance"] is Verdict.PASSED
    check_predictions(at, project, "probabilities", (3,))
    summary = json.loads((folders[1] / "evaluation" / "evaluation.json").read_text())
    assert sum(summary["class_rows"]) == summary["rows"]
    assert summary["note"] == ""
    page = (folders[1] / "evaluation.html").read_text()
    assert all(text in page for text in ("Classes: candidate", "Gentoo", "right as often as its probability says"))


def test_a_numeric_project_reaches_its_gates(folders):
    metrics = [
        {
            "metrics": [
                {"class_name": "MeanAbsoluteError", "threshold": at_most(5)},
                {"class_name": "RootMeanSquaredError"},
                {"class_name": "MeanPrediction"},
                {"class_name": "SquaredPearsonCorrelation", "threshold": at_least(0.9999)},
            ]
        }
    ]
    values = np.random.default_rng(3).uniform(0, 3, ROWS)
    label = {"name": "mass", "kind": "numeric"}
    layer, loss = "1, bias_initializer=keras.initializers.Constant(115)", "mse"
    project = write_project(folders[0], label, "FLOAT", layer, loss, metrics, values)
    at = run_stages(project, folders[1])
    gate = read_gate_report(at["evaluation"]).gates[0]
    passed = {item.name: item.passed for item in gate.measurements if not item.slice}
    assert passed == {"mean_absolute_error": True, "squared_pearson_correlation": False}
    assert gate.verdict is Verdict.FAILED
    check_predictions(at, project, "prediction", ())
    page = (folders[1] / "evaluation.html").read_text()
    assert all(text in page for text in ("on average", "Left of zero the prediction is too low"))
