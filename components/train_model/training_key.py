"""The key of a training: all that its course rests on. A checkpoint of another key is of another training."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components._shared.digest import digest_file, digest_files, digest_parts, digest_tree
from components._shared.label import LabelSpec
from components._shared.surroundings import describe_surroundings
from components._tf.transform_graph import FeatureSpec
from components.train_model.fit import Settings

_LIBRARIES = {"keras": keras.__version__, "numpy": np.__version__, "tensorflow": tf.__version__}
"""By import name: TensorFlow comes in several packages."""


def training_key(
    *,
    transformed_examples: str,
    feature_spec: Mapping[str, FeatureSpec],
    label: LabelSpec,
    origin: Mapping[str, str],
    model_hash: str,
    settings: Settings,
    hyperparameters: Mapping[str, Any],
) -> str:
    """Returns `sha256:<hex>` of data, settings, code and surroundings; any other of them is another training.

    Args:
        transformed_examples: Folder of the transformed examples, which are read once.
        feature_spec: The transformed features, without the label.
        label: The label.
        origin: Data version, and the digests of the code and the schema that made the transformed examples.
        model_hash: Digest of model.py, with what it may import.
        settings: How to fit.
        hyperparameters: What build_model is given.
    """
    parts = {
        "examples": digest_tree(transformed_examples),
        "features": {name: repr(spec) for name, spec in feature_spec.items()},
        "label": repr(label),
        "origin": dict(origin),
        "model_hash": model_hash,
        "settings": dataclasses.asdict(settings),
        "hyperparameters": dict(hyperparameters),
        "stage": _digest_stage(),
        "surroundings": describe_surroundings(_LIBRARIES),
        "devices": sorted({device.device_type for device in tf.config.list_physical_devices()}),
    }
    return digest_parts([json.dumps(parts, sort_keys=True)])


def _digest_stage() -> str:
    """Returns the digest of this stage's code, and of what stages share."""
    root = Path(__file__).parents[1]
    folders = [Path(__file__).parent, *root.glob("_*")]
    files = {file for folder in folders for file in folder.rglob("*.py")}
    return digest_files({file.relative_to(root).as_posix(): digest_file(file) for file in files})
