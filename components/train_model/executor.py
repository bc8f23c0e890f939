"""Trains the project's model on the transformed examples and exports it with its transform graph."""

import dataclasses
import logging
import statistics
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from components._data.examples import read_manifest
from components._data.integrity import check_splits
from components._data.schema import read_schema
from components._shared.artifacts import EVAL, MODEL_FILE, SERVING_MODEL_DIR, TRAIN, TRAINING_FILE
from components._shared.digest import digest_model
from components._shared.errors import UserError
from components._shared.folders import whole_folder
from components._shared.label import LabelSpec, read_label_spec
from components._shared.outputs import write_json, write_text
from components._shared.project_code import BUILD_MODEL, RUN_FN, trains_by_run_fn
from components._shared.user_code import load_one, user_errors
from components._tf.transform_graph import FeatureSpec, TransformGraph, read_feature_spec
from components.train_model.arrays import Arrays, read_rows
from components.train_model.checkpoints import CheckpointFile
from components.train_model.fit import Fit, Settings, build, fit, model_errors
from components.train_model.page import render
from components.train_model.record import TrainingResult, read_origin
from components.train_model.saving import save_model
from components.train_model.streams import Stream
from components.train_model.training_key import training_key

logger = logging.getLogger("sluice.train_model")


def train_model(
    *,
    examples: str,
    transformed_examples: str,
    transform_graph: str,
    schema: str,
    project_dir: str,
    model_hash: str,
    epochs: int,
    batch_size: int,
    patience: int,
    seed: int,
    hyperparameters: dict[str, Any],
    model: str,
    metrics: str,
    report: str,
    fn_args: dict[str, Any] | None = None,
    checkpoint_dir: str = "",
) -> TrainingResult:
    """Fits the model of the project's build_model, keeps the weights of the best epoch and exports it; or calls its run_fn.

    The same transformed examples, settings and seed give the same weights on the same machine, also when it is killed on the
    way and goes on from its checkpoint.

    Args:
        examples: Folder of the raw examples.
        transformed_examples: Folder of the transformed train and eval splits, in the order of the examples.
        transform_graph: Folder of the transform graph.
        schema: Folder of the schema of the raw examples.
        project_dir: Folder of the project, with `model.py`.
        model_hash: Digest that model.py, with what it may import, must have.
        epochs: Greatest number of passes over the training split.
        batch_size: Rows per step.
        patience: Epochs without a better eval loss before training stops.
        seed: Seed of weights and row order, in [0, 2^32).
        hyperparameters: Passed on to build_model.
        model: Folder to write the SavedModel and `training.json` to.
        metrics: File to write the best epoch's metrics to.
        report: File to write the training curves to.
        fn_args: Settings of a run_fn; see `fn_args.Settings`.
        checkpoint_dir: Folder for a checkpoint after each epoch, of this training and of others; empty for none.

    Raises:
        UserError: If a setting, model.py or the data is not as it should be, or the loss becomes NaN.
    """
    if trains_by_run_fn(project_dir):
        from components.train_model.run_fn import Inputs, train_by_run_fn  # noqa: PLC0415  # TFT and Beam take seconds

        settings = Settings(epochs=epochs, batch_size=batch_size, patience=patience, seed=seed)
        folders = {"examples": examples, "transformed_examples": transformed_examples, "transform_graph": transform_graph}
        folders |= {"schema": schema, "project_dir": project_dir}
        given = Inputs(
            **folders, model_hash=model_hash, settings=settings, hyperparameters=hyperparameters, fn_args=fn_args or {}
        )
        return train_by_run_fn(given, model=model, metrics=metrics, report=report, checkpoint_dir=checkpoint_dir)
    with whole_folder(model) as folder:
        settings = Settings(epochs=epochs, batch_size=batch_size, patience=patience, seed=seed)
        manifest = read_manifest(examples)
        check_splits(examples, manifest, (TRAIN, EVAL))
        label = read_label_spec(manifest)
        origin = read_origin(transform_graph, manifest["data_version"])
        feature_spec = _read_features(transform_graph, label.name)
        splits = {split: read_rows(transformed_examples, split, feature_spec, label) for split in (TRAIN, EVAL)}
        _check_rows(manifest, splits)
        keras.utils.clear_session()  # the names of layers are counted: a checkpoint knows its variables by them
        keras.utils.set_random_seed(seed)
        tf.config.experimental.enable_op_determinism()
        build_model = _load_build_model(project_dir, model_hash)
        checkpoint = _find_checkpoint(
            checkpoint_dir,
            transformed_examples=transformed_examples,
            feature_spec=feature_spec,
            label=label,
            origin={"data_version": manifest["data_version"], **origin},
            model_hash=model_hash,
            settings=settings,
            hyperparameters=hyperparameters,
        )
        fitted = _fit(project_dir, build_model, feature_spec, hyperparameters, label, splits, settings, checkpoint)
        save_model(
            model=fitted.model,
            graph=TransformGraph(transform_graph),
            schema=read_schema(schema),
            examples=examples,
            evaluation=splits[EVAL],
            label=label,
            path=folder / SERVING_MODEL_DIR,
        )
        training = {
            **_describe(manifest, label, settings, fitted, feature_spec),
            "hyperparameters": hyperparameters,
            **origin,
            "model_hash": model_hash,
            "model_digest": digest_model(folder / SERVING_MODEL_DIR),
        }
        write_json(folder / TRAINING_FILE, training)
        write_json(metrics, fitted.best())
        write_text(report, render(fitted, training, {split: arrays.rows for split, arrays in splits.items()}))
    if checkpoint:
        checkpoint.remove()
    return TrainingResult(
        metrics=fitted.best(),
        best_epoch=fitted.best_epoch,
        epochs_run=fitted.epochs,
        rows_per_second=statistics.median(fitted.rows_per_second[1:] or fitted.rows_per_second),
        model_digest=training["model_digest"],
        data_version=manifest["data_version"],
        resumed_at=fitted.resumed_at,
    )


def _load_build_model(project_dir: str, model_hash: str) -> Callable[..., Any]:
    name, function = load_one(project_dir, MODEL_FILE, (BUILD_MODEL, RUN_FN), model_hash)
    if name != BUILD_MODEL:
        remedy = f"Write `from module import {RUN_FN}`, not `*`."
        raise UserError(f"{MODEL_FILE} defines {RUN_FN}, or imports it by its name.", received=name, remedy=remedy)
    return function


def _find_checkpoint(checkpoint_dir: str, **training: Any) -> CheckpointFile | None:
    return CheckpointFile(checkpoint_dir, training_key(**training)) if checkpoint_dir else None


def _fit(
    project_dir: str,
    build_model: Callable[..., Any],
    feature_spec: dict[str, FeatureSpec],
    hyperparameters: dict[str, Any],
    label: LabelSpec,
    splits: dict[str, Arrays | Stream],
    settings: Settings,
    checkpoint: CheckpointFile | None,
) -> Fit:
    """Builds the project's model and fits it, with its errors told by the project's files and lines."""
    with model_errors(), user_errors(project_dir, "build_model builds a model that can be fitted"):
        model = build(build_model, feature_spec, hyperparameters, label)
        fitted = fit(model, train=splits[TRAIN], evaluation=splits[EVAL], settings=settings, checkpoint=checkpoint)
    logger.info("Kept the weights of epoch %d of %d", fitted.best_epoch, fitted.epochs)
    return fitted


def _read_features(transform_graph: str, label: str) -> dict[str, FeatureSpec]:
    spec = read_feature_spec(transform_graph)
    if label not in spec:
        raise UserError(f"The transformed examples hold the label {label!r}.", received=sorted(spec))
    return {name: feature for name, feature in spec.items() if name != label}


def _check_rows(manifest: dict[str, Any], splits: dict[str, Arrays | Stream]) -> None:
    for split, arrays in splits.items():
        expected = manifest["splits"][split]["rows"]
        if arrays.rows != expected:
            raise UserError(
                "The transformed examples were made from these examples.",
                received=f"{arrays.rows} transformed rows of {expected} in the split {split!r}",
                remedy="Run transform_features again.",
            )


def _describe(
    manifest: dict[str, Any], label: LabelSpec, settings: Settings, fitted: Fit, feature_spec: dict[str, FeatureSpec]
) -> dict[str, Any]:
    """Returns what `training.json` says of data, settings and course of the training."""
    return {
        **{key: manifest[key] for key in ("data_version", "label", "spans", "split_rule")},
        "label_kind": label.kind.value,
        "label_classes": list(label.classes),
        **dataclasses.asdict(settings),
        "features": sorted(feature_spec),
        "outputs": [label.output],
        "epochs_run": fitted.epochs,
        "best_epoch": fitted.best_epoch,
        "history": fitted.history,
    }
