"""Decides what each column is for: a feature of some kind, a key, or nothing."""

import dataclasses
import enum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.draft_schema.columns import Column
from components.draft_schema.dates import DateForm, find_date_form
from components.draft_schema.names import words_of


class Role(enum.StrEnum):
    """What a column is for."""

    LABEL = "label"
    NUMBER = "number"
    CATEGORY = "category"
    DATE = "date"
    TEXT = "free text"
    KEY = "key"
    LEFT_OUT = "left out"


FEATURES = (Role.NUMBER, Role.CATEGORY, Role.DATE, Role.TEXT)

_ID_WORDS = {"id", "ids", "uuid", "guid", "key", "index", "idx", "identifier", "rownum", "rowid", "unnamed", "ssn"}
_NUMBER_WORDS = {"rownames", "rowname", "row", "number", "no", "nr", "serial", "reference", "ref"}
"""Of a whole number that is another one in each row they say that it names the row, not that it counts something."""
_MOST_MISSING = 0.95
_FEW_VALUES, _ROWS_PER_VALUE = 20, 10
_LEAST_WORDS = 4
_MOST_ROWS_PER_ENTITY = 20
_WITH_UNIT, _MOST_WITH_UNIT = r"^[^\pL\d]{0,3}\d[\d.,' ]*\s?\D{0,3}$", 0.9
_PROTECTED_WORDS = {"sex", "age", "birth", "dob", "native", "nationality", "national", "citizen", "citizenship", "foreign"}
_PROTECTED_WORDS |= {"foreigner", "immigrant", "caste", "tribe", "veteran", "pregnant", "pregnancy", "sexuality", "faith"}
_PROTECTED_WORDS |= {"female", "male", "black", "hispanic", "latino", "latina"}
_PROTECTED_BEGINNINGS = ("race", "racial", "gender", "ethnic", "relig", "disab", "handicap", "marital", "married")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """What a column is for, and why.

    Attributes:
        name: Its name in the project.
        original: Its name in the data.
        kind: INT, FLOAT or BYTES in the schema; empty for a type that is none of them.
        role: What it is for.
        why: In a few words.
        distinct: Number of different values.
        missing: Number of rows without one.
        date: How its dates are written.
        is_unique: Whether it names rows: no value is missing or there twice.
        is_entity: Whether it names something that several rows are about.
        is_leak: Whether it gives the label away.
    """

    name: str
    original: str
    kind: str
    role: Role
    why: str
    distinct: int = 0
    missing: int = 0
    date: DateForm | None = None
    is_unique: bool = False
    is_entity: bool = False
    is_leak: bool = False

    def to_json(self) -> dict[str, Any]:
        """Returns the decision as a JSON object."""
        return dataclasses.asdict(self) | {"role": self.role.value}


def decide(column: Column, name: str) -> Decision:
    """Decides what a column other than the label is for.

    Args:
        column: The column.
        name: Its name in the project.
    """
    rows, missing = len(column.values), column.values.null_count
    known: dict[str, Any] = {"name": name, "original": column.original, "kind": column.kind, "missing": missing}
    if not column.kind:
        return Decision(**known, role=Role.LEFT_OUT, why=column.problem)
    distinct = pc.unique(column.values.drop_null())
    known["distinct"] = len(distinct)
    if len(distinct) < 2:
        return Decision(**known, role=Role.LEFT_OUT, why="one value only" if len(distinct) else "no values")
    if missing > _MOST_MISSING * rows:
        return Decision(**known, role=Role.LEFT_OUT, why=f"{missing / rows:.0%} of its values are missing")
    if key := _decide_key(column, known, rows):
        return key
    if column.kind == "BYTES":
        return _decide_text(column, known, distinct, rows)
    stray = f"; taken for missing: {', '.join(map(repr, column.stray))}" if column.stray else ""
    return Decision(**known, role=Role.NUMBER, why=f"{'whole numbers' if column.kind == 'INT' else 'numbers'}{stray}")


def _decide_key(column: Column, known: dict[str, Any], rows: int) -> Decision | None:
    """Returns the decision about a column that names rows, or what rows are about; None for any other column."""
    words, distinct = words_of(column.original), known["distinct"]
    sounds_so = bool(_ID_WORDS & set(words)) or not words
    is_unique = distinct == rows and column.kind != "FLOAT"
    sounds_numbered = column.kind == "INT" and bool(_NUMBER_WORDS & set(words))
    if is_unique and (sounds_so or sounds_numbered or _counts_rows(column)):
        return Decision(**known, role=Role.LEFT_OUT, why="names each row", is_unique=True)
    if sounds_so and column.kind != "FLOAT" and distinct * _MOST_ROWS_PER_ENTITY > rows:
        why = f"names what rows are about: {distinct:,} different values"
        return Decision(**known, role=Role.LEFT_OUT, why=why, is_entity=known["missing"] == 0)
    if sounds_so and column.kind == "INT":
        return Decision(**known | {"kind": "BYTES"}, role=Role.CATEGORY, why=f"{distinct:,} names of something, as numbers")
    return None


def _counts_rows(column: Column) -> bool:
    """Returns whether a column of different whole numbers leaves none out."""
    if column.kind != "INT":
        return False
    return pc.max(column.values).as_py() - pc.min(column.values).as_py() + 1 == len(column.values)


def _decide_text(column: Column, known: dict[str, Any], distinct: pa.Array, rows: int) -> Decision:
    if form := find_date_form(distinct):
        return Decision(**known, role=Role.DATE, why=f"dates: {form.order}", date=form)
    count, present = len(distinct), rows - known["missing"]
    is_varied = count > max(_FEW_VALUES, present / _ROWS_PER_VALUE)
    if not is_varied:
        return Decision(**known, role=Role.CATEGORY, why=f"{count:,} different texts")
    if pc.mean(pc.count_substring_regex(distinct, r"\S+")).as_py() >= _LEAST_WORDS:
        return Decision(**known, role=Role.TEXT, why=f"{count:,} different texts of several words")
    if pc.mean(pc.match_substring_regex(distinct, _WITH_UNIT).cast(pa.int64())).as_py() >= _MOST_WITH_UNIT:
        return Decision(**known, role=Role.LEFT_OUT, why="numbers with signs or units: clean them to use them")
    if count == present == rows:
        return Decision(**known, role=Role.LEFT_OUT, why="a different text in each row: it names them", is_unique=True)
    return Decision(**known, role=Role.LEFT_OUT, why=f"{count:,} different texts, too many to learn from")


def may_be_protected(decision: Decision) -> bool:
    """Returns whether the name of a feature sounds like an attribute that people are to be treated alike by."""
    words = words_of(decision.original)
    return bool(_PROTECTED_WORDS & set(words)) or any(word.startswith(_PROTECTED_BEGINNINGS) for word in words)
