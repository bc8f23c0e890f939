import datetime
import decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components._shared.errors import UserError
from components.draft_schema.columns import read_columns
from components.draft_schema.sniffing import sniff


@pytest.fixture
def read(tmp_path):
    """Reads a CSV text; returns the table and its columns by name."""

    def read_text(text, encoding="utf-8"):
        path = tmp_path / "data.csv"
        path.write_bytes(text.encode(encoding))
        table = read_columns(path, sniff(path))
        return table, {column.original: column for column in table.columns}

    return read_text


def test_types_are_those_of_all_values(read):
    _, columns = read("whole,half,text,code,both\n1,1.5,a,00123,1\n-2, 2 ,b,04567,1.0\n3,1e3,c,99999,\n")
    kinds = {name: column.kind for name, column in columns.items()}
    assert kinds == {"whole": "INT", "half": "FLOAT", "text": "BYTES", "code": "BYTES", "both": "FLOAT"}
    assert columns["half"].values.to_pylist() == [1.5, 2.0, 1000.0]
    assert columns["code"].values.to_pylist()[0] == "00123"


def test_usual_words_for_nothing_are_null_with_blanks_around_them_too(read):
    table, columns = read("a,b\n1,x\nNA, ?\n,y\nNaN,null\n")
    assert columns["a"].values.to_pylist() == [1, None, None, None]
    assert columns["b"].values.to_pylist() == ["x", None, "y", None]
    assert set(table.null_values) == {"", "NA", " ?", "NaN", "null"}


def test_a_stray_text_among_numbers_is_taken_for_missing_and_said(read):
    table, columns = read("a,b\n" + "".join(f"{number},x\n" for number in range(20)) + "unknown,x\n")
    assert (columns["a"].kind, columns["a"].stray) == ("INT", ("unknown",))
    assert "unknown" in table.null_values


def test_many_texts_among_numbers_make_a_column_of_texts(read):
    _, columns = read("a,b\n" + "".join(f"{number},x\nn{number},x\n" for number in range(9)))
    assert (columns["a"].kind, columns["a"].stray) == ("BYTES", ())


def test_a_decimal_comma_is_read_as_one(read):
    table, columns = read("a;b;c\n1,5;3;x\n2,25;4;y\n")
    assert (table.decimal_point, columns["a"].kind, columns["b"].kind) == (",", "FLOAT", "INT")
    assert columns["a"].values.to_pylist() == [1.5, 2.25]


def test_other_encodings_are_read(read):
    for encoding in ("cp1252", "utf-16"):
        _, columns = read("straße,ort\nBäckerweg,Köln\nAllee,Bonn\n", encoding)
        assert columns["straße"].values.to_pylist()[0] == "Bäckerweg"


def test_a_row_of_another_length_is_told(read):
    with pytest.raises(UserError, match="as many fields as the header, which has 2"):
        read("a,b\n1,2\n1,2,3\n")


def test_columns_of_one_name_are_neither(read):
    _, columns = read("a,b,a\n1,2,3\n")
    assert (columns["a"].kind, columns["b"].kind) == ("", "INT")
    assert "twice" in columns["a"].problem


def test_parquet_types_become_those_of_the_schema(tmp_path):
    day = datetime.date(2024, 5, 6)
    values = {"flag": [True, None], "money": [decimal.Decimal("1.50"), None], "day": [day, day], "list": [[1], [2]]}
    table = pa.table(values | {"kind": pa.array(["a", "b"]).dictionary_encode(), "big": pa.array([2**63, 1], pa.uint64())})
    pq.write_table(table, tmp_path / "data.parquet")
    read = read_columns(tmp_path / "data.parquet", sniff(tmp_path / "data.parquet"))
    columns = {column.original: column for column in read.columns}
    kinds = {name: column.kind for name, column in columns.items()}
    assert kinds == {"flag": "INT", "money": "FLOAT", "day": "BYTES", "list": "", "kind": "BYTES", "big": ""}
    assert columns["day"].values.to_pylist() == ["2024-05-06"] * 2
