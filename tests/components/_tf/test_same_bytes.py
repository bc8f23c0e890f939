import pytest
import tensorflow as tf
from tensorflow.core.protobuf import fingerprint_pb2, saved_model_pb2

from components._tf.same_bytes import settle_fingerprint, settle_graph


@pytest.fixture
def saved(tmp_path):
    """A saved graph with a lookup table, which TensorFlow names after the file of its words."""
    words = tmp_path / "scratch-1" / "words"
    words.parent.mkdir()
    words.write_text("a\nb\n")
    initializer = tf.lookup.TextFileInitializer(
        str(words), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
    )
    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(initializer, -1)
    module.look_up = tf.function(module.table.lookup, input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(module, str(tmp_path / "saved"))
    return tmp_path / "saved"


def read_graph(saved):
    return saved_model_pb2.SavedModel.FromString((saved / "saved_model.pb").read_bytes())


def write_graph(saved, graph):
    (saved / "saved_model.pb").write_bytes(graph.SerializeToString())


def test_a_temporary_folder_leaves_no_trace_and_the_graph_answers_as_before(saved, tmp_path):
    assert b"scratch-1" in (saved / "saved_model.pb").read_bytes()
    settle_graph(saved, str(tmp_path / "scratch-1"), "scratch")
    assert b"scratch-1" not in (saved / "saved_model.pb").read_bytes()
    assert not (saved / "fingerprint.pb").exists()
    assert tf.saved_model.load(str(saved)).look_up(tf.constant(["b", "a", "c"])).numpy().tolist() == [1, 0, -1]


def test_the_order_of_nodes_does_not_count(saved):
    graph = read_graph(saved)
    for function in graph.meta_graphs[0].graph_def.library.function:
        function.node_def.sort(key=lambda node: node.name, reverse=True)
    settle_graph(saved, "/scratch", "scratch")
    expected = (saved / "saved_model.pb").read_bytes()
    write_graph(saved, graph)
    assert (saved / "saved_model.pb").read_bytes() != expected
    settle_graph(saved, "/scratch", "scratch")
    assert (saved / "saved_model.pb").read_bytes() == expected


def test_attributes_keep_their_kind(saved):
    before = read_graph(saved)
    settle_graph(saved, "/scratch", "scratch")
    kinds = [
        {node.name: {name: value.WhichOneof("value") for name, value in node.attr.items()} for node in function.node_def}
        for graph in (before, read_graph(saved))
        for function in graph.meta_graphs[0].graph_def.library.function
    ]
    assert kinds[: len(kinds) // 2] == kinds[len(kinds) // 2 :]


@pytest.mark.skipif("uuid" not in fingerprint_pb2.FingerprintDef.DESCRIPTOR.fields_by_name, reason="this TensorFlow draws none")
def test_the_identity_in_a_fingerprint_follows_from_the_graph(saved):
    file = saved / "fingerprint.pb"
    fingerprint = fingerprint_pb2.FingerprintDef.FromString(file.read_bytes())
    found = set()
    for checksum, identity in ((1, "5"), (1, "6"), (2, "5")):
        fingerprint.saved_model_checksum, fingerprint.uuid = checksum, identity
        file.write_bytes(fingerprint.SerializeToString())
        settle_fingerprint(saved)
        found.add((checksum, fingerprint_pb2.FingerprintDef.FromString(file.read_bytes()).uuid))
    assert len(found) == len({identity for _, identity in found}) == 2
