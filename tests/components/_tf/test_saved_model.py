import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components._shared.errors import UserError
from components._tf.saved_model import load_model, predict_table, raw_tensors, serialize_examples

SCHEMA = text_format.Parse(
    """
    feature { name: "origin" type: BYTES presence { min_fraction: 1.0 } shape {} }
    feature { name: "gate" type: BYTES presence { min_fraction: 0.5 } }
    feature { name: "stops" type: INT presence { min_fraction: 0.5 } }
    feature { name: "seats" type: FLOAT presence { min_fraction: 0.5 } }
    feature { name: "late" type: INT not_in_environment: "SERVING" }
    """,
    schema_pb2.Schema(),
)
ROWS = pa.table(
    {"origin": ["JFK", "Zürich", "JFK"], "gate": ["A1", None, ""], "stops": [1, None, 3], "seats": [1.5, None, 2.5]}
)


def test_missing_values_travel_as_markers():
    raw = raw_tensors(ROWS, SCHEMA)
    assert raw["origin"].numpy().tolist() == [b"JFK", "Zürich".encode(), b"JFK"]
    assert raw["gate"].numpy().tolist() == [b"A1", b"", b""]
    assert raw["stops"].numpy().tolist() == [1, np.iinfo(np.int64).min, 3]
    assert np.isnan(raw["seats"].numpy()).tolist() == [False, True, False]


def test_the_label_and_unknown_columns_are_left_out():
    rows = ROWS.append_column("late", pa.array([0, 1, 0])).append_column("other", pa.array([1, 2, 3]))
    assert set(raw_tensors(rows, SCHEMA)) == {"origin", "gate", "stops", "seats"}


@pytest.mark.parametrize(
    "seats", [pa.array([1, 2, 3]), pa.array([1.0, 2.0, 3.0], pa.float64()), pa.array([1, 2, 3], pa.int8())]
)
def test_numbers_become_the_schemas_type(seats):
    raw = raw_tensors(ROWS.set_column(3, "seats", seats), SCHEMA)
    assert raw["seats"].dtype == tf.float32
    assert raw["seats"].numpy().tolist() == [1.0, 2.0, 3.0]


def test_columns_in_many_chunks_and_dictionaries_are_read():
    many = pa.concat_tables([ROWS.slice(2), ROWS.slice(0, 0), ROWS.slice(0, 2)])
    encoded = many.set_column(0, "origin", many["origin"].dictionary_encode())
    assert raw_tensors(encoded, SCHEMA)["origin"].numpy().tolist() == [b"JFK", b"JFK", "Zürich".encode()]


def test_no_rows_are_no_rows():
    assert {name: tuple(tensor.shape) for name, tensor in raw_tensors(ROWS.slice(0, 0), SCHEMA).items()} == dict.fromkeys(
        ("origin", "gate", "stops", "seats"), (0,)
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS.drop(["stops"]), "have the feature 'stops'"),
        (ROWS.set_column(2, "stops", pa.array(["1", "2", "3"])), "'stops' holds one INT value per row"),
        (ROWS.set_column(2, "stops", pa.array([1.5, 2.5, 3.5])), "'stops' holds one INT value per row"),
        (ROWS.set_column(3, "seats", pa.array([[1.0], [2.0], [3.0]])), "'seats' holds one FLOAT value per row"),
        (ROWS.set_column(0, "origin", pa.array(["JFK", None, "JFK"])), "required feature 'origin'.*1 of 3 rows"),
    ],
)
def test_columns_that_do_not_suit_are_named(rows, message):
    with pytest.raises(UserError, match=message):
        raw_tensors(rows, SCHEMA)


def test_an_example_leaves_missing_values_out():
    example = tf.train.Example.FromString(serialize_examples(ROWS, SCHEMA)[1])
    present = {name for name, feature in example.features.feature.items() if feature.WhichOneof("kind")}
    assert present == {"origin"}


def save(path, **specs):
    @tf.function
    def predict(**inputs):
        return {"probability": tf.cast(tf.strings.length(inputs["origin"]), tf.float32)}

    signatures = {"serving_default": predict.get_concrete_function(**specs)}
    tf.saved_model.save(tf.Module(), str(path), signatures=signatures)
    return load_model(path)


def test_rows_are_predicted_in_order_and_in_batches(tmp_path):
    model = save(tmp_path, origin=tf.TensorSpec([None], tf.string, name="origin"))
    assert predict_table(model, ROWS, SCHEMA, batch_rows=2).tolist() == [3.0, 7.0, 3.0]
    assert predict_table(model, ROWS.slice(0, 0), SCHEMA).shape == (0,)


def test_a_model_with_other_inputs_is_refused(tmp_path):
    specs = {name: tf.TensorSpec([None], tf.string, name=name) for name in ("origin", "weather")}
    with pytest.raises(UserError, match="weather"):
        predict_table(save(tmp_path, **specs), ROWS, SCHEMA)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(UserError, match=str(tmp_path)):
        load_model(tmp_path)


def test_a_torn_model_is_named(tmp_path):
    save(tmp_path, origin=tf.TensorSpec([None], tf.string, name="origin"))
    content = (tmp_path / "saved_model.pb").read_bytes()
    (tmp_path / "saved_model.pb").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="SavedModel that TensorFlow can load"):
        load_model(tmp_path)
