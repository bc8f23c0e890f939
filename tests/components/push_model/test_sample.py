import base64
import dataclasses
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components._data.integrity import digest_split
from components._shared.errors import UserError
from components._shared.interface import Interface
from components._shared.tf_example import serialize_example
from components.push_model.sample import take_sample

SCHEMA = """
feature { name: "hour" type: INT }
feature { name: "distance" type: FLOAT }
feature { name: "carrier" type: BYTES }
feature { name: "late" type: INT not_in_environment: "SERVING" }
"""
ROWS = {
    "hour": pa.array([7, None], pa.int64()),
    "distance": pa.array([1.5, None], pa.float32()),
    "carrier": ["AA", None],
    "late": [0, 1],
}


@pytest.fixture
def take(tmp_path):
    """Returns a function that takes a sample of two rows, with the given predictions."""

    def run(predictions=(0.25, 0.5), rows=ROWS, tolerance=1e-5, interface=None, **manifest):
        for name in ("schema", "examples/Split-test", "evaluation"):
            (tmp_path / name).mkdir(parents=True)
        (tmp_path / "schema/schema.pbtxt").write_text(SCHEMA)
        pq.write_table(pa.table(rows), tmp_path / "examples/Split-test/part-00000.parquet")
        pq.write_table(pa.table({"candidate": predictions}), tmp_path / "evaluation/predictions.parquet")
        files = digest_split(tmp_path / "examples", "test")
        manifest = {"label": "late", "splits": {"test": {"rows": 2, "files": files}}, **manifest}
        paths = {name: str(tmp_path / name) for name in ("schema", "examples", "evaluation")}
        return take_sample(**paths, manifest=manifest, tolerance=tolerance, interface=interface)

    return run


@pytest.fixture
def take_again(take, tmp_path):
    """Returns a function that takes the sample anew, from the files as they are by then."""
    take()
    files = digest_split(tmp_path / "examples", "test")
    paths = {name: str(tmp_path / name) for name in ("schema", "examples", "evaluation")}
    manifest = {"label": "late", "splits": {"test": {"rows": 2, "files": files}}}
    return lambda: take_sample(**paths, manifest=manifest, tolerance=None)


def test_missing_values_are_as_the_signature_takes_them(take):
    sample = take()
    assert sample.inputs == {"hour": [7, -(2**63)], "distance": [1.5, None], "carrier": ["AA", ""]}
    assert (sample.predictions, sample.output, sample.tolerance, sample.relative) == ([0.25, 0.5], "probability", 1e-5, False)
    assert json.loads(sample.to_bytes())["inputs"] == sample.inputs


def test_nan_is_a_missing_number(take):
    assert take(rows={**ROWS, "distance": [float("nan"), 2.0]}).inputs["distance"] == [None, 2.0]


def test_classes_and_numbers_have_their_own_output(take):
    sample = take(
        pa.array([[0.25, 0.75], [0.5, 0.5]], pa.list_(pa.float32(), 2)), label_kind="multiclass", label_classes=["a", "b"]
    )
    assert (sample.predictions, sample.output) == ([[0.25, 0.75], [0.5, 0.5]], "probabilities")


SERIALIZED = dataclasses.asdict(
    Interface(raw=(), examples_signature="serving_default", examples_input="rows", transform_input="", output="y", logits=True)
)


def test_a_model_that_takes_examples_gets_rows_without_what_is_missing(take):
    sample = take(interface=SERIALIZED)
    whole, empty = (base64.b64decode(row["b64"]) for row in sample.inputs["rows"])
    assert whole == serialize_example({"hour": 7, "distance": 1.5, "carrier": "AA"})
    assert empty == serialize_example({})
    assert (sample.output, sample.logits, sample.kind) == ("y", True, "binary")


def test_a_model_gets_the_raw_tensors_that_it_takes(take):
    sample = take(interface=SERIALIZED | {"raw": ["hour"], "logits": False})
    assert sample.inputs == {"hour": [7, -(2**63)]}


def test_an_interface_that_cannot_be_read_is_an_error(take):
    with pytest.raises(UserError, match=r"training\.json"):
        take(interface={"raw": []})


def test_differences_of_numbers_are_relative(take):
    sample = take(label_kind="numeric")
    assert (sample.output, sample.relative) == ("prediction", True)


def test_predictions_of_other_rows_are_an_error(take):
    with pytest.raises(UserError, match="1 predictions for 2 rows"):
        take(predictions=[0.5])


def test_feature_that_is_not_there_is_an_error(take):
    with pytest.raises(UserError, match="without 'hour'"):
        take(rows={name: values for name, values in ROWS.items() if name != "hour"})


def test_evaluation_without_predictions_is_an_error(take_again, tmp_path):
    (tmp_path / "evaluation/predictions.parquet").unlink()
    with pytest.raises(UserError, match=r"predictions\.parquet"):
        take_again()


def test_as_many_other_rows_are_an_error(take_again, tmp_path):
    pq.write_table(pa.table({**ROWS, "late": [1, 0]}), tmp_path / "examples/Split-test/part-00000.parquet")
    with pytest.raises(UserError, match=r"Split-test/part-00000\.parquet changed since"):
        take_again()
