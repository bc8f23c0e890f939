"""Says where a file is wrong: file, line, column and value. Slow and careful, for it runs only after a failure.

Arrow's own messages name a line in some versions and under some settings only.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from components._shared.errors import UserError

TYPE_NAMES = {pa.int64(): "INT", pa.float32(): "FLOAT", pa.float64(): "FLOAT", pa.string(): "BYTES"}


def open_text(path: Path, errors: str = "strict") -> io.TextIOWrapper:
    """Opens a CSV file, compressed or not, without the byte order mark."""
    return io.TextIOWrapper(pa.input_stream(str(path)), encoding="utf-8-sig", errors=errors, newline="")


def explain_csv(
    path: Path, delimiter: str, null_values: Sequence[str], types: Mapping[str, pa.DataType], error: Exception
) -> UserError:
    """Returns the error that tells a user what is wrong with a CSV file: encoding, shape of a row, or a value.

    Args:
        path: The file.
        delimiter: The character between two fields.
        null_values: Texts that stand for a missing value.
        types: Type of every column that is read.
        error: What Arrow said; shown when nothing more precise is found.
    """
    try:
        return (
            _explain_encoding(path)
            or _explain_shape(path, delimiter)
            or _explain_value(path, delimiter, null_values, types)
            or _unexplained(path, error)
        )
    except (pa.ArrowException, OSError, csv.Error):
        return _unexplained(path, error)


def explain_cast(path: Path, name: str, column: pa.ChunkedArray, kind: pa.DataType) -> UserError:
    """Returns the error for a Parquet column that cannot be cast."""
    row = find_first_failure(column, kind)
    value = "values" if row is None else f"{column[row].as_py()!r} in row {row + 1}"
    return UserError(
        f"Column {name!r} holds {TYPE_NAMES[kind]}, as the schema says.",
        received=f"{value} of {path}, of the type {column.type}",
        remedy="Mend the file, or the type in schema.pbtxt.",
    )


def no_rows(path: Path) -> UserError:
    """Returns the error for a file with columns and no row."""
    return UserError(
        "Every input file holds rows.", received=f"{path}, which names columns only", remedy="Deliver the file again."
    )


def find_first_failure(column: pa.ChunkedArray, kind: pa.DataType) -> int | None:
    """Returns the index of the first value that cannot be cast, by bisection; None when all can."""
    if _can_cast(column, kind):
        return None
    low, high = 0, len(column)  # the first failure lies in [low, high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if not _can_cast(column.slice(low, middle - low), kind) else (middle, high)
    return low


def find_line(path: Path, delimiter: str, row: int) -> int:
    """Returns the line on which a row of a CSV file begins; rows count from 0 after the header, lines from 1."""
    return find_lines(path, delimiter, [row])[row]


def find_lines(path: Path, delimiter: str, rows: Iterable[int]) -> dict[int, int]:
    """Returns the line on which each of some rows of a CSV file begins, by row."""
    wanted, lines = set(rows), {}
    for index, (line, _) in enumerate(_records(path, delimiter)):
        if index - 1 in wanted:
            lines[index - 1] = line
            if len(lines) == len(wanted):
                return lines
    raise ValueError(f"{path} has no row {min(wanted - set(lines))}.")


def _records(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yields the records of a CSV file, the header first, each with the line on which it begins; skips blank lines."""
    csv.field_size_limit(2**31 - 1)  # as long as Arrow's fields may be; by default 128 KiB
    with open_text(path, errors="replace") as text:  # where a byte is wrong matters here, not what it is
        reader, line = csv.reader(text, delimiter=delimiter), 1
        for record in reader:
            if record:
                yield line, record
            line = reader.line_num + 1


def _explain_encoding(path: Path) -> UserError | None:
    with pa.input_stream(str(path)) as stream:
        data = stream.read()
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        shown = f"the byte 0x{data[error.start]:02x} in {path}, line {line}"
        return UserError("A CSV file is UTF-8 text.", received=shown, remedy="Save it as UTF-8.")
    return None


def _explain_shape(path: Path, delimiter: str) -> UserError | None:
    records = _records(path, delimiter)
    _, header = next(records, (1, []))
    line = 0
    for line, record in records:
        if len(record) != len(header):
            return UserError(
                f"Every row has as many fields as the header, which has {len(header)}.",
                received=f"{len(record)} fields in {path}, line {line}",
                remedy="Mend the row; a field that holds the delimiter or a line break is put in double quotes.",
            )
    return None if line else no_rows(path)


def _explain_value(
    path: Path, delimiter: str, null_values: Sequence[str], types: Mapping[str, pa.DataType]
) -> UserError | None:
    texts = pa_csv.read_csv(
        path,
        parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(types, pa.string()),
            include_columns=list(types),
            null_values=null_values,
            strings_can_be_null=True,
        ),
    )
    for name, kind in types.items():
        row = find_first_failure(pc.utf8_trim_whitespace(texts[name]), kind)
        if row is not None:
            return UserError(
                f"Column {name!r} holds {TYPE_NAMES[kind]}, as the schema says.",
                received=f"{texts[name][row].as_py()!r} in {path}, line {find_line(path, delimiter, row)}",
                remedy="Mend the value, or name it in `source.null_values` if it stands for a missing one.",
            )
    return None


def _unexplained(path: Path, error: Exception) -> UserError:
    return UserError("Every input file is a whole CSV file.", received=f"{path}: {error}")


def _can_cast(column: pa.ChunkedArray, kind: pa.DataType) -> bool:
    try:
        column.cast(kind)
    except pa.ArrowException:
        return False
    return True
