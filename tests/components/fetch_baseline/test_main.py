import json

from components._shared.digest import digest_model, digest_tree
from components.fetch_baseline.__main__ import build_parser, main


def test_version_is_in_the_metadata(serving_dir, tmp_path):
    artifact = {"artifacts": [{"name": "baseline", "uri": "u"}]}
    outputs = {"artifacts": {"baseline": artifact}, "outputFile": str(tmp_path / "o.json")}
    flags = {
        "serving_dir": serving_dir,
        "version": "1",
        "model_digest": digest_model(serving_dir / "1"),
        "pushed_digest": digest_tree(serving_dir / "1"),
        "baseline": tmp_path / "baseline",
        "executor_input": json.dumps({"outputs": outputs}),
    }
    main(build_parser().parse_args([text for name, value in flags.items() for text in (f"--{name}", str(value))]))
    metadata = json.loads((tmp_path / "o.json").read_text())["artifacts"]["baseline"]["artifacts"][0]["metadata"]
    assert metadata == {"version": "1", "model_digest": flags["model_digest"]}
