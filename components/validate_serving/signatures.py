"""Checks the signatures that the server tells of against the schema."""

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from components._shared.artifacts import SIGNATURE_RAW, SIGNATURE_TRANSFORM
from components._tf.saved_model import raw_specs
from components.validate_serving.job import Job, Measured


def check_signatures(signatures: dict[str, Any], task: Job, seen: Measured) -> None:
    """Notes what is wrong with the signatures that a server tells of.

    Args:
        signatures: SignatureDef by name.
        task: What the model has to be.
        seen: What is seen is noted here.
    """
    for name, specs in _wanted(task).items():
        if name not in signatures:
            seen.note("signatures", f"The model has no signature {name!r}.")
            continue
        inputs, outputs = _specs(signatures[name].inputs), _specs(signatures[name].outputs)
        seen.signatures[name] = {"inputs": _describe(inputs), "outputs": _describe(outputs)}
        for problem in _compare_specs(inputs, specs):
            seen.note("signatures", f"{name}: {problem}")
        output = task.interface.output
        if name != SIGNATURE_TRANSFORM and (output not in outputs or outputs[output].dtype != tf.float32):
            seen.note("signatures", f"{name}: the output {output!r} of dtype float32 is missing.")


def _wanted(task: Job) -> dict[str, dict[str, tf.TensorSpec]]:
    """Returns the inputs that each signature has to take."""
    asked, known = task.interface, raw_specs(task.schema)
    serialized = tf.TensorSpec([None], tf.string)
    wanted = {SIGNATURE_RAW: {name: known[name] for name in asked.raw}} if asked.raw else {}
    if asked.examples_signature:
        wanted[asked.examples_signature] = {asked.examples_input: serialized}
    if asked.transform_input:
        wanted[SIGNATURE_TRANSFORM] = {asked.transform_input: serialized}
    return wanted


def _specs(infos: Any) -> dict[str, tf.TensorSpec]:
    return {
        name: tf.TensorSpec(tf.TensorShape(infos[name].tensor_shape), tf.dtypes.as_dtype(infos[name].dtype))
        for name in sorted(infos)
    }


def _describe(specs: dict[str, Any]) -> dict[str, str]:
    return {
        name: f"{spec.dtype.name} {list(spec.shape) if spec.shape.rank is not None else '?'}" for name, spec in specs.items()
    }


def _compare_specs(inputs: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    for name in sorted(inputs.keys() | wanted.keys()):
        if name not in inputs:
            yield f"the input {name!r} is missing."
        elif name not in wanted:
            yield f"the input {name!r} is no feature of the schema."
        elif inputs[name].dtype != wanted[name].dtype:
            yield f"the input {name!r} is {inputs[name].dtype.name}; the schema asks for {wanted[name].dtype.name}."
        elif not inputs[name].shape.is_compatible_with(wanted[name].shape) or inputs[name].shape.num_elements() is not None:
            yield f"the input {name!r} has the shape {inputs[name].shape}; a batch of any size, [None], must fit."
