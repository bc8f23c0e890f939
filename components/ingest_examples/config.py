"""How the input files are read and split: the settings of ingest_examples."""

import dataclasses
import math
from typing import Any

from components._shared.errors import UserError

CSV, PARQUET = "csv", "parquet"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Label:
    """Where the label comes from.

    Attributes:
        name: The label's feature.
        column: Column that the label is derived from; empty when the label is a column itself.
        above: The derived label is 1 where the column's value is greater than this, and 0 elsewhere.
    """

    name: str
    column: str = ""
    above: float | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise UserError("The label has a name.", remedy="Set `source.label.name` in project.yaml.")
        if bool(self.column) != (self.above is not None):
            raise UserError("A derived label has both `column` and `above`.", received=dataclasses.asdict(self))
        if self.above is not None and not _is_finite(self.above):
            raise UserError("The bound `above` of a derived label is a finite number.", received=repr(self.above))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """How the input files are read.

    Attributes:
        format: `csv` or `parquet`.
        label: Where the label comes from.
        row_key: Columns that together name a row; the latest row of a key wins. Empty keeps every row.
        null_values: Texts that stand for a missing value; CSV only.
        delimiter: The character between two fields; CSV only.
    """

    format: str
    label: Label
    row_key: tuple[str, ...] = ()
    null_values: tuple[str, ...] = ("", "NA")
    delimiter: str = ","

    def __post_init__(self) -> None:
        if self.format not in (CSV, PARQUET):
            raise UserError("The source's format is csv or parquet.", received=self.format)
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n\0' or not self.delimiter.isascii():
            raise UserError("The delimiter is one character of ASCII, no quote or line break.", received=repr(self.delimiter))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Splits:
    """How rows are split.

    Attributes:
        train: Share of the training split, in (0, 1).
        eval: Share of the evaluation split, in (0, 1).
        test: Share of the test split, in (0, 1).
        key: Columns whose values decide; rows that agree in them go to one split. Empty takes the row key.
        salt: Text that makes one division differ from another of the same keys.
    """

    train: float
    eval: float
    test: float
    key: tuple[str, ...] = ()
    salt: str = ""

    def __post_init__(self) -> None:
        shares = {"train": self.train, "eval": self.eval, "test": self.test}
        if not all(_is_finite(share) and 0 < share < 1 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-9:
            raise UserError(
                "The shares of train, eval and test are above 0 and sum to 1.",
                received=shares,
                remedy="Set `splits` in project.yaml.",
            )


def read_source(document: dict[str, Any]) -> Source:
    """Reads the `source` parameter.

    Raises:
        UserError: If a setting is unknown, missing or wrong.
    """
    settings = dict(_known("source", document, Source))
    if not isinstance(settings.get("label"), dict):
        raise UserError("The source says where the label comes from.", received=settings.get("label"))
    settings["label"] = Label(**_known("source.label", settings["label"], Label))
    return Source(**settings)


def read_splits(document: dict[str, Any], row_key: tuple[str, ...]) -> Splits:
    """Reads the `splits` parameter; without a key of its own the row key decides.

    Raises:
        UserError: If a setting is unknown, missing or wrong.
    """
    splits = Splits(**_known("splits", document, Splits))
    return dataclasses.replace(splits, key=splits.key or row_key)


def _known(what: str, document: dict[str, Any], kind: type) -> dict[str, Any]:
    """Returns the settings with lists as tuples, after checking their names and types; null stands for the default."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if unknown := set(document) - set(fields):
        raise UserError(f"`{what}` holds only known settings.", received=sorted(unknown), remedy=f"Known: {sorted(fields)}.")
    given = {name: value for name, value in document.items() if value is not None}
    required = {name for name, field in fields.items() if field.default is dataclasses.MISSING}
    if missing := required - set(given):
        raise UserError(f"`{what}` holds every required setting.", received=f"nothing for {', '.join(sorted(missing))}")
    return {name: _typed(f"{what}.{name}", value, fields[name].type) for name, value in given.items()}


def _typed(what: str, value: Any, kind: Any) -> Any:
    if kind is str and not isinstance(value, str):
        raise UserError(f"`{what}` is a text.", received=repr(value))
    if kind == tuple[str, ...]:
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise UserError(f"`{what}` is a list of texts.", received=repr(value))
        return tuple(value)
    return value


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
