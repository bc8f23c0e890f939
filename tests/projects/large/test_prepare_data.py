import runpy
from pathlib import Path

import pyarrow.compute as pc
import pytest

from components._data.schema import arrow_types, read_schema
from pipelines.config import load_project

LARGE = Path(__file__).parents[3] / "projects" / "large"


@pytest.fixture(scope="module")
def make_span():
    return runpy.run_path(str(LARGE / "prepare_data.py"))["make_span"]


def test_a_span_has_the_columns_of_the_schema(make_span):
    span = make_span(1, 1000)
    types = {field.name: field.type for field in span.schema}
    assert types == arrow_types(read_schema(LARGE / "schema.pbtxt"))
    assert len(types) == 20
    assert 0.1 < pc.mean(span["returned"]).as_py() < 0.3


def test_a_span_is_the_same_every_time_and_unlike_others(make_span):
    assert make_span(2, 100).equals(make_span(2, 100))
    assert not set(make_span(2, 100)["order_id"].to_pylist()) & set(make_span(3, 100)["order_id"].to_pylist())


def test_the_project_is_valid():
    assert load_project(str(LARGE)).name == "large"
