import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components._shared.errors import UserError
from components.draft_schema.sniffing import find_encoding, sniff

TEXT = "größe,preis €,ort\n1,2,Köln\n3,4,Łódź\n"


@pytest.fixture
def written(tmp_path):
    def write(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_cuts_all_rows_alike(written, delimiter):
    rows = [["name", "price, net", "note"], ["a", "1", "b"], ["c", "2,5", "d"]]
    text = "\n".join(delimiter.join(f'"{cell}"' if delimiter in cell else cell for cell in row) for row in rows)
    writing = sniff(written(text))
    assert (writing.delimiter, writing.header) == (delimiter, ("name", "price, net", "note"))


@pytest.mark.parametrize(
    ("encoding", "found"), [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16"), ("utf-16-le", "utf-16-le")]
)
def test_the_encoding_is_found_and_no_mark_is_left_in_the_header(written, encoding, found):
    writing = sniff(written(TEXT.encode(encoding)))
    assert (writing.encoding, writing.header[0]) == (found, "größe")


def test_western_text_is_cp1252_unless_it_holds_a_byte_that_this_lacks():
    assert find_encoding("größe €".encode("cp1252")) == "cp1252"
    assert find_encoding(b"gr\xf6\xdfe \x81") == "latin-1"


def test_a_compressed_file_is_read(written):
    assert sniff(written(gzip.compress(TEXT.encode()), "data.csv.gz")).header[2] == "ort"


def test_parquet_is_known_by_its_bytes(tmp_path):
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "data")
    writing = sniff(tmp_path / "data")
    assert (writing.format, writing.header) == ("parquet", ("a", "b"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04rest", "which is an Excel or ZIP file"),
        (b"a,b\n\x00\x01,2\n", "with zero bytes"),
        (b"", "which is empty"),
        (b"one column\n1\n", "begins with 'one column"),
        (b"39, State-gov, 77516, 13\n50, Private, 83311, 13\n", "The first line of a CSV file names the columns"),
        (b"PAR1nonsense", "whole Parquet file"),
    ],
)
def test_what_is_no_table_is_refused_with_its_beginning(written, content, message):
    with pytest.raises(UserError, match=message):
        sniff(written(content))
