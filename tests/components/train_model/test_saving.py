import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from components._data.schema import read_schema
from components._tf.saved_model import load_model, predict_table, raw_tensors, serialize_examples


@pytest.fixture(scope="module")
def model(trained):
    _, root, _ = trained
    return load_model(root / "model" / "Format-Serving")


@pytest.fixture(scope="module")
def schema(flights):
    return read_schema(flights["schema"])


def test_signatures_agree_on_missing_and_unseen_values(model, schema, served_rows):
    raw = predict_table(model, served_rows, schema)
    serialized = model.signatures["examples"](examples=tf.constant(serialize_examples(served_rows, schema)))["probability"]
    assert np.isfinite(raw).all()
    np.testing.assert_allclose(serialized.numpy(), raw, atol=1e-6)


def test_the_label_is_no_input(model):
    assert "late" not in model.signatures["serving_default"].structured_input_signature[1]


def test_transformed_features_are_the_models_inputs(model, schema, served_rows, trained):
    outputs = model.signatures["transform_features"](examples=tf.constant(serialize_examples(served_rows, schema)))
    assert sorted(outputs) == trained[2]["features"]
    np.testing.assert_array_equal(outputs["plane_year_missing"], served_rows["plane_year"].is_null().to_numpy())


def test_batches_do_not_change_predictions(model, schema, served_rows):
    whole, parts = (predict_table(model, served_rows, schema, batch_rows=rows) for rows in (40, 7))
    np.testing.assert_allclose(parts, whole, atol=1e-6)


def test_a_request_without_a_required_feature_is_refused(model, schema, served_rows):
    examples = serialize_examples(served_rows.slice(0, 1), schema)
    example = tf.train.Example.FromString(examples[0])
    del example.features.feature["hour"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="hour"):
        model.signatures["examples"](examples=tf.constant([example.SerializeToString()]))


def with_list(examples, name, values):
    example = tf.train.Example.FromString(examples[0])
    example.features.feature[name].float_list.value[:] = values
    return tf.constant([example.SerializeToString()])


def test_an_empty_list_is_a_missing_value(model, schema, served_rows):
    rows = served_rows.slice(0, 1)
    nulls = pa.table({**{name: rows[name] for name in rows.column_names}, "plane_year": pa.nulls(1, pa.float32())})
    examples = serialize_examples(nulls, schema)
    for signature in ("examples", "transform_features"):
        answers = [
            model.signatures[signature](examples=one) for one in (with_list(examples, "plane_year", []), tf.constant(examples))
        ]
        assert all(np.array_equal(answers[0][name], answers[1][name]) for name in answers[0])


def test_a_list_of_two_values_is_refused(model, schema, served_rows):
    examples = serialize_examples(served_rows.slice(0, 1), schema)
    with pytest.raises(tf.errors.InvalidArgumentError):
        model.signatures["examples"](examples=with_list(examples, "plane_year", [1990.0, 1991.0]))


def test_warmup_requests_run_through_both_signatures(model, trained):
    path = trained[1] / "model" / "Format-Serving" / "assets.extra" / "tf_serving_warmup_requests"
    logs = [prediction_log_pb2.PredictionLog.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(path))]
    sizes = {"serving_default": [], "examples": []}
    for log in logs:
        request = log.predict_log.request
        inputs = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
        answer = model.signatures[request.model_spec.signature_name](**inputs)["probability"]
        sizes[request.model_spec.signature_name].append(len(answer))
    assert sizes == {"serving_default": [1, 16, 128], "examples": [1, 16, 128]}


def test_a_marker_and_a_missing_value_are_the_same(model, schema, served_rows):
    rows = served_rows.slice(0, 8)
    nulls = pa.table({**{name: rows[name] for name in rows.column_names}, "plane_year": pa.nulls(8, pa.float32())})
    raw = raw_tensors(nulls, schema)
    assert np.isnan(raw["plane_year"]).all()
    answer = model.signatures["serving_default"](**raw)["probability"]
    serialized = tf.constant(serialize_examples(nulls, schema))
    np.testing.assert_allclose(model.signatures["examples"](examples=serialized)["probability"], answer, atol=1e-6)


def test_the_model_is_served_as_tf_serving_does_from_the_restored_graph(model, trained, schema, served_rows):
    """`tf.saved_model.load` follows the saved objects; TF Serving runs the graph, in which every variable must be restored."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        path = str(trained[1] / "model" / "Format-Serving")
        signatures = tf.compat.v1.saved_model.loader.load(session, ["serve"], path).signature_def
        serialized = np.array(serialize_examples(served_rows, schema), object)
        feed = {signatures["examples"].inputs["examples"].name: serialized}
        answer = session.run(signatures["examples"].outputs["probability"].name, feed)
    np.testing.assert_allclose(answer, predict_table(model, served_rows, schema), atol=1e-6)
