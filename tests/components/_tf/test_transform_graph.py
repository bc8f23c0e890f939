import pytest
import tensorflow as tf

from components._shared.errors import UserError
from components._tf.transform_graph import TransformGraph, drop_missing, read_feature_spec


@pytest.mark.parametrize(
    ("values", "rows", "kept"),
    [
        (tf.constant([1.0, float("nan"), 3.0]), [0, 2], [1.0, 3.0]),
        (tf.constant([tf.int64.min, 0], tf.int64), [1], [0]),
        (tf.constant(["", "x", ""]), [1], [b"x"]),
        (tf.constant([float("nan")]), [], []),
    ],
)
def test_markers_become_missing_values(values, rows, kept):
    sparse = drop_missing(values)
    assert sparse.indices.numpy().tolist() == [[row, 0] for row in rows]
    assert sparse.values.numpy().tolist() == kept
    assert sparse.dense_shape.numpy().tolist() == [len(values), 1]


def test_a_missing_graph_is_named(tmp_path):
    with pytest.raises(UserError, match="Run transform_features again"):
        TransformGraph(tmp_path)


def test_a_graph_with_another_byte_is_told(tmp_path):
    module = tf.Module()
    module.transform_fn = tf.function(lambda x: x + 1, input_signature=[tf.TensorSpec([None])])
    tf.saved_model.save(module, str(tmp_path / "transform_fn"))
    file = tmp_path / "transform_fn" / "saved_model.pb"
    file.write_bytes(file.read_bytes().replace(b"RestoreV2/tensor_names", b"RestoreV2/tensor_namez", 1))
    with pytest.raises(UserError, match="Run transform_features again"):
        TransformGraph(tmp_path)


def test_ids_below_zero_have_no_size(tmp_path):
    (tmp_path / "transformed_metadata").mkdir()
    text = 'feature { name: "a" type: INT shape {} int_domain { min: -1 max: 4 is_categorical: true } }'
    (tmp_path / "transformed_metadata" / "schema.pbtxt").write_text(text)
    assert read_feature_spec(tmp_path)["a"].size is None
