import pyarrow as pa
import pytest

from components._data.examples import write_manifest, write_split
from components._data.integrity import digest_split

SCHEMA = """
feature { name: "count" type: INT presence { min_fraction: 1.0 } shape {} }
feature { name: "price" type: FLOAT presence { min_fraction: 0.5 } value_count { min: 1 max: 1 } }
feature { name: "city" type: BYTES presence { min_fraction: 1.0 } shape {} }
feature { name: "sold" type: INT presence { min_fraction: 1.0 } shape {} not_in_environment: "SERVING" }
default_environment: "TRAINING"
default_environment: "SERVING"
"""


def small_table(**columns):
    """Twelve rows; a keyword replaces a column, None drops it."""
    defaults = {
        "count": pa.array([0, 1, 2, 3] * 3),
        "price": pa.array([1.5, None, 2.5, 4.0] * 3, pa.float32()),
        "city": pa.array(["Bonn", "Bonn", "Köln"] * 4),
        "sold": pa.array([0, 1] * 6),
    }
    return pa.table({name: values for name, values in {**defaults, **columns}.items() if values is not None})


@pytest.fixture
def table():
    return small_table


@pytest.fixture
def inputs(tmp_path):
    """Writes examples and a schema, and returns the stage's arguments; a keyword replaces a split's table."""

    def write(schema=SCHEMA, **tables):
        examples = tmp_path / "examples"
        splits = {split: tables.get(split, small_table()) for split in ("train", "eval", "test")}
        for split, content in splits.items():
            write_split(examples, split, content)
        rows = {split: {"rows": table.num_rows, "files": digest_split(examples, split)} for split, table in splits.items()}
        write_manifest(examples, {"data_version": "sha256:d1", "label": "sold", "splits": rows})
        (tmp_path / "schema.pbtxt").write_text(schema)
        names = {
            "examples": examples,
            "schema": tmp_path / "schema.pbtxt",
            "statistics": tmp_path / "st",
            "report": tmp_path / "page",
        }
        return {name: str(path) for name, path in names.items()}

    return write
