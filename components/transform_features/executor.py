"""Fits the transform graph on the training split and applies it to train and eval."""

import dataclasses
import logging
from pathlib import Path

import keras  # noqa: F401  Keras 3 comes first: TFT asks for the legacy Keras where none is imported yet.

from components._data.examples import read_manifest
from components._data.integrity import check_splits
from components._data.schema import read_schema
from components._shared.artifacts import EVAL, SCHEMA_FILE, TRAIN, TRANSFORM_FILE
from components._shared.digest import digest_file
from components._shared.folders import whole_folder
from components._shared.outputs import write_json
from components._shared.project_code import PREPROCESSING_FN, preprocessing_file, trains_by_run_fn
from components._shared.user_code import load_function, user_errors
from components._tf.transform_graph import TransformGraph, read_feature_spec
from components.transform_features.analysis import analyze
from components.transform_features.application import apply_to_split
from components.transform_features.checks import feature_names
from components.transform_features.gate import honour_data_gate

logger = logging.getLogger("sluice.transform_features")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformResult:
    """What was written.

    Attributes:
        rows: Number of transformed rows by split.
        features: Names of the transformed features, without the label.
    """

    rows: dict[str, int]
    features: tuple[str, ...]


def transform_features(
    *,
    examples: str,
    schema: str,
    anomalies: str,
    project_dir: str,
    features_hash: str,
    transform_graph: str,
    transformed_examples: str,
) -> TransformResult:
    """Fits the graph of the project's preprocessing_fn on the training split and applies it to train and eval.

    The test split stays raw: the exported model transforms it itself, as it will in serving.

    Args:
        examples: Folder of the examples.
        schema: Folder of the schema.
        anomalies: Folder of the anomalies with the data gate's report.
        project_dir: Folder of the project, with `features.py`, or with a `model.py` that holds preprocessing_fn too.
        features_hash: Digest that this file, with what it may import, must have.
        transform_graph: Folder to write the graph to, in TFT's layout.
        transformed_examples: Folder to write Parquet shards to, in the order of the examples.

    Raises:
        Refusal: If the data gate did not let the examples through.
        UserError: If features.py or the data is not as it should be.
    """
    with whole_folder(transform_graph) as graph_dir, whole_folder(transformed_examples) as transformed_dir:
        manifest, raw_schema = read_manifest(examples), read_schema(schema)
        honour_data_gate(anomalies, manifest["data_version"])
        check_splits(examples, manifest, (TRAIN, EVAL))
        preprocessing_fn = load_function(project_dir, preprocessing_file(project_dir), PREPROCESSING_FN, features_hash)
        needs_label = not trains_by_run_fn(project_dir)
        with user_errors(project_dir, "preprocessing_fn builds the transform graph"):
            analyze(
                examples=examples,
                schema=schema,
                preprocessing_fn=preprocessing_fn,
                transform_graph=graph_dir,
                may_ignore="" if needs_label else manifest["label"],
            )
        features = feature_names(read_feature_spec(graph_dir), manifest["label"], needs_label=needs_label)
        logger.info("Fitted the transform graph: %d features", len(features))
        origin = {"data_version": manifest["data_version"], "features_hash": features_hash}
        write_json(graph_dir / TRANSFORM_FILE, {**origin, "schema_hash": digest_file(Path(schema) / SCHEMA_FILE)})
        graph = TransformGraph(graph_dir)
        rows = {
            split: apply_to_split(graph=graph, examples=examples, split=split, schema=raw_schema, output=transformed_dir)
            for split in (TRAIN, EVAL)
        }
    logger.info("Transformed %s", ", ".join(f"{count:,} rows of {split}" for split, count in rows.items()))
    return TransformResult(rows=rows, features=features)
