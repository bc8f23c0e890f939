"""What a preprocessing_fn must be, told in words that speak of the project's code."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from components._shared.errors import UserError
from components._shared.user_code import last_words
from components._tf.saved_model import DTYPES
from components._tf.transform_graph import FeatureSpec

_PYTHON_OPERATIONS = ("PyFunc", "PyFuncStateless", "EagerPyFunc")


def graph_failed(error: Exception) -> UserError:
    """Returns the error for a graph that was built and cannot digest some rows."""
    return UserError(
        "The graph that preprocessing_fn builds takes every row.",
        received=last_words(error),
        remedy="Guard assertions, conversions of text and look-ups in features.py, or let the schema refuse such rows.",
    )


def checked_outputs(preprocessing_fn: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the same function with its outputs checked, since TFT's own messages do not speak of the project's code."""

    def checked(inputs: dict[str, Any]) -> dict[str, Any]:
        outputs = preprocessing_fn(inputs)
        if not isinstance(outputs, dict):
            raise UserError("preprocessing_fn returns a dict of tensors by name.", received=type(outputs).__name__)
        if unnamed := [name for name in outputs if not isinstance(name, str)]:
            raise UserError("The outputs of preprocessing_fn have names.", received=unnamed, remedy="Name them in features.py.")
        for name, values in outputs.items():
            _check_exportable(name, values)
            if getattr(values, "dtype", None) not in DTYPES.values():
                raise UserError(
                    f"The output {name!r} of preprocessing_fn is a tensor of float32, int64 or string.",
                    received=getattr(values, "dtype", type(values)),
                    remedy="Convert it with tf.cast in features.py.",
                )
        return outputs

    return checked


def _check_exportable(name: str, values: Any) -> None:
    """Checks that no output needs Python to be computed: a SavedModel holds no Python.

    Raises:
        UserError: If there is such an operation in the graph, or the rank of the output is not known.
    """
    if not isinstance(values, tf.Tensor):
        return
    if python := [operation.name for operation in values.graph.get_operations() if operation.type in _PYTHON_OPERATIONS]:
        raise UserError(
            "preprocessing_fn holds only TensorFlow operations, which a server can run.",
            received=f"Python code in {', '.join(python)}",
            remedy="Replace tf.py_function and tf.numpy_function in features.py.",
        )
    if values.shape.rank in (0, None):
        raise UserError(
            f"The output {name!r} of preprocessing_fn has one value, or one vector, per row.",
            received=f"the shape {values.shape}",
            remedy="Make its first axis the rows; tf.ensure_shape says what TensorFlow cannot see.",
        )


def feature_names(spec: dict[str, FeatureSpec], label: str, *, needs_label: bool = True) -> tuple[str, ...]:
    """Returns the names of the transformed features, without the label.

    Args:
        spec: The outputs of preprocessing_fn.
        label: Name of the label.
        needs_label: Whether the label has to be among them as it is: build_model is fitted to it. A run_fn finds its own.

    Raises:
        UserError: If the label is not among the outputs, is no number per row, or is the only one.
    """
    if not needs_label and label not in spec:
        return tuple(sorted(spec))
    if label not in spec:
        raise UserError(
            f"preprocessing_fn passes the label {label!r} through.",
            received=sorted(spec),
            remedy=f'Add "{label}": inputs["{label}"] to its outputs.',
        )
    if spec[label].shape or spec[label].dtype == tf.string:
        raise UserError(
            f"preprocessing_fn returns the label {label!r} as one number per row.",
            received=f"{spec[label].dtype.name} with the shape {[None, *spec[label].shape]}",
            remedy=f'Pass it through: "{label}": inputs["{label}"].',
        )
    if len(spec) == 1:
        raise UserError("preprocessing_fn returns at least one feature besides the label.", received=sorted(spec))
    return tuple(sorted(name for name in spec if name != label))
