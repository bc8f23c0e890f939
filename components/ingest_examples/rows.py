"""All rows of all input files, and where in the files each of them stands."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components._shared.errors import UserError
from components._shared.source import CSV, Source
from components.ingest_examples.failures import find_line
from components.ingest_examples.inputs import InputFile


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of the input files, from the oldest to the latest.

    Attributes:
        table: The rows.
        inputs: The files in the order of their rows.
        counts: Number of rows of each file.
        source: How the files are read.
    """

    table: pa.Table
    inputs: list[InputFile]
    counts: list[int]
    source: Source

    def locate(self, position: int) -> str:
        """Returns file and line of a row, or file and row for Parquet; slow, for messages."""
        ends = np.cumsum(self.counts)
        index = int(np.searchsorted(ends, position, side="right"))
        row = position - int(ends[index]) + self.counts[index]
        path = self.inputs[index].path
        if self.source.format == CSV:
            return f"{path}, line {find_line(path, self.source, row)}"
        return f"{path}, row {row + 1}"


def check_keys(rows: Rows, columns: tuple[str, ...]) -> None:
    """Checks that keys are whole.

    Raises:
        UserError: If a column of a key holds a null.
    """
    for name in columns:
        missing = find_missing(rows.table[name])
        if missing.any():
            raise UserError(
                f"The column {rows.source.describe(name)} of a key has a value in every row.",
                received=f"{missing.sum()} rows without one, the first in {rows.locate(int(missing.argmax()))}",
                remedy="Mend the rows, or choose another key.",
            )


def find_missing(column: pa.ChunkedArray) -> np.ndarray:
    """Returns bool [rows]: where a value is null or NaN."""
    return pc.is_null(column, nan_is_null=True).to_numpy()


def drop_without_label(rows: Rows, kept: np.ndarray) -> np.ndarray:
    """Returns the positions of the kept rows that have a label.

    Args:
        rows: All rows, with the label as a column.
        kept: int64 [kept rows], positions.

    Raises:
        UserError: If a label that is a column of the data is missing somewhere, or no row has one.
    """
    label = rows.source.label
    missing = find_missing(rows.table[label.name])[kept]
    if missing.any() and not label.column:
        first = int(kept[missing].min())
        raise UserError(
            f"Every row has a label in the column {rows.source.describe(label.name)}.",
            received=f"{missing.sum()} rows without one, the first in {rows.locate(first)}",
            remedy="Mend or remove the rows.",
        )
    if missing.all():
        raise UserError(
            "Some rows have a label.", received=f"no value in {rows.source.describe(label.source)} of {len(kept)} rows"
        )
    return kept[~missing]
