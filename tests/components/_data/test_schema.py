from pathlib import Path

import pyarrow as pa
import pytest

from components._data.schema import arrow_types, is_required, read_schema, serving_features
from components._shared.errors import UserError

TEXT = """
feature { name: "n" type: INT presence { min_fraction: 1 } shape {} }
feature { name: "x" type: FLOAT presence { min_fraction: 1 } }
feature { name: "y" type: BYTES not_in_environment: "SERVING" shape {} }
"""


def write(folder: Path, text: str) -> Path:
    (folder / "schema.pbtxt").write_text(text)
    return folder


def test_reads_file_and_folder_alike(tmp_path: Path):
    write(tmp_path, TEXT)
    assert read_schema(tmp_path) == read_schema(tmp_path / "schema.pbtxt")


def test_types_in_order_of_schema(tmp_path: Path):
    types = arrow_types(read_schema(write(tmp_path, TEXT)))
    assert list(types.items()) == [("n", pa.int64()), ("x", pa.float32()), ("y", pa.string())]


def test_required_takes_presence_and_shape(tmp_path: Path):
    assert [is_required(feature) for feature in read_schema(write(tmp_path, TEXT)).feature] == [True, False, False]


def test_request_holds_no_label(tmp_path: Path):
    assert [feature.name for feature in serving_features(read_schema(write(tmp_path, TEXT)))] == ["n", "x"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at least one feature"),
        ("feature { nonsense: 1 }", "text form"),
        ('feature { name: "a" type: INT } feature { name: "a" type: INT }', "once.*a"),
    ],
)
def test_what_is_no_schema(tmp_path: Path, text: str, message: str):
    with pytest.raises(UserError, match=message):
        read_schema(write(tmp_path, text))


def test_missing_schema_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"nope\.pbtxt"):
        read_schema(tmp_path / "nope.pbtxt")


def test_feature_without_type_is_named(tmp_path: Path):
    with pytest.raises(UserError, match="'a' has the type"):
        arrow_types(read_schema(write(tmp_path, 'feature { name: "a" }')))
