"""Takes out of a SavedModel what tells of the process that wrote it, so that the same graph is the same bytes.

A model's digest says which model it is, and a result that comes out as before spares the stages after it. Both need that
nothing in a file is drawn anew in each run.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from tensorflow.core.framework import attr_value_pb2, graph_pb2
from tensorflow.core.protobuf import fingerprint_pb2, saved_model_pb2

from components._shared.artifacts import SAVED_MODEL_FILE

FINGERPRINT_FILE = "fingerprint.pb"
"""TensorFlow's own name for what it writes beside the graph; a SavedModel without it is whole."""


def settle_graph(saved_model: str | Path, path: str, name: str) -> None:
    """Writes a name wherever a graph has the path of a temporary folder, and puts the nodes of its functions in order.

    TFT names lookup tables after its temporary files. Where TensorFlow prunes a function, it has nodes that do not rest on
    each other in any order, which says nothing: a function's nodes are run by what they take.
    TensorFlow's fingerprint is about the graph as it was, so it goes.

    Args:
        saved_model: Folder of the SavedModel.
        path: The path of the folder.
        name: What stands in its place.
    """
    file = Path(saved_model) / SAVED_MODEL_FILE
    document = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    for meta_graph in document.meta_graphs:
        for value in _attributes(meta_graph.graph_def):
            _replace(value, path.encode(), name.encode())
        for function in meta_graph.graph_def.library.function:
            function.node_def.sort(key=lambda node: node.name)
    file.write_bytes(document.SerializeToString(deterministic=True))
    file.with_name(FINGERPRINT_FILE).unlink(missing_ok=True)


def settle_fingerprint(saved_model: str | Path) -> None:
    """Makes the identity in TensorFlow's fingerprint follow from the rest of it; newer releases draw it at random.

    Args:
        saved_model: Folder of the SavedModel.
    """
    file = Path(saved_model) / FINGERPRINT_FILE
    fingerprint = fingerprint_pb2.FingerprintDef.FromString(file.read_bytes())
    if "uuid" not in fingerprint.DESCRIPTOR.fields_by_name:
        return
    fingerprint.ClearField("uuid")
    digest = hashlib.sha256(fingerprint.SerializeToString(deterministic=True)).digest()
    fingerprint.uuid = str(int.from_bytes(digest[:16], "big"))  # a number of 128 bits, as TensorFlow writes it
    file.write_bytes(fingerprint.SerializeToString(deterministic=True))


def _replace(value: attr_value_pb2.AttrValue, old: bytes, new: bytes) -> None:
    """Replaces bytes in an attribute; what is not set is not touched, since that would set it."""
    kind = value.WhichOneof("value")
    if kind == "s":
        value.s = value.s.replace(old, new)
    elif kind in ("list", "tensor"):
        texts = value.list.s if kind == "list" else value.tensor.string_val
        texts[:] = [text.replace(old, new) for text in texts]


def _attributes(graph: graph_pb2.GraphDef) -> Iterator[attr_value_pb2.AttrValue]:
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        for node in nodes:
            yield from node.attr.values()
