from pathlib import Path

import pytest

from components._data.schema import read_schema
from components._shared.digest import digest_file
from components._shared.errors import UserError
from components.import_schema.executor import import_schema

TEXT = 'feature { name: "n" type: INT }  # how many\r\nfeature { name: "größe" type: FLOAT }\n'


def run(project: Path, text: str = TEXT, schema_hash: str | None = None) -> Path:
    file = project / "schema.pbtxt"
    file.write_bytes(text.encode())
    digest = digest_file(file) if schema_hash is None else schema_hash
    import_schema(project_dir=str(project), schema_hash=digest, schema=str(project / "out"))
    return project / "out" / "schema.pbtxt"


def test_copies_every_byte(tmp_path: Path):
    assert run(tmp_path).read_bytes() == TEXT.encode()


def test_copy_is_a_schema(tmp_path: Path):
    assert [feature.name for feature in read_schema(run(tmp_path).parent).feature] == ["n", "größe"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "at least one feature"), ("feature {", "text form"), ('feature { name: "a" }', "'a' has the type")],
)
def test_what_is_no_schema_is_not_imported(tmp_path: Path, text: str, message: str):
    with pytest.raises(UserError, match=message):
        run(tmp_path, text)
    assert not (tmp_path / "out").exists()


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
