"""What kind of thing is predicted, and what a model gives for it.

| kind | label in the examples | model's output |
|---|---|---|
| binary | INT 0 or 1 | `probability`: float32 of shape [batch], of the label 1 |
| multiclass | INT 0 to K - 1, the position in `classes` | `probabilities`: float32 of shape [batch, K], each row sums to 1 |
| numeric | a finite number | `prediction`: float32 of shape [batch], in the label's unit |
"""

import dataclasses
import enum
from typing import Any

from components._shared.errors import UserError


class LabelKind(enum.StrEnum):
    """What kind of thing is predicted."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    NUMERIC = "numeric"


OUTPUT_KEYS = {
    LabelKind.BINARY: "probability",
    LabelKind.MULTICLASS: "probabilities",
    LabelKind.NUMERIC: "prediction",
}
"""Name of the output in every prediction signature, by kind of label."""

PROBABILITY_TOLERANCE = 1e-3
"""How far the probabilities of one row may be from a sum of 1; float32 rounding stays below 1e-5."""


REGRESSION_METRICS = {
    LabelKind.BINARY: ("auc", "binary_crossentropy", "brier"),
    LabelKind.MULTICLASS: ("accuracy", "categorical_crossentropy", "brier"),
    LabelKind.NUMERIC: ("mean_absolute_error", "mean_squared_error"),
}
"""What the regression gate can compare two models by, by kind of label; the first is what `auto` stands for."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelSpec:
    """The label of a data version.

    Attributes:
        name: Its feature in the examples.
        kind: What kind of thing it is.
        classes: Names of the classes, in the order of their numbers; empty unless it is multiclass.
    """

    name: str
    kind: LabelKind = LabelKind.BINARY
    classes: tuple[str, ...] = ()

    @property
    def output(self) -> str:
        """Name of the model's output."""
        return OUTPUT_KEYS[self.kind]

    def describe(self) -> str:
        """Returns name, kind and classes in a few words."""
        classes = f" of {', '.join(self.classes)}" if self.classes else ""
        return f"{self.name} ({self.kind.value}{classes})"


def read_label_spec(manifest: dict[str, Any]) -> LabelSpec:
    """Returns the label that the manifest of the examples describes.

    Raises:
        UserError: If the kind is unknown, or classes are named for a label that has none.
    """
    kind, classes = manifest.get("label_kind", LabelKind.BINARY), tuple(manifest.get("label_classes", ()))
    if kind not in set(LabelKind):
        raise UserError("The manifest names the label's kind.", received=kind, remedy=f"Known: {[*map(str, LabelKind)]}.")
    if (kind == LabelKind.MULTICLASS) != bool(classes):
        raise UserError("A multiclass label names its classes, and no other does.", received=f"{kind} with {classes}")
    return LabelSpec(name=manifest["label"], kind=LabelKind(kind), classes=classes)
