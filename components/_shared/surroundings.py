"""What surrounds a stage and decides about the numbers that come out, beside data, settings and code."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

ARITHMETIC = ("DNNL_", "KERAS_", "ONEDNN_", "TF_", "XLA_")
"""How variables begin that change what Keras and TensorFlow compute; DNNL and ONEDNN are two names of one library."""


def describe_surroundings(libraries: Sequence[str]) -> dict[str, Any]:
    """Returns the versions of Python and of libraries, the kind of machine, and the variables of what computes."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "libraries": {name: version(name) for name in libraries},
        "variables": {name: value for name, value in os.environ.items() if name.startswith(ARITHMETIC)},
    }
