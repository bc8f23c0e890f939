"""What surrounds a stage and decides about the numbers that come out, beside data, settings and code."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components._shared.documents import read_object

ARITHMETIC = ("DNNL_", "KERAS_", "ONEDNN_", "TF_", "XLA_")
"""How variables begin that change what Keras and TensorFlow compute; DNNL and ONEDNN are two names of one library."""

_KERAS_DEFAULTS = {"backend": "tensorflow", "epsilon": 1e-07, "floatx": "float32", "image_data_format": "channels_last"}


def describe_surroundings(libraries: Mapping[str, str]) -> dict[str, Any]:
    """Returns the versions of Python and of the given libraries, the kind of machine, and the settings of what computes."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "libraries": dict(libraries),
        "keras": read_keras_settings(),
        "variables": {name: value for name, value in os.environ.items() if name.startswith(ARITHMETIC)},
    }


def read_keras_settings() -> dict[str, Any]:
    """Returns what the user's keras.json sets otherwise than Keras does; Keras writes its own settings where there is none."""
    try:
        folder = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
        found = read_object(Path(folder) / "keras.json")
    except (OSError, ValueError, RuntimeError):  # the last: in a container a user may have no home
        return {}
    return {name: found[name] for name, usual in _KERAS_DEFAULTS.items() if found.get(name, usual) != usual}
