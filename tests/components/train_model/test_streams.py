import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from components._data.examples import write_batches
from components._shared.errors import UserError
from components._shared.label import LabelKind, LabelSpec
from components._tf.transform_graph import FeatureSpec
from components.train_model.arrays import Arrays, evaluation_batches, plan_epoch, read_rows, training_batches
from components.train_model.fit import Settings, fit
from components.train_model.streams import iterate_epoch, open_stream, stream_training

ROWS, GROUP_ROWS = 103, 10
LABEL = LabelSpec(name="late", kind=LabelKind.BINARY)
SPEC = {
    "row": FeatureSpec([], tf.int64, None),
    "pair": FeatureSpec([2], tf.float32, None),
    "name": FeatureSpec([], tf.string, None),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Transformed examples whose shard has eleven row groups."""
    rows = np.arange(ROWS)
    pairs = np.stack([rows, -rows], axis=1).astype(np.float32)
    table = pa.table(
        {
            "late": rows % 2,
            "name": pa.array([f"row {row}".encode() for row in rows]),
            "pair": pa.FixedSizeListArray.from_arrays(pa.array(pairs.ravel()), 2),
            "row": rows,
        }
    )
    path = tmp_path_factory.mktemp("transformed")
    write_batches(path, "train", table.schema, (table.slice(start, GROUP_ROWS) for start in range(0, ROWS, GROUP_ROWS)))
    return str(path)


@pytest.fixture(scope="module")
def stream(folder):
    return open_stream(folder, "train", SPEC, LABEL)


def rows_of_epoch(stream, epoch, seed=1, **changed):
    windows = iterate_epoch(
        stream, **{"batch_size": 8, "steps": 12, "seed": seed, "epoch": epoch, "window_bytes": 3000} | changed
    )
    return [features["row"] for features, _ in windows]


def test_an_epoch_holds_every_row_at_most_once_in_whole_batches(stream):
    windows = rows_of_epoch(stream, 0)
    assert len(windows) > 2
    assert all(len(window) % 8 == 0 for window in windows)
    assert len(np.unique(np.concatenate(windows))) == 12 * 8


def test_rows_that_fill_no_whole_batch_come_with_the_next_window(stream):
    seen = np.concatenate(rows_of_epoch(stream, 0, batch_size=103, steps=1))
    assert sorted(seen) == list(range(ROWS))


def test_order_depends_on_seed_and_epoch_alone(stream):
    first, again, later, other = (
        np.concatenate(rows_of_epoch(stream, epoch, seed)).tolist() for epoch, seed in ((0, 1), (0, 1), (1, 1), (0, 2))
    )
    assert first == again
    assert first != later
    assert first != other


def test_training_goes_on_with_a_later_epoch_as_if_it_had_run_the_earlier_ones(stream):
    whole = [features["row"].numpy().tolist() for features, _ in stream_training(stream, 8, 12, 1).take(24)]
    rest = [features["row"].numpy().tolist() for features, _ in stream_training(stream, 8, 12, 1, first_epoch=1).take(12)]
    assert whole[12:] == rest


def test_values_of_a_row_stay_together(stream):
    for features, label in training_batches(stream, plan_epoch(ROWS, 8), 1).take(12):
        row = features["row"].numpy()
        np.testing.assert_array_equal(features["pair"], np.stack([row, -row], axis=1))
        assert features["name"].numpy().tolist() == [f"row {number}".encode() for number in row]
        np.testing.assert_array_equal(label, row % 2)


def test_evaluation_sees_what_it_sees_of_rows_in_memory(folder, stream):
    in_memory = read_rows(folder, "train", SPEC, LABEL)
    assert isinstance(in_memory, Arrays)
    for (features, label), (expected, expected_label) in zip(
        evaluation_batches(stream), evaluation_batches(in_memory), strict=True
    ):
        for name, values in expected.items():
            np.testing.assert_array_equal(features[name], values)
        np.testing.assert_array_equal(label, expected_label)


def test_a_split_beyond_the_limit_stays_on_disk_and_trains(folder):
    spec = {"row": SPEC["row"]}
    stream = read_rows(folder, "train", spec, LABEL, most_bytes=1000)
    assert (stream.rows, len(stream.groups)) == (ROWS, 11)
    keras.utils.set_random_seed(1)
    row = keras.Input((), dtype="int64", name="row")
    model = keras.Model({"row": row}, keras.layers.Dense(1, "sigmoid")(keras.layers.Embedding(ROWS, 1)(row)))
    model.compile(optimizer=keras.optimizers.Adam(0.5), loss="binary_crossentropy", jit_compile=False)
    fitted = fit(model, train=stream, evaluation=stream, settings=Settings(epochs=4, batch_size=8, patience=4, seed=1))
    assert fitted.history["eval_loss"][-1] < 0.1


def test_labels_are_checked_where_they_stay_on_disk(tmp_path):
    table = pa.table({"row": [1, 2], "late": [1, 1]})
    write_batches(tmp_path, "train", table.schema, [table])
    with pytest.raises(UserError, match="at least two values"):
        read_rows(str(tmp_path), "train", {"row": SPEC["row"]}, LABEL, most_bytes=0)
