"""Says where a file is wrong: file, line, column and value. Slow and careful, for it runs only after a failure.

Arrow's own messages name a line in some versions and under some settings only.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from components._shared.errors import UserError
from components._shared.source import Source

NO_ZERO_BYTES = "A text holds no zero bytes."
_GZIP = b"\x1f\x8b"
_LONGEST_TEXT = 100

TYPE_NAMES = {pa.int64(): "INT", pa.float32(): "FLOAT", pa.float64(): "FLOAT", pa.string(): "BYTES"}


def open_text(path: Path, encoding: str, errors: str = "strict") -> io.TextIOWrapper:
    """Opens a CSV file, compressed or not, without the byte order mark."""
    without_mark = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    return io.TextIOWrapper(pa.input_stream(str(path)), encoding=without_mark, errors=errors, newline="")


def explain_csv(path: Path, source: Source, types: Mapping[str, pa.DataType], error: Exception) -> UserError:
    """Returns the error that tells a user what is wrong with a CSV file: encoding, shape of a row, or a value.

    Args:
        path: The file.
        source: How it is read.
        types: Type of every column that is read, by the file's names.
        error: What Arrow said; shown when nothing more precise is found.
    """
    try:
        return (
            _explain_encoding(path, source.encoding)
            or _explain_shape(path, source)
            or _explain_value(path, source, types)
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


def check_texts(path: Path, table: pa.Table, source: Source) -> None:
    """Checks that no text of a CSV file holds a zero byte: a write that was cut off by a crash leaves such.

    Args:
        path: The file.
        table: Its rows, by the file's own names.
        source: How it is read.

    Raises:
        UserError: If one does.
    """
    for name in table.column_names:
        if pa.types.is_string(table.schema.field(name).type):
            row = pc.index(has_zero_byte(table[name]), True).as_py()
            if row >= 0:
                value, line = repr(table[name][row].as_py()[:_LONGEST_TEXT]), find_line(path, source, row)
                shown = f"{value} of {name!r} in {path}, line {line}"
                raise UserError(NO_ZERO_BYTES, received=shown, remedy="Deliver the file again.")


def has_zero_byte(texts: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Returns where a text holds a zero byte; null where there is none."""
    return pc.match_substring(texts, "\0")


def find_first_failure(column: pa.ChunkedArray, kind: pa.DataType) -> int | None:
    """Returns the index of the first value that cannot be cast, by bisection; None when all can."""
    if _can_cast(column, kind):
        return None
    low, high = 0, len(column)  # the first failure lies in [low, high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if not _can_cast(column.slice(low, middle - low), kind) else (middle, high)
    return low


def find_line(path: Path, source: Source, row: int) -> int:
    """Returns the line on which a row of a CSV file begins; rows count from 0 after the header, lines from 1."""
    return find_lines(path, source, [row])[row]


def find_lines(path: Path, source: Source, rows: Iterable[int]) -> dict[int, int]:
    """Returns the line on which each of some rows of a CSV file begins, by row."""
    wanted, lines = set(rows), {}
    for index, (line, _) in enumerate(_records(path, source)):
        if index - 1 in wanted:
            lines[index - 1] = line
            if len(lines) == len(wanted):
                return lines
    raise ValueError(f"{path} has no row {min(wanted - set(lines))}.")


def _records(path: Path, source: Source) -> Iterator[tuple[int, list[str]]]:
    """Yields the records of a CSV file, the header first, each with the line on which it begins; skips blank lines."""
    csv.field_size_limit(2**31 - 1)  # as long as Arrow's fields may be; by default 128 KiB
    with open_text(path, source.encoding, errors="replace") as text:  # where a byte is wrong matters here, not what it is
        reader, line = csv.reader(text, delimiter=source.delimiter), 1
        for record in reader:
            if record:
                yield line, record
            line = reader.line_num + 1


def _explain_encoding(path: Path, encoding: str) -> UserError | None:
    with pa.input_stream(str(path)) as stream:
        data = stream.read()
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        shown = f"the byte 0x{data[error.start]:02x} in {path}, line {line}"
        return UserError(f"A CSV file is {encoding.upper()} text.", received=shown, remedy=_encoding_remedy(data))
    return None


def _encoding_remedy(data: bytes) -> str:
    if data.startswith(_GZIP):
        return "It is compressed: let its name end in .gz."
    if b"\0" in data and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "It holds zero bytes, as no text does: deliver the file again, as text."
    likely = "utf-16" if b"\0" in data else "cp1252"
    return f"Save it so, or say in project.yaml how it is written, such as `source.encoding: {likely}`."


def _explain_shape(path: Path, source: Source) -> UserError | None:
    records = _records(path, source)
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


def _explain_value(path: Path, source: Source, types: Mapping[str, pa.DataType]) -> UserError | None:
    texts = pa_csv.read_csv(
        path,
        read_options=pa_csv.ReadOptions(encoding=source.encoding),
        parse_options=pa_csv.ParseOptions(delimiter=source.delimiter, newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(types, pa.string()),
            include_columns=list(types),
            null_values=source.null_values,
            strings_can_be_null=True,
        ),
    )
    for name, kind in types.items():
        values = pc.utf8_trim_whitespace(texts[name])
        row = find_first_failure(with_points(values, source) if pa.types.is_floating(kind) else values, kind)
        if row is not None:
            return UserError(
                f"Column {name!r} holds {TYPE_NAMES[kind]}, as the schema says.",
                received=f"{texts[name][row].as_py()!r} in {path}, line {find_line(path, source, row)}",
                remedy="Mend the value, or name it in `source.null_values` if it stands for a missing one.",
            )
    return None


def with_points(texts: pa.Array | pa.ChunkedArray, source: Source) -> pa.Array | pa.ChunkedArray:
    """Returns texts of numbers with a point before the decimals; where the source has a comma there, a point spoils them."""
    if source.decimal_point == ".":
        return texts
    return pc.replace_substring(pc.replace_substring(texts, ".", "?"), ",", ".")


def _unexplained(path: Path, error: Exception) -> UserError:
    return UserError("Every input file is a whole CSV file.", received=f"{path}: {error}")


def _can_cast(column: pa.ChunkedArray, kind: pa.DataType) -> bool:
    try:
        column.cast(kind)
    except pa.ArrowException:
        return False
    return True
