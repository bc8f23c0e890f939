"""How a served model is asked and read: by the signatures that it has, whoever exported it.

What train_model exports itself takes raw tensors by name, and names its output after the kind of label. What a run_fn exports
may take serialized tf.Example protos instead, as TFX's own modules have it, and name its output as it likes.
"""

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import Any

from components._shared.artifacts import EXAMPLES_INPUT, SIGNATURE_EXAMPLES, SIGNATURE_RAW, SIGNATURE_TRANSFORM
from components._shared.errors import UserError
from components._shared.label import LabelKind, LabelSpec

STRING = "string"
"""TensorFlow's name of the dtype of texts and of serialized protos."""

_LOGITS = ("logits", "logit")
_PROBABILITIES = ("probability", "probabilities", "logistic", "scores", "predictions", "prediction", "outputs", "output")
_NUMBERS = ("prediction", "predictions", "outputs", "output")
_REMEDY = "Export a model that transforms raw rows itself; docs/from-tfx.md shows how."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signature:
    """A signature: dtypes, as TensorFlow names them, by the name of the input or output."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interface:
    """How a model is asked and read.

    Attributes:
        raw: Inputs of `serving_default` that are features of the schema; empty when it takes serialized tf.Examples.
        examples_signature: The signature that takes serialized tf.Examples; empty when none does.
        examples_input: Name of its one input.
        transform_input: Name of the one input of `transform_features`; empty when there is no such signature.
        output: Name of the output that is the prediction.
        logits: Whether the output holds logits: sigmoid or softmax makes probabilities of them.
        own: Whether train_model exported it, so that all three signatures have to be there.
    """

    raw: tuple[str, ...]
    examples_signature: str
    examples_input: str
    transform_input: str
    output: str
    logits: bool = False
    own: bool = False


def own_interface(features: Collection[str], label: LabelSpec) -> Interface:
    """Returns the interface of what train_model exports.

    Args:
        features: Names of the schema's SERVING features.
        label: What is predicted.
    """
    return Interface(
        raw=tuple(features),
        examples_signature=SIGNATURE_EXAMPLES,
        examples_input=EXAMPLES_INPUT,
        transform_input=EXAMPLES_INPUT,
        output=label.output,
        own=True,
    )


def find_interface(signatures: Mapping[str, Signature], features: Collection[str], label: LabelSpec) -> Interface:
    """Returns how a model is asked, by its signatures.

    Args:
        signatures: The model's signatures by name.
        features: Names of the schema's SERVING features.
        label: What is predicted.

    Raises:
        UserError: If `serving_default` is missing, takes neither features of the schema nor serialized tf.Examples, or has
            several outputs of which none is known to be the prediction.
    """
    if SIGNATURE_RAW not in signatures:
        rule = f"The model has the signature {SIGNATURE_RAW!r}."
        raise UserError(rule, received=sorted(signatures), remedy=_REMEDY)
    default = signatures[SIGNATURE_RAW]
    output, logits = find_output(default.outputs, label)
    serialized = serialized_input(default, features)
    if not serialized and (unknown := sorted(default.inputs.keys() - set(features))):
        raise UserError("The model's inputs are features of the schema, of the same type.", received=unknown, remedy=_REMEDY)
    beside = signatures.get(SIGNATURE_EXAMPLES)
    beside_input = serialized_input(beside, features) if beside and output in beside.outputs else ""
    transform = signatures.get(SIGNATURE_TRANSFORM)
    return Interface(
        raw=() if serialized else tuple(default.inputs),
        examples_signature=SIGNATURE_RAW if serialized else SIGNATURE_EXAMPLES if beside_input else "",
        examples_input=serialized or beside_input,
        transform_input=serialized_input(transform, features) if transform else "",
        output=output,
        logits=logits,
    )


def serialized_input(signature: Signature, features: Collection[str]) -> str:
    """Returns the name of the one input, a text that is no feature: it takes serialized tf.Examples; empty if it is not so."""
    names = list(signature.inputs)
    return names[0] if len(names) == 1 and names[0] not in features and signature.inputs[names[0]] == STRING else ""


def find_output(outputs: Mapping[str, str], label: LabelSpec) -> tuple[str, bool]:
    """Returns the name of the output that is the prediction, and whether it holds logits.

    It is the one that the kind of label names, or the only one of floats, or else the first with a usual name.

    Raises:
        UserError: If there is none.
    """
    numeric = label.kind is LabelKind.NUMERIC
    floats = [name for name, dtype in outputs.items() if dtype.startswith(("float", "double", "half", "bfloat"))]
    usual = (label.output, *(_NUMBERS if numeric else (*_PROBABILITIES, *_LOGITS)))
    chosen = floats if len(floats) == 1 else [name for name in usual if name in floats]
    if not chosen:
        rule = f"The model's output is named {label.output!r}, or has a usual name, or is the only one of floats."
        raise UserError(rule, received=sorted(outputs), remedy=f"Usual are {', '.join(usual[1:])}.")
    return chosen[0], chosen[0] in _LOGITS and not numeric


def read_rows(values: list[Any], label_kind: str, *, logits: bool) -> list[Any]:
    """Returns predictions as the evaluation has them, of what a server answers: a number or a list of them per row.

    Logits become probabilities. Of two probabilities of a binary label the second is that of the label 1.

    Args:
        values: A number, or a list of numbers, per row.
        label_kind: The kind of label.
        logits: Whether they are logits.
    """
    rows = [value if isinstance(value, list) else [value] for value in values]
    if logits:
        rows = [_softmax(row) if len(row) > 1 else [_sigmoid(row[0])] for row in rows]
    if label_kind == LabelKind.BINARY:
        rows = [row[1:] if len(row) == 2 else row for row in rows]
    return [row[0] if len(row) == 1 else row for row in rows]


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))


def _softmax(row: list[float]) -> list[float]:
    powers = [math.exp(value - max(row)) for value in row]
    return [power / sum(powers) for power in powers]
