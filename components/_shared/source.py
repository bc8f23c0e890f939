"""How the input files are read, what is predicted and how the rows are split: the settings of ingest_examples.

The pipeline's configuration validates these same classes through pydantic; the stage, which has no pydantic, reads them
with functions of its own. There is one definition of every setting.
"""

import codecs
import dataclasses
import math
from typing import Any, Literal

from components._shared.errors import UserError
from components._shared.label import LabelKind, LabelSpec

CSV, PARQUET, TFRECORD = "csv", "parquet", "tfrecord"
FAIL, QUARANTINE = "fail", "quarantine"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Label:
    """What is predicted, and where it comes from.

    Attributes:
        name: The label's feature.
        column: Column of the data that the label is made from; empty when it has the label's name. Rows without a value in
            a column that is written here have no label and are left out; otherwise a missing label is an error.
        kind: `binary`, `multiclass` or `numeric`; empty where the other settings say it, and `binary` where they do not.
        above: Makes a binary label: 1 where the column's value is greater than this, and 0 elsewhere.
        positive: Makes a binary label of texts: 1 where the column holds one of these, and 0 elsewhere.
        classes: Makes a multiclass label of texts: the position of the column's text among these.
    """

    name: str
    column: str = ""
    kind: str = ""
    above: float | None = None
    positive: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            raise UserError("The label has a name.", remedy="Set `source.label.name` in project.yaml.")
        if self.kind and self.kind not in set(LabelKind):
            raise UserError("The label's kind is known.", received=self.kind, remedy=f"Known: {', '.join(LabelKind)}.")
        _check_making(self)
        for key in ("positive", "classes"):
            texts = getattr(self, key)
            if not all(texts) or len(set(texts)) < len(texts):
                raise UserError(f"The texts in `{key}` of the label differ, and none is empty.", received=list(texts))
        if len(self.classes) == 1:
            raise UserError("A multiclass label has at least two classes.", received=self.classes[0])

    @property
    def source(self) -> str:
        """The column of the data that holds the label or what it is made from."""
        return self.column or self.name

    @property
    def is_text(self) -> bool:
        """Whether the label is made from texts."""
        return bool(self.positive or self.classes)

    @property
    def spec(self) -> LabelSpec:
        """The label as every later stage knows it."""
        given = LabelKind.MULTICLASS if self.classes else LabelKind(self.kind or LabelKind.BINARY)
        return LabelSpec(name=self.name, kind=given, classes=self.classes)


def _check_making(label: Label) -> None:
    ways = [key for key, value in (("above", label.above), *_texts(label)) if value not in (None, ())]
    if len(ways) > 1:
        raise UserError("A label is made in one way.", received=ways, remedy="Keep one of `above`, `positive` and `classes`.")
    fitting = {"above": LabelKind.BINARY, "positive": LabelKind.BINARY, "classes": LabelKind.MULTICLASS}
    if ways and label.kind not in ("", fitting[ways[0]]):
        raise UserError(f"A label with `{ways[0]}` is {fitting[ways[0]]}.", received=f"kind {label.kind}")
    if label.kind == LabelKind.MULTICLASS and not label.classes:
        raise UserError("A multiclass label names its `classes`.", received="none", remedy="List them in project.yaml.")
    if label.above is not None and not _is_finite(label.above):
        raise UserError("The bound `above` of a derived label is a finite number.", received=repr(label.above))
    if ("above" in ways and not label.column) or (label.column and not ways and label.kind != LabelKind.NUMERIC):
        raise UserError(
            "A label derived from a number has both `column` and `above`.",
            received=f"column {label.column!r}, above {label.above}",
            remedy="A label of texts has `positive` or `classes` instead, a numeric one `kind: numeric`.",
        )


def _texts(label: Label) -> tuple[tuple[str, Any], ...]:
    return ("positive", label.positive), ("classes", label.classes)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """How the input files are read.

    Attributes:
        label: What is predicted.
        format: Format of the files.
        row_key: Columns that together name a row; the latest row of a key wins. Empty keeps every row.
        null_values: Texts that stand for a missing value; CSV only.
        delimiter: The character between two fields; CSV only.
        encoding: How the text of the files is written, as Python names it; CSV only.
        decimal_point: What stands before the decimals of a number, `.` or `,`; CSV only.
        columns: Columns whose names no feature can have, and what they are called instead. Schema, keys, label and code
            speak of the new names, messages of both.
        row_number: Name of a column to add, the number of each row over all files from 0: a row key for data that has none.
        bad_rows: What happens to rows that cannot become examples: `fail` stops at the first, `quarantine` sets them aside.
        max_bad_rows: Share of the rows read that may be set aside, in [0, 1).
    """

    label: Label
    format: Literal["csv", "parquet", "tfrecord"] = "csv"
    row_key: tuple[str, ...] = ()
    null_values: tuple[str, ...] = ("",)
    delimiter: str = ","
    encoding: str = "utf-8"
    decimal_point: Literal[".", ","] = "."
    columns: dict[str, str] = dataclasses.field(default_factory=dict)
    row_number: str = ""
    bad_rows: Literal["fail", "quarantine"] = "fail"
    max_bad_rows: float = 0.01

    def __post_init__(self) -> None:
        if self.format not in (CSV, PARQUET, TFRECORD):
            raise UserError("The source's format is csv, parquet or tfrecord.", received=self.format)
        if self.bad_rows not in (FAIL, QUARANTINE):
            raise UserError("`source.bad_rows` is fail or quarantine.", received=self.bad_rows)
        if not (_is_finite(self.max_bad_rows) and 0 <= self.max_bad_rows < 1):
            raise UserError("`source.max_bad_rows` is a share of the rows, in [0, 1).", received=self.max_bad_rows)
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n\0' or not self.delimiter.isascii():
            raise UserError("The delimiter is one character of ASCII, no quote or line break.", received=repr(self.delimiter))
        if self.decimal_point not in (".", ",") or self.decimal_point == self.delimiter:
            rule = "The decimal point is `.` or `,`, and not the delimiter."
            raise UserError(rule, received=repr(self.decimal_point), remedy="Set `source.decimal_point` and `delimiter`.")
        _check_encoding(self.encoding)
        _check_columns(self.columns)

    def original(self, name: str) -> str:
        """Returns what the data calls a column that `columns` may have renamed."""
        return next((original for original, new in self.columns.items() if new == name), name)

    def describe(self, name: str) -> str:
        """Returns a column as messages speak of it: by its name, and what the data calls it where that is another."""
        original = self.original(name)
        return repr(name) if original == name else f"{name!r} ({original!r} in the data)"


def _check_encoding(encoding: str) -> None:
    try:
        is_text = codecs.lookup(encoding)._is_text_encoding  # no public way to tell "latin-1" from "base64"
    except LookupError:
        is_text = False
    if not is_text:
        remedy = "Write a name that Python knows, such as utf-8, latin-1, cp1252 or utf-16."
        raise UserError("The encoding of the source is known.", received=repr(encoding), remedy=remedy)


def _check_columns(columns: dict[str, str]) -> None:
    if not all(columns.values()):
        raise UserError("Every column in `source.columns` gets a name.", received=columns)
    if len(set(columns.values())) < len(columns):
        raise UserError("The columns in `source.columns` get different names.", received=columns)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Splits:
    """How rows are split: by a hash of the key, so that all rows with one key are in one split.

    Attributes:
        key: Columns whose values decide. Empty takes the row key.
        salt: Text that makes one division differ from another of the same keys.
        train: Share of the training split, in (0, 1).
        eval: Share of the evaluation split, in (0, 1).
        test: Share of the test split, in (0, 1).
    """

    key: tuple[str, ...] = ()
    salt: str = ""
    train: float = 0.8
    eval: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        shares = {"train": self.train, "eval": self.eval, "test": self.test}
        if not all(_is_finite(share) and 0 < share < 1 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-9:
            raise UserError(
                "The shares of train, eval and test are above 0 and sum to 1.",
                received=shares,
                remedy="Set `splits` in project.yaml.",
            )


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
