"""Trains by the project's run_fn, as TFX's Trainer does, and checks what it exported."""

import contextlib
import dataclasses
import logging
import math
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from components._data.examples import iterate_split, read_manifest
from components._data.integrity import check_splits
from components._data.schema import read_schema, serving_features
from components._shared.artifacts import (
    EVAL,
    MODEL_FILE,
    SAVED_MODEL_FILE,
    SCHEMA_FILE,
    SERVING_MODEL_DIR,
    SIGNATURE_RAW,
    SIGNATURE_TRANSFORM,
    TRAIN,
    TRAINING_FILE,
    split_dir,
)
from components._shared.digest import digest_model
from components._shared.errors import UserError
from components._shared.folders import whole_folder
from components._shared.interface import Interface
from components._shared.label import LabelSpec, read_label_spec
from components._shared.outputs import write_json, write_text
from components._shared.project_code import BUILD_MODEL, RUN_FN
from components._shared.user_code import last_words, load_one, user_errors
from components._tf.export import WARMUP_BATCHES, write_warmup
from components._tf.interface import predict_rows, read_interface, read_signatures
from components._tf.saved_model import load_model
from components._tf.transform_graph import read_feature_spec
from components.train_model.checkpoints import CheckpointFile
from components.train_model.fit import Settings as FitSettings
from components.train_model.fn_args import RAW, FnArgs, Settings, make_data_accessor, read_settings, tuner_config
from components.train_model.record import TrainingResult, read_origin
from components.train_model.run_page import render
from components.train_model.tf_records import write_records
from components.train_model.training_key import training_key

logger = logging.getLogger("sluice.train_model")

_ROWS_CHECKED = 1000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inputs:
    """What the stage was given.

    Attributes:
        examples: Folder of the raw examples.
        transformed_examples: Folder of the transformed train and eval splits.
        transform_graph: Folder of the transform graph.
        schema: Folder of the schema of the raw examples.
        project_dir: Folder of the project.
        model_hash: Digest that model.py must have.
        settings: Epochs and batch size, which the numbers of steps follow from unless they are given, and the seed.
        hyperparameters: Passed on.
        fn_args: `training.fn_args` of the project.
    """

    examples: str
    transformed_examples: str
    transform_graph: str
    schema: str
    project_dir: str
    model_hash: str
    settings: FitSettings
    hyperparameters: dict[str, Any]
    fn_args: dict[str, Any]


def train_by_run_fn(inputs: Inputs, *, model: str, metrics: str, report: str, checkpoint_dir: str = "") -> TrainingResult:
    """Calls the project's run_fn with FnArgs, and makes sure that it exported a model that answers raw rows.

    Args:
        inputs: What the stage was given.
        model: Folder to write the SavedModel and `training.json` to.
        metrics: File for metrics, of which a run_fn tells none.
        report: File to write the page to.
        checkpoint_dir: Folder for folders of checkpoints, each of one training, that stay until it is over; empty for none.

    Raises:
        UserError: If a setting or the data is not as it should be, if run_fn fails, or exports nothing, or a model that cannot
            be asked.
    """
    settings, manifest = read_settings(inputs.fn_args), read_manifest(inputs.examples)
    with whole_folder(model) as folder, tempfile.TemporaryDirectory(prefix="sluice-run-fn-") as scratch:
        check_splits(inputs.examples, manifest, (TRAIN, EVAL))
        label, origin = read_label_spec(manifest), read_origin(inputs.transform_graph, manifest["data_version"])
        path, rows = folder / SERVING_MODEL_DIR, {split: manifest["splits"][split]["rows"] for split in (TRAIN, EVAL)}
        fn_args = _make_fn_args(inputs, settings, rows, path, Path(scratch))
        checkpoint = None
        if checkpoint_dir:
            key = _training_key(inputs, label, {"data_version": manifest["data_version"], **origin})
            checkpoint = CheckpointFile(checkpoint_dir, key)
            fn_args.model_run_dir = str(checkpoint.folder.absolute())
        seconds = _call(inputs, fn_args)
        interface = _check_export(inputs, path, label)
        training = {
            **_describe(inputs, settings, fn_args, manifest, label),
            "seconds": round(seconds, 1),
            "outputs": [interface.output],
            "interface": dataclasses.asdict(interface),
            **origin,
            "model_digest": digest_model(path),
        }
        write_json(folder / TRAINING_FILE, training)
        write_json(metrics, {})
        write_text(report, render(training, rows))
    if checkpoint:  # a module that went on from it once more would train longer than this one says
        checkpoint.remove()
    return TrainingResult(metrics={}, model_digest=training["model_digest"], data_version=manifest["data_version"])


def _describe(
    inputs: Inputs, settings: Settings, fn_args: FnArgs, manifest: dict[str, Any], label: LabelSpec
) -> dict[str, Any]:
    """Returns what `training.json` says of data and settings."""
    steps = {name: getattr(fn_args, name) for name in ("train_steps", "eval_steps")}
    return {
        **{key: manifest[key] for key in ("data_version", "label", "spans", "split_rule")},
        "label_kind": label.kind.value,
        "label_classes": list(label.classes),
        "trained_by": RUN_FN,
        "fn_args": dataclasses.asdict(settings) | steps,
        "seed": inputs.settings.seed,
        "features": _request_features(inputs),
        "hyperparameters": inputs.hyperparameters,
        "model_hash": inputs.model_hash,
    }


def _call(inputs: Inputs, fn_args: FnArgs) -> float:
    """Calls run_fn; returns how many seconds it took."""
    # TFT's layers are of Keras 2, so its import made tf.keras that one, as in TFX, unless the environment says otherwise.
    keras.utils.set_random_seed(inputs.settings.seed)
    tf.keras.utils.set_random_seed(inputs.settings.seed)
    tf.config.experimental.enable_op_determinism()
    _, run_fn = load_one(inputs.project_dir, MODEL_FILE, (RUN_FN, BUILD_MODEL), inputs.model_hash)
    started = time.perf_counter()
    with user_errors(inputs.project_dir, "run_fn trains and exports a model"):
        run_fn(fn_args)
    seconds = time.perf_counter() - started
    logger.info("run_fn took %.1f s", seconds)
    return seconds


def _make_fn_args(inputs: Inputs, settings: Settings, rows: dict[str, int], path: Path, scratch: Path) -> FnArgs:
    epochs, batch_size = inputs.settings.epochs, inputs.settings.batch_size
    source = inputs.examples if settings.examples == RAW else inputs.transformed_examples
    for split in (TRAIN, EVAL):
        if (written := write_records(source, split, scratch / "examples")) != rows[split]:
            raise UserError(
                "The transformed examples were made from these examples.",
                received=f"{written} transformed rows of {rows[split]} in the split {split!r}",
                remedy="Run transform_features again.",
            )
    folders = {name: str(scratch / name) for name in ("working", "eval_model", "model_run")}
    schema, graph = (str(Path(name).absolute()) for name in (Path(inputs.schema) / SCHEMA_FILE, inputs.transform_graph))
    return FnArgs(
        working_dir=folders["working"],
        train_files=[str(scratch / "examples" / split_dir(TRAIN) / "*")],
        eval_files=[str(scratch / "examples" / split_dir(EVAL) / "*")],
        train_steps=settings.train_steps or epochs * math.ceil(rows[TRAIN] / batch_size),
        eval_steps=settings.eval_steps or math.ceil(rows[EVAL] / batch_size),
        schema_path=schema,
        schema_file=schema,
        transform_graph_path=graph,
        transform_output=graph,
        data_accessor=make_data_accessor(),
        serving_model_dir=str(path.absolute()),
        eval_model_dir=folders["eval_model"],
        model_run_dir=folders["model_run"],
        hyperparameters=tuner_config(inputs.hyperparameters),
        custom_config=dict(settings.custom_config),
    )


def _training_key(inputs: Inputs, label: LabelSpec, origin: dict[str, str]) -> str:
    return training_key(
        transformed_examples=inputs.transformed_examples,
        feature_spec=read_feature_spec(inputs.transform_graph),
        label=label,
        origin=origin,
        model_hash=inputs.model_hash,
        settings=inputs.settings,
        hyperparameters={"hyperparameters": inputs.hyperparameters, "fn_args": inputs.fn_args},
    )


def _request_features(inputs: Inputs) -> list[str]:
    """Returns names of what the transform graph makes of a row as a request holds it; the transformed label is not there."""
    output = tft.TFTransformOutput(inputs.transform_graph)
    names = {feature.name for feature in serving_features(read_schema(inputs.schema))}
    spec = {name: feature for name, feature in output.raw_feature_spec().items() if name in names}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def transform(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        return output.transform_raw_features(tf.io.parse_example(serialized, spec), drop_unused_features=True)

    return sorted(transform.get_concrete_function().structured_outputs)  # it is traced, and not run


def _check_export(inputs: Inputs, path: Path, label: LabelSpec) -> Interface:
    schema = read_schema(inputs.schema)
    # What a link leads to is in no digest: it may be gone later, or another one than was judged.
    if links := [item.relative_to(path.parent).as_posix() for item in (path, *path.rglob("*")) if item.is_symlink()]:
        remedy = "Copy what they lead to into fn_args.serving_model_dir."
        raise UserError("run_fn exports files and folders, and no links.", received=links, remedy=remedy)
    if not (path / SAVED_MODEL_FILE).is_file():
        found = sorted(item.name for item in path.iterdir()) if path.is_dir() else "nothing"
        raise UserError(
            "run_fn exports a SavedModel to fn_args.serving_model_dir.",
            received=found,
            remedy="End it with tf.saved_model.save(model, fn_args.serving_model_dir, signatures=...).",
        )
    interface = read_interface(path, schema, label)
    rows = next(iterate_split(inputs.examples, EVAL, batch_rows=_ROWS_CHECKED))
    with _answering():
        predictions = predict_rows(load_model(path), interface, rows, schema, label)
    wanted = (rows.num_rows, *([len(label.classes)] if label.classes else []))
    if predictions.shape != wanted or not np.issubdtype(predictions.dtype, np.floating):
        raise UserError(
            f"The output {interface.output!r} of a model of a {label.kind.value} label has the shape {[*wanted]} "
            f"for {rows.num_rows} rows.",
            received=f"{predictions.dtype} of shape {[*predictions.shape]}",
            remedy="Mend what the signature serving_default returns in model.py.",
        )
    _tell_of_others(path, interface)
    write_warmup(path, next(iterate_split(inputs.examples, TRAIN, batch_rows=max(WARMUP_BATCHES))), schema, interface)
    return interface


def _tell_of_others(path: Path, interface: Interface) -> None:
    asked = {SIGNATURE_RAW, interface.examples_signature, SIGNATURE_TRANSFORM if interface.transform_input else ""}
    if others := sorted(read_signatures(path).keys() - asked):
        logger.warning("No gate asks the signatures %s; they are served as they are", ", ".join(others))


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise UserError(
            "The exported model answers raw rows without the label.",
            received=f"{type(error).__name__}: {last_words(error)}",
            remedy="Look at what serving_default parses and calls in model.py; docs/from-tfx.md shows the usual form.",
        ) from error
