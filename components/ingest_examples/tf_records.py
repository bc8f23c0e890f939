"""TFRecord files: read with every checksum compared, compressed or not, and written.

A record is its length (uint64), the masked CRC32C of the length (uint32), the data, and the masked CRC32C of the data, all
little-endian. https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

import gzip
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import google_crc32c

from components._shared.errors import UserError
from components._shared.outputs import write_bytes

_LENGTH, _CHECKSUM = struct.Struct("<Q"), struct.Struct("<I")
_HEADER_BYTES = _LENGTH.size + _CHECKSUM.size
_GZIP_MAGIC = b"\x1f\x8b"
_MASK_DELTA = 0xA282EAD8
_LEVEL = 6


def read_records(path: Path) -> Iterator[bytes]:
    """Yields the records of a TFRecord file, gzip or uncompressed.

    Raises:
        UserError: If the file is cut off or a checksum is not that of its bytes; the message names the offset, which counts
            uncompressed bytes.
    """
    with _open(path) as file:
        offset = 0
        while header := _read(file, _HEADER_BYTES, path, offset):
            if len(header) < _HEADER_BYTES or not _is_intact(header[: _LENGTH.size], header[_LENGTH.size :]):
                raise _corrupt(path, offset, "its length")
            (length,) = _LENGTH.unpack_from(header)
            body = _read(file, length + _CHECKSUM.size, path, offset)
            if len(body) < length + _CHECKSUM.size:
                raise _corrupt(path, offset, "its end, which is missing")
            if not _is_intact(body[:length], body[length:]):
                raise _corrupt(path, offset, "its data")
            yield body[:length]
            offset += _HEADER_BYTES + len(body)


def write_records(path: Path, records: Sequence[bytes]) -> None:
    """Writes a gzip TFRecord file, whole or not at all; equal records give equal bytes."""
    framed = b"".join(part for record in records for part in _frame(record))
    write_bytes(path, gzip.compress(framed, _LEVEL, mtime=0))


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    # A length may begin with gzip's two bytes; then its checksum is right.
    is_plain = len(start) == _HEADER_BYTES and _is_intact(start[: _LENGTH.size], start[_LENGTH.size :])
    if start.startswith(_GZIP_MAGIC) and not is_plain:
        return cast("BinaryIO", gzip.open(path))
    return path.open("rb")


def _read(file: BinaryIO, size: int, path: Path, offset: int) -> bytes:
    try:
        return file.read(size)
    except (OSError, EOFError, zlib.error, OverflowError, MemoryError) as error:
        raise _corrupt(path, offset, str(error)) from error


def _frame(record: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    length = _LENGTH.pack(len(record))
    return length, _CHECKSUM.pack(_masked(length)), record, _CHECKSUM.pack(_masked(record))


def _is_intact(data: bytes, checksum: bytes) -> bool:
    return _CHECKSUM.pack(_masked(data)) == checksum


def _masked(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def _corrupt(path: Path, offset: int, what: str) -> UserError:
    return UserError(
        "Every input file is a whole TFRecord file, gzip or uncompressed.",
        received=f"{path}, damaged in the record at byte {offset:,}: {what}",
        remedy="Deliver the file again.",
    )
