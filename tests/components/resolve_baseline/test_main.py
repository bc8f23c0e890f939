from components._shared.digest import digest_model, digest_tree
from components.resolve_baseline.__main__ import build_parser, main


def _run(serving_dir, out):
    names = ("version", "model_digest", "pushed_digest")
    flags = {"serving_dir": serving_dir, **{name: out / name for name in names}}
    main(build_parser().parse_args([text for name, value in flags.items() for text in (f"--{name}", str(value))]))
    return [(out / name).read_text() for name in names]


def test_parameters_are_written(serving_dir, tmp_path):
    written = _run(serving_dir, tmp_path / "out")
    assert written == ["1", digest_model(serving_dir / "1"), digest_tree(serving_dir / "1")]


def test_parameters_are_empty_when_nothing_is_live(tmp_path):
    assert _run(tmp_path / "serving", tmp_path / "out") == ["", "", ""]
