"""Finds out how a file is written: its format, and of a CSV file the encoding, the delimiter and the header."""

import codecs
import csv
import dataclasses
import io
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components._shared.errors import UserError
from components._shared.source import CSV, PARQUET

_DELIMITERS = ",;\t|"
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_NO_TEXT = {
    b"PK\x03\x04": "an Excel or ZIP file",
    b"\xd0\xcf\x11\xe0": "an Excel file",
    b"%PDF": "a PDF",
    b"\x89HDF": "an HDF5 file",
}
_SAVE_AS = "Save the table as CSV or Parquet."
_HEAD_RECORDS = 200
_NUMBER = re.compile(r"\s*-?\d+([.,]\d+)?([eE][+-]?\d+)?\s*")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Writing:
    """How a file is written.

    Attributes:
        format: csv or parquet.
        header: Names of the columns, as the file has them.
        encoding: Of a CSV file, as Python names it.
        delimiter: Of a CSV file.
    """

    format: str
    header: tuple[str, ...]
    encoding: str = "utf-8"
    delimiter: str = ","


def sniff(path: Path) -> Writing:
    """Finds out how a file is written.

    Raises:
        UserError: If it is no CSV or Parquet file that can be read, or has no header.
    """
    try:
        with pa.input_stream(str(path)) as stream:
            data = stream.read()
    except OSError as error:
        raise UserError("The data is a CSV or Parquet file that can be read.", received=f"{path}: {error}") from error
    return _sniff_parquet(path) if data.startswith(b"PAR1") else _sniff_csv(path, data)


def _sniff_parquet(path: Path) -> Writing:
    try:
        return Writing(format=PARQUET, header=tuple(pq.read_schema(path).names))
    except (pa.ArrowException, OSError) as error:
        raise UserError("The data is a whole Parquet file.", received=f"{path}: {error}") from error


def _sniff_csv(path: Path, data: bytes) -> Writing:
    if found := next((kind for mark, kind in _NO_TEXT.items() if data.startswith(mark)), ""):
        raise UserError("The data is a CSV or Parquet file.", received=f"{path}, which is {found}", remedy=_SAVE_AS)
    encoding = find_encoding(data)
    text = data.decode(encoding).removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
    if "\0" in text[:10_000]:
        raise UserError("A CSV file is text.", received=f"{path}, with zero bytes", remedy=_SAVE_AS)
    delimiter = _find_delimiter(text)
    header = next((record for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if record), [])
    if len(header) < 2:
        shown = f"{path}, which begins with {text[:60]!r}" if text.strip() else f"{path}, which is empty"
        raise UserError("A CSV file has a header and at least two columns, between , ; | or tabs.", received=shown)
    if sum(_NUMBER.fullmatch(name) is not None for name in header) * 2 >= len(header):
        raise UserError(
            "The first line of a CSV file names the columns.",
            received=f"{path}, which begins with {', '.join(header[:6])!r}",
            remedy="Put a line with the names on top.",
        )
    return Writing(format=CSV, header=tuple(header), encoding=encoding, delimiter=delimiter)


def find_encoding(data: bytes) -> str:
    """Returns the first of the usual encodings in which all bytes are text; every text is latin-1, which comes last."""
    if marked := next((encoding for mark, encoding in _MARKS.items() if data.startswith(mark)), ""):
        return marked
    if data.count(b"\0") * 3 > len(data):
        return "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    return next(encoding for encoding in ("utf-8", "cp1252", "latin-1") if _can_decode(data, encoding))


def _can_decode(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _find_delimiter(text: str) -> str:
    """Returns the delimiter under which most of the first rows have as many fields as the header, and that is many."""

    def score(delimiter: str) -> tuple[bool, bool, int]:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        widths = [len(record) for _, record in zip(range(_HEAD_RECORDS), filter(None, reader), strict=False)]
        first = widths[0] if widths else 0
        return first > 1, widths.count(first) * 10 >= len(widths) * 9, first

    csv.field_size_limit(2**31 - 1)
    return max(_DELIMITERS, key=score)
