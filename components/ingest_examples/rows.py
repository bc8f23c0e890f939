"""All rows of all input files, and where in the files each of them stands."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components._shared.errors import UserError
from components._shared.source import CSV, FAIL, TFRECORD, Source
from components.ingest_examples.bad_rows import BadValue, shorten
from components.ingest_examples.failures import find_line
from components.ingest_examples.inputs import LocalFile
from components.ingest_examples.tables import FileRows


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of the input files, from the oldest to the latest.

    Attributes:
        table: The rows.
        inputs: The files in the order of their rows.
        files: int64 [rows], which file each row is from.
        records: int64 [rows], which row of its file it is, counted from 0.
        bad: For each file its rows that were set aside; they are not in the table.
        source: How the files are read.
    """

    table: pa.Table
    inputs: list[LocalFile]
    files: np.ndarray
    records: np.ndarray
    bad: list[list[BadValue]]
    source: Source

    @property
    def count(self) -> int:
        """Number of rows of all files, those among them that were set aside."""
        return len(self.records) + self.count_bad

    @property
    def count_bad(self) -> int:
        """Number of rows that were set aside."""
        return sum(len(bad) for bad in self.bad)

    def locate(self, position: int) -> str:
        """Returns file and line of a row, or file and row or record where there are no lines; slow, for messages."""
        path, record = self.inputs[self.files[position]].path, int(self.records[position])
        if self.source.format == CSV:
            return f"{path}, line {find_line(path, self.source, record)}"
        return f"{path}, {'record' if self.source.format == TFRECORD else 'row'} {record + 1}"

    def set_aside(self, is_bad: np.ndarray, column: str, rule: str) -> "Rows":
        """Returns the rows without some that break a rule.

        Args:
            is_bad: bool [rows].
            column: The column with the value that breaks it.
            rule: What must hold.
        """
        bad = [list(values) for values in self.bad]
        for position in np.flatnonzero(is_bad).tolist():
            value = shorten(self.table[column][position].as_py())
            bad[self.files[position]].append(
                BadValue(record=int(self.records[position]), column=column, value=value, rule=rule)
            )
        table = self.table.filter(pa.array(~is_bad))
        return dataclasses.replace(self, table=table, files=self.files[~is_bad], records=self.records[~is_bad], bad=bad)

    def without(self, columns: Sequence[str]) -> tuple["Rows", dict[str, pa.ChunkedArray]]:
        """Returns the rows without their values, and the values of some columns, which are then held there alone."""
        return dataclasses.replace(self, table=self.table.select([])), {name: self.table[name] for name in columns}


def join_rows(inputs: list[LocalFile], parts: list[FileRows], source: Source) -> Rows:
    """Returns the rows of all files."""
    return Rows(
        table=pa.concat_tables([part.table for part in parts]),
        inputs=inputs,
        files=np.repeat(np.arange(len(parts)), [len(part.records) for part in parts]),
        records=np.concatenate([part.records for part in parts]),
        bad=[part.bad for part in parts],
        source=source,
    )


def with_whole_keys(rows: Rows, columns: tuple[str, ...]) -> Rows:
    """Returns the rows whose keys are whole, the others set aside.

    Raises:
        UserError: If a column of a key holds a null, and bad rows are an error.
    """
    for name in columns:
        missing = find_missing(rows.table[name])
        rule = f"The column {rows.source.describe(name)} of a key has a value in every row."
        if missing.any() and rows.source.bad_rows == FAIL:
            raise UserError(
                rule,
                received=f"{missing.sum()} rows without one, the first in {rows.locate(int(missing.argmax()))}",
                remedy="Mend the rows, or choose another key.",
            )
        rows = rows.set_aside(missing, name, rule) if missing.any() else rows
    return rows


def find_missing(column: pa.ChunkedArray) -> np.ndarray:
    """Returns bool [rows]: where a value is null or NaN."""
    return pc.is_null(column, nan_is_null=True).to_numpy()


def drop_without_label(rows: Rows, kept: np.ndarray) -> tuple[Rows, np.ndarray]:
    """Returns the rows, and the positions of the kept ones among them that have a label.

    Args:
        rows: All rows, with the label as a column.
        kept: int64 [kept rows], positions.

    Returns:
        The rows less those that are set aside: kept rows without a label, where the label is a column of the data. Where it is
        made from another column they are only left out. And int64 [kept rows with a label].

    Raises:
        UserError: If a label that is a column of the data is missing somewhere, and bad rows are an error; or no row has one.
    """
    label = rows.source.label
    missing = find_missing(rows.table[label.name])[kept]
    rule = f"Every row has a label in the column {rows.source.describe(label.name)}."
    if missing.any() and not label.column and rows.source.bad_rows == FAIL:
        first = int(kept[missing].min())
        raise UserError(
            rule,
            received=f"{missing.sum()} rows without one, the first in {rows.locate(first)}",
            remedy="Mend or remove the rows.",
        )
    if missing.all():
        raise UserError(
            "Some rows have a label.", received=f"no value in {rows.source.describe(label.source)} of {len(kept)} rows"
        )
    labelled = kept[~missing]
    if label.column or not missing.any():
        return rows, labelled
    is_bad = np.zeros(len(rows.records), dtype=bool)
    is_bad[kept[missing]] = True
    return rows.set_aside(is_bad, label.name, rule), (np.cumsum(~is_bad) - 1)[labelled]
