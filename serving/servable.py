"""One loaded version of a model: a SavedModel in a TensorFlow session, as in TF Serving itself.

The graph is run through a session and not through `tf.saved_model.load`: a call costs a tenth, models of TensorFlow 1
are served too, shapes are as free as in TF Serving, and closing the session gives all memory back.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, error_codes_pb2

from serving.errors import ServingError, invalid
from serving.tensors import type_name

DEFAULT_SIGNATURE = "serving_default"

logging.getLogger("tensorflow").addFilter(lambda record: "loader_impl" not in record.getMessage())  # a deprecation

Columns = dict[str, np.ndarray]
"""Tensors by their names in the signature: numbers, or bytes as objects."""


class Servable:
    """A SavedModel that answers; any thread may call it.

    Args:
        path: Folder that holds `saved_model.pb`.
        tags: Tags of the graph to load.

    Raises:
        ServingError: If there is no SavedModel or it cannot be loaded.
    """

    def __init__(self, path: Path, tags: Sequence[str] = ("serve",)) -> None:
        if not any((path / name).is_file() for name in ("saved_model.pb", "saved_model.pbtxt")):
            raise ServingError(
                "NOT_FOUND",
                f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {path}. "
                "Check that the directory exists and that you have the right permissions for accessing it.",
            )
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        try:
            with graph.as_default():
                meta_graph = tf.compat.v1.saved_model.loader.load(self._session, list(tags), str(path))
        except Exception as error:  # a broken SavedModel may raise anything
            self._session.close()
            raise to_serving_error(error) from error
        self.signatures: dict[str, Any] = dict(meta_graph.signature_def)
        self._calls: dict[tuple[str, tuple[str, ...]], _Call] = {}
        self._lock = threading.Lock()

    def predict(
        self,
        signature_name: str,
        inputs: Columns,
        output_filter: Iterable[str] = (),
        observe: Callable[[float], None] = lambda seconds: None,
    ) -> Columns:
        """Returns the outputs of a signature.

        Args:
            signature_name: Name of the signature; empty for `serving_default`.
            inputs: One array per input; those with a default in the signature may be left out.
            output_filter: Names of the wanted outputs; all if empty.
            observe: Told the seconds that TensorFlow took.

        Raises:
            ServingError: FAILED_PRECONDITION if there is no such signature, INVALID_ARGUMENT if the inputs or the
                filter do not suit it, else what TensorFlow reports.
        """
        name = signature_name or DEFAULT_SIGNATURE
        if name not in self.signatures:
            raise ServingError("FAILED_PRECONDITION", f'Serving signature key "{name}" not found.')
        call = self._call(name, tuple(output_filter))
        tensors = call.order(inputs)
        begin = time.monotonic()
        try:
            outputs = call.run(*tensors)
        except (tf.errors.OpError, TypeError, ValueError) as error:
            raise to_serving_error(error) from error
        observe(time.monotonic() - begin)
        return dict(zip(call.outputs, outputs, strict=True))

    def close(self) -> None:
        """Gives the model's memory back; nobody may call `predict` any more."""
        self._calls.clear()
        self._session.close()

    def _call(self, name: str, output_filter: tuple[str, ...]) -> "_Call":
        key = (name, output_filter)
        if (call := self._calls.get(key)) is None:
            with self._lock:
                call = self._calls.setdefault(key, _Call(self._session, self.signatures[name], output_filter))
        return call


class _Call:
    """A signature with a choice of outputs, prepared to be run."""

    def __init__(self, session: Any, signature: Any, output_filter: tuple[str, ...]) -> None:
        self.outputs = _outputs(signature, output_filter)
        self._dtypes = {name: tf.dtypes.as_dtype(signature.inputs[name].dtype) for name in sorted(signature.inputs)}
        self._defaults = {name: tf.make_ndarray(proto) for name, proto in signature.defaults.items()}
        options = config_pb2.CallableOptions()
        options.feed.extend(signature.inputs[name].name for name in self._dtypes)
        options.fetch.extend(signature.outputs[name].name for name in self.outputs)
        # In the caller's thread: handing a small graph over to TensorFlow's pool costs more than the graph.
        options.run_options.inter_op_thread_pool = -1
        self.run = session._make_callable_from_options(options)

    def order(self, inputs: Columns) -> list[np.ndarray]:
        """Returns the arrays in the order of the feeds.

        Raises:
            ServingError: INVALID_ARGUMENT if names or types do not suit the signature (predict_util.cc).
        """
        if len(inputs) > len(self._dtypes) or (len(inputs) < len(self._dtypes) and not self._defaults):
            raise invalid(_size_mismatch(set(inputs), set(self._dtypes)))
        if unknown := sorted(inputs.keys() - self._dtypes.keys()):
            expected = ",".join(self._dtypes)
            raise invalid(
                f"input tensor alias not found in signature: {unknown[0]}. Inputs expected to be in the set {{{expected}}}."
            )
        values = {**self._defaults, **inputs}
        if missing := sorted(self._dtypes.keys() - values.keys()):
            raise invalid(f"input tensor alias not found in request: {','.join(missing)}")
        for position, (name, dtype) in enumerate(self._dtypes.items()):
            if values[name].dtype != dtype.as_numpy_dtype:
                expected, received = type_name(dtype), type_name(values[name].dtype)
                raise invalid(f"Expects arg[{position}] to be {expected} but {received} is provided")
        return [values[name] for name in self._dtypes]


def _outputs(signature: Any, output_filter: tuple[str, ...]) -> tuple[str, ...]:
    known = sorted(signature.outputs)
    for position, name in enumerate(output_filter):
        if name not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set {{{','.join(known)}}}."
            )
        if name in output_filter[:position]:
            raise invalid(f"duplicate output tensor alias: {name}")
    return output_filter or tuple(known)


def _size_mismatch(received: set[str], expected: set[str]) -> str:
    def listed(names: set[str]) -> str:
        return "{" + ",".join(sorted(names)) + "}"

    return (
        f"input size does not match signature: {len(received)}!={len(expected)} len({listed(received)}) != "
        f"len({listed(expected)}). Sent extra: {listed(received - expected)}. "
        f"Missing but required: {listed(expected - received)}."
    )


def to_serving_error(error: Exception) -> ServingError:
    """Returns an error of TensorFlow with its own code, and any other one as fits its kind."""
    if isinstance(error, ServingError):
        return error
    if isinstance(error, tf.errors.OpError):
        return ServingError(error_codes_pb2.Code.Name(error.error_code), error.message)
    if isinstance(error, OSError):
        return ServingError("NOT_FOUND", str(error))
    if isinstance(error, TypeError | ValueError):
        return invalid(str(error))
    return ServingError("UNKNOWN", f"{type(error).__name__}: {error}")
