import json

import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from components._data.statistics import write_statistics
from components.generate_statistics.executor import compute_statistics
from components.infer_schema.__main__ import build_parser, main


def test_metadata_counts_the_features(tmp_path):
    write_statistics(tmp_path, "train", compute_statistics([pa.table({"n": [1], "m": [2]})], schema_pb2.Schema(), "train"))
    artifact = {"artifacts": [{"name": "a", "uri": "u"}]}
    executor_input = {"outputs": {"artifacts": {"schema": artifact}, "outputFile": str(tmp_path / "out.json")}}
    flags = [
        "--statistics",
        str(tmp_path),
        "--schema",
        str(tmp_path / "schema"),
        "--executor_input",
        json.dumps(executor_input),
    ]
    main(build_parser().parse_args(flags))
    written = json.loads((tmp_path / "out.json").read_text())["artifacts"]["schema"]["artifacts"][0]
    assert written == {"name": "a", "uri": "u", "metadata": {"features": 2}}
