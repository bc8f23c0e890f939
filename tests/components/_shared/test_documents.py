import pytest

from components._shared.documents import parse_json, read_object


def test_an_object_is_read(tmp_path):
    (tmp_path / "file.json").write_text('{"größe": [1, 2.5, null]}', encoding="utf-8")
    assert read_object(tmp_path / "file.json") == {"größe": [1, 2.5, None]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"[]", "must be an object, not a list"),
        (b"null", "must be an object, not a NoneType"),
        (b"\xff\xfe{", "decode"),
        (b'{"auc": NaN}', "NaN is no JSON"),
        (b'{"auc": [-Infinity]}', "-Infinity is no JSON"),
    ],
)
def test_anything_else_is_an_error(tmp_path, content, words):
    (tmp_path / "file.json").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_object(tmp_path / "file.json")


def test_a_missing_file_is_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_object(tmp_path / "file.json")


def test_a_value_that_is_no_object_can_be_parsed():
    assert parse_json("[1]") == [1]
