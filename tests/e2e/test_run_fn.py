"""A module in the form of TFX's taxi example, from project.yaml to a pushed version that answers."""

import json

import numpy as np
import yaml

ROWS = 500
SCHEMA = """
feature { name: "fare" type: FLOAT presence { min_fraction: 1 } shape {} }
feature { name: "company" type: BYTES presence { min_fraction: 0.5 } value_count { min: 1 max: 1 } }
feature { name: "card" type: INT presence { min_fraction: 1 } shape {} }
feature { name: "tips" type: FLOAT presence { min_fraction: 1 } shape {} not_in_environment: "SERVING" }
feature { name: "big_tip" type: INT presence { min_fraction: 1 } shape {} not_in_environment: "SERVING" }
default_environment: "TRAINING"
default_environment: "SERVING"
"""
MODULE = """
import tensorflow as tf
import tensorflow_transform as tft
from tfx_bsl.public import tfxio


def preprocessing_fn(inputs):
    sparse = inputs["company"]
    one_column = tf.SparseTensor(sparse.indices, sparse.values, [sparse.dense_shape[0], 1])
    company = tf.squeeze(tf.sparse.to_dense(one_column, default_value=""), axis=1)
    return {
        "fare_xf": tf.clip_by_value(tft.scale_to_z_score(inputs["fare"]), -10.0, 10.0),
        "company_xf": tft.compute_and_apply_vocabulary(company, num_oov_buckets=1),
        "card_xf": tf.clip_by_value(inputs["card"], 0, 1),
        "tips_xf": tf.cast(inputs["tips"] > 0.2 * inputs["fare"], tf.int64),
    }


def run_fn(fn_args):
    output = tft.TFTransformOutput(fn_args.transform_output)
    options = tfxio.TensorFlowDatasetOptions(batch_size=fn_args.custom_config["batch_size"], label_key="tips_xf")
    schema = output.transformed_metadata.schema
    train, evaluation = (
        fn_args.data_accessor.tf_dataset_factory(files, options, schema).repeat()
        for files in (fn_args.train_files, fn_args.eval_files)
    )
    inputs = {name: tf.keras.Input((1,), name=name) for name in ("fare_xf", "card_xf", "company_xf")}
    result = tf.keras.layers.Dense(1, activation="sigmoid")(tf.keras.layers.concatenate(list(inputs.values())))
    model = tf.keras.Model(inputs, result)
    model.compile(optimizer=tf.keras.optimizers.Adam(0.05), loss="binary_crossentropy")
    model.fit(
        train,
        steps_per_epoch=fn_args.train_steps,
        validation_data=evaluation,
        validation_steps=fn_args.eval_steps,
        callbacks=[tf.keras.callbacks.TensorBoard(log_dir=fn_args.model_run_dir)],
        verbose=0,
    )
    model.tft_layer = output.transform_features_layer()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples):
        spec = output.raw_feature_spec()
        spec.pop("tips")
        return {"outputs": model(model.tft_layer(tf.io.parse_example(examples, spec)))}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def transform_features(examples):
        return model.tft_layer(tf.io.parse_example(examples, output.raw_feature_spec()))

    signatures = {"serving_default": serve, "transform_features": transform_features}
    model.save(fn_args.serving_model_dir, save_format="tf", signatures=signatures)
"""


def write_trips(folder):
    random = np.random.default_rng(4)
    fare, card = random.uniform(3, 40, ROWS).round(2), random.integers(0, 2, ROWS)
    tips = (fare * card * random.normal(0.27, 0.08, ROWS).clip(0)).round(2)
    big = (tips > 0.2 * fare).astype(int)
    lines = [f"{n},{fare[n]},{('Flash', 'Blue', '')[n % 3]},{card[n]},{tips[n]},{big[n]}" for n in range(ROWS)]
    (folder / "trips.csv").write_text("\n".join(["trip,fare,company,card,tips,big_tip", *lines]) + "\n")


def write_project(folder):
    folder.mkdir()
    write_trips(folder)
    (folder / "schema.pbtxt").write_text(SCHEMA)
    (folder / "model.py").write_text(MODULE)
    bound = {"value_threshold": {"lower_bound": {"value": 0.7}}}
    document = {
        "name": "trips",
        "source": {"pattern": "trips.csv", "row_key": ["trip"], "label": {"name": "big_tip"}},
        "splits": {"key": ["trip"], "train": 0.6, "eval": 0.2, "test": 0.2},
        "training": {"fn_args": {"train_steps": 60, "eval_steps": 2, "custom_config": {"batch_size": 50}}},
        "evaluation": {
            "model_specs": [{"label_key": "big_tip"}],
            "slicing_specs": [{}],
            "metrics_specs": [{"metrics": [{"class_name": "AUC", "threshold": bound}]}],
        },
        "gates": {
            "data": {"min_rows": {"train": 100, "eval": 50, "test": 50}},
            "calibration": {"min_rows": 50, "max_calibration_error": 0.3, "max_base_rate_ratio": 2.0},
            "serving": {"max_p99_ms": {"1": 5000}, "requests": 299},
        },
        "serving": {"model_name": "trips", "directory": "served"},
    }
    (folder / "project.yaml").write_text(yaml.safe_dump(document))


def test_a_module_of_tfx_is_trained_judged_and_pushed(sluice, tmp_path):
    project = tmp_path / "project"
    write_project(project)
    result = sluice("run", project, "--isolation", "fork", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Version 1 is pushed" in result.stdout
    (run,) = (tmp_path / "runs").iterdir()
    gates = {gate["gate"]: gate for gate in json.loads(next(run.rglob("decision.json")).read_text())["gates"]}
    assert {gates[name]["verdict"] for name in ("performance", "serving", "parity", "robustness")} == {"passed"}
    assert "the same 3 features" in gates["parity"]["reason"]
    card = (project / "served" / "1" / "assets.extra" / "sluice" / "model_card.md").read_text()
    assert "| Best epoch | – |" in card
