import json
from pathlib import Path

from components._shared.digest import digest_file
from components.import_schema.__main__ import build_parser, main


def test_says_what_it_imported(tmp_path: Path):
    (tmp_path / "schema.pbtxt").write_text('feature { name: "n" type: INT }')
    digest = digest_file(tmp_path / "schema.pbtxt")
    artifact = {"name": "schema", "uri": str(tmp_path / "out"), "metadata": {}}
    executor_input = {
        "outputs": {"artifacts": {"schema": {"artifacts": [artifact]}}, "outputFile": str(tmp_path / "meta.json")}
    }
    flags = {
        "project_dir": tmp_path,
        "schema_hash": digest,
        "schema": tmp_path / "out",
        "executor_input": json.dumps(executor_input),
    }
    main(build_parser().parse_args([text for name, value in flags.items() for text in (f"--{name}", str(value))]))
    written = json.loads((tmp_path / "meta.json").read_text())["artifacts"]["schema"]["artifacts"][0]["metadata"]
    assert written == {"schema_hash": digest, "features": 1}
