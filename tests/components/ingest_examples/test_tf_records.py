import gzip
import struct

import pytest

from components._shared.errors import UserError
from components.ingest_examples.tf_records import read_records, write_records

RECORDS = [b"one", b"", b"three" * 20_000]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "data_tfrecord-00000-of-00001.gz"
    write_records(path, RECORDS)
    return path


def plain(path):
    """Returns the file's bytes without compression."""
    return bytearray(gzip.decompress(path.read_bytes()))


def test_records_come_back(path):
    assert list(read_records(path)) == RECORDS


def test_file_without_compression_is_read_whatever_its_name(path):
    path.write_bytes(plain(path))
    assert list(read_records(path)) == RECORDS


def test_length_that_looks_like_gzip_is_a_length(tmp_path):
    record = bytes(0x8B1F)
    write_records(tmp_path / "a", [record])
    (tmp_path / "a").write_bytes(plain(tmp_path / "a"))
    assert (tmp_path / "a").read_bytes().startswith(b"\x1f\x8b")
    assert list(read_records(tmp_path / "a")) == [record]


def test_equal_records_give_equal_bytes(path, tmp_path):
    write_records(tmp_path / "again", RECORDS)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("offset", "message"),
    [
        (0, "byte 0: its length"),
        (9, "byte 0: its length"),
        (12, "byte 0: its data"),
        (15, "byte 0: its data"),
        (19, "byte 19: its length"),
        (31, "byte 19: its data"),
        (60_000, "byte 35: its data"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_one_wrong_bit_is_found_and_located(path, offset: int, message: str, compressed: bool):
    data = plain(path)
    data[offset] ^= 1
    path.write_bytes(gzip.compress(data) if compressed else data)
    with pytest.raises(UserError, match=rf"{path}, damaged in the record at {message}.*Deliver"):
        list(read_records(path))


@pytest.mark.parametrize(
    ("size", "message"), [(5, "byte 0: its length"), (17, "byte 0: its end"), (40_000, "byte 35: its end")]
)
def test_file_that_is_cut_off_is_found(path, size: int, message: str):
    path.write_bytes(plain(path)[:size])
    with pytest.raises(UserError, match=message):
        list(read_records(path))


@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: data[:30] + b"xxxx" + data[34:]])
def test_damaged_gzip_is_found(path, damage):
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match="damaged in the record at byte"):
        list(read_records(path))


def test_length_beyond_memory_is_no_crash(path):
    from components.ingest_examples.tf_records import _masked

    length = struct.pack("<Q", 2**63)
    path.write_bytes(length + struct.pack("<I", _masked(length)) + b"x")
    with pytest.raises(UserError, match="damaged in the record at byte 0"):
        list(read_records(path))


def test_csv_is_no_tfrecord(path):
    path.write_text("day,number\n1,2\n")
    with pytest.raises(UserError, match=r"TFRecord file.*byte 0: its length"):
        list(read_records(path))
