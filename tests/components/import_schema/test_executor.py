import re
from pathlib import Path

import pytest

from components._data.schema import read_schema
from components._shared.digest import digest_file
from components._shared.errors import UserError
from components.import_schema.executor import import_schema

TEXT = 'feature { name: "n" type: INT }  # größe\r\nfeature { name: "Size_2" type: FLOAT }\n'


def run(project: Path, text: str = TEXT, schema_hash: str | None = None) -> Path:
    file = project / "schema.pbtxt"
    file.write_bytes(text.encode())
    digest = digest_file(file) if schema_hash is None else schema_hash
    import_schema(project_dir=str(project), schema_hash=digest, schema=str(project / "out"))
    return project / "out" / "schema.pbtxt"


def test_copies_every_byte(tmp_path: Path):
    assert run(tmp_path).read_bytes() == TEXT.encode()


def test_copy_is_a_schema(tmp_path: Path):
    assert [feature.name for feature in read_schema(run(tmp_path).parent).feature] == ["n", "Size_2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "at least one feature"), ("feature {", "text form"), ('feature { name: "a" }', "'a' has the type")],
)
def test_what_is_no_schema_is_not_imported(tmp_path: Path, text: str, message: str):
    with pytest.raises(UserError, match=message):
        run(tmp_path, text)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["a b", "x[0]", "a-b", "a.b", "1st", "_p", "größe", "class", "None", "self", ""])
def test_what_cannot_be_an_input_of_the_model_is_no_name(tmp_path: Path, name: str):
    with pytest.raises(UserError, match=re.escape(f"Received: '{name}'. Rename")):
        run(tmp_path, f'feature {{ name: "ok" type: INT }} feature {{ name: "{name}" type: INT }}')
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ('name: "b" type: INT } feature { name: "B" type: INT', "upper and lower case.*'b', 'B'"),
        ('name: "b" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } }', "'b' holds at most one value"),
        ('name: "b" type: INT value_count { min: 1 max: 3 }', "'b' holds at most one value.*value_count"),
        ('name: "b" type: INT value_counts { value_count { max: 1 } }', "'b' holds at most one value"),
        ('name: "b" type: INT shape {}', "'b' is required.*or may be missing.*min_fraction of 0"),
        ('name: "b" type: BYTES domain: "gone"', "domain of the feature 'b'.*'gone'"),
    ],
)
def test_what_no_stage_can_do_is_told_at_once(tmp_path: Path, feature: str, message: str):
    with pytest.raises(UserError, match=message):
        run(tmp_path, f"feature {{ {feature} }}")


@pytest.mark.parametrize(
    ("digest", "message"), [("sha256:" + "0" * 64, "schema is the file that the pipeline was compiled with"), ("", "digest")]
)
def test_changed_schema_is_not_imported(tmp_path: Path, digest: str, message: str):
    with pytest.raises(UserError, match=message):
        run(tmp_path, schema_hash=digest)
    assert not (tmp_path / "out").exists()


def test_missing_schema_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"schema\.pbtxt: No such file"):
        import_schema(project_dir=str(tmp_path), schema_hash="sha256:1", schema=str(tmp_path / "out"))
