import pyarrow as pa
import pytest
from tensorflow_metadata.proto.v0 import schema_pb2

from components._data.schema import arrow_types, is_required, read_schema
from components._data.statistics import write_statistics
from components._shared.errors import UserError
from components.generate_statistics.executor import compute_statistics
from components.infer_schema.executor import infer_schema


@pytest.fixture
def infer(tmp_path):
    """Infers the schema of a table and reads it back."""

    def run(table):
        write_statistics(tmp_path / "st", "train", compute_statistics([table], schema_pb2.Schema(), "train"))
        infer_schema(statistics=str(tmp_path / "st"), schema=str(tmp_path / "schema"))
        schema = read_schema(tmp_path / "schema")
        return {feature.name: feature for feature in schema.feature}, schema

    return run


def test_types_are_those_of_the_data(infer):
    _, schema = infer(pa.table({"n": [1, 2], "x": [0.5, 1.5], "s": ["a", "b"]}))
    assert arrow_types(schema) == {"n": pa.int64(), "x": pa.float32(), "s": pa.string()}


def test_a_feature_in_every_row_is_a_required_scalar(infer):
    features, _ = infer(pa.table({"n": [1, 2, 3]}))
    assert is_required(features["n"])
    assert features["n"].HasField("shape")
    assert not features["n"].shape.dim


def test_a_feature_with_gaps_is_optional(infer):
    features, _ = infer(pa.table({"n": [1, None, 3]}))
    assert not is_required(features["n"])
    assert not features["n"].HasField("shape")


def test_few_distinct_strings_become_a_domain(infer):
    _, schema = infer(pa.table({"city": ["Köln", "Bonn", "Bonn"]}))
    assert sorted(schema.string_domain[0].value) == ["Bonn", "Köln"]


def test_both_environments_are_declared(infer):
    _, schema = infer(pa.table({"n": [1]}))
    assert list(schema.default_environment) == ["TRAINING", "SERVING"]


def test_no_rows_no_schema(infer, tmp_path):
    with pytest.raises(UserError, match="at least one row"):
        infer(pa.table({"n": pa.array([], pa.int64())}))
    assert not (tmp_path / "schema").exists()


def test_missing_statistics_are_named(tmp_path):
    with pytest.raises(UserError, match=r"Split-train/FeatureStats\.pb"):
        infer_schema(statistics=str(tmp_path), schema=str(tmp_path / "schema"))
