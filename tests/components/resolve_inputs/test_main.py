import json
import subprocess
import sys
from pathlib import Path

from components.resolve_inputs.__main__ import build_parser, main


def flags(folder: Path, *, spans: str = "all") -> list[str]:
    values = {"project_dir": folder, "pattern": "span-{SPAN}.csv", "spans": spans}
    values |= {name: folder / "out" / name for name in ("files", "fingerprint", "resolved_spans")}
    return [text for name, value in values.items() for text in (f"--{name}", str(value))]


def test_writes_its_parameters(tmp_path: Path):
    (tmp_path / "span-7.csv").write_text("a")
    main(build_parser().parse_args(flags(tmp_path)))
    assert json.loads((tmp_path / "out/resolved_spans").read_text()) == [7]
    assert json.loads((tmp_path / "out/files").read_text())[0]["span"] == 7
    assert (tmp_path / "out/fingerprint").read_text().startswith("sha256:")


def test_missing_span_exits_with_two_and_one_message(tmp_path: Path):
    (tmp_path / "span-7.csv").write_text("a")
    command = [sys.executable, "-m", "components.resolve_inputs", *flags(tmp_path, spans="8")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no file of span 8" in done.stderr
    assert "Traceback" not in done.stderr


def test_needs_the_standard_library_alone():
    heavy = "{'pyarrow', 'numpy', 'tensorflow', 'kfp'}"
    code = f"import sys; import components.resolve_inputs.executor; print(set(sys.modules) & {heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
