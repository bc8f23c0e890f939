import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from components._data.examples import read_manifest
from components._shared.digest import digest_contents
from components._shared.input_files import fingerprint_of, read_input_files
from components.ingest_examples.__main__ import build_parser, main
from components.resolve_inputs.executor import resolve_inputs

BLOCK = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras", "kfp", "apache_beam"):
            raise ImportError(f"{name} is not needed here")

sys.meta_path.insert(0, Block())
"""
RUN = """
import runpy
runpy.run_module("components.ingest_examples", run_name="__main__", alter_sys=True)
"""
KILL = """
import os, signal
import components.ingest_examples.executor as executor

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

executor.write_manifest = kill
"""


def flags(bench, **changes: Any) -> list[str]:
    bench.ingest()  # writes the schema
    files = bench.list_files()
    values = {
        "schema": bench.folder / "schema",
        "files": json.dumps(files),
        "fingerprint": digest_contents(file["sha256"] for file in files),
        "spans": "[1, 2]",
        "source": json.dumps(bench.source),
        "splits": json.dumps(bench.splits),
        "also_tfrecord": "false",
        "examples": bench.folder / "out",
        **changes,
    }
    return [text for name, value in values.items() for text in (f"--{name}", str(value))]


def run_python(code: str, arguments: list[str]) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def test_runs_without_tensorflow_and_kfp(bench):
    done = run_python(BLOCK + RUN, flags(bench))
    assert done.returncode == 0, done.stderr
    assert (bench.folder / "out" / "manifest.json").exists()


def test_metadata_names_version_and_rows(bench):
    out = bench.folder / "out"
    artifact = {"name": "examples", "uri": str(out)}
    outputs = {"artifacts": {"examples": {"artifacts": [artifact]}}, "outputFile": str(bench.folder / "meta.json")}
    main(build_parser().parse_args(flags(bench, executor_input=json.dumps({"outputs": outputs}))))
    written = json.loads((bench.folder / "meta.json").read_text())["artifacts"]["examples"]["artifacts"][0]["metadata"]
    manifest = json.loads((out / "manifest.json").read_text())
    rows = {f"rows_{name}": split["rows"] for name, split in manifest["splits"].items()}
    assert written.pop("rows_per_second") > 0
    assert written == {"data_version": manifest["data_version"], "spans": [1, 2], **rows}


def test_metadata_counts_the_rows_that_were_set_aside(bench):
    bench.source |= {"bad_rows": "quarantine", "max_bad_rows": 0.5}
    bench.add("day,number,count,size,site,delay\n90,1,x,1,x,7\n", span=2, name="b.csv")
    artifact = {"name": "examples", "uri": str(bench.folder / "out")}
    outputs = {"artifacts": {"examples": {"artifacts": [artifact]}}, "outputFile": str(bench.folder / "meta.json")}
    main(build_parser().parse_args(flags(bench, executor_input=json.dumps({"outputs": outputs}), also_tfrecord="true")))
    written = json.loads((bench.folder / "meta.json").read_text())["artifacts"]["examples"]["artifacts"][0]["metadata"]
    assert written["rows_quarantined"] == 1
    assert list((bench.folder / "out").rglob("data_tfrecord*"))


def test_whole_numbers_may_come_as_floats(bench):
    files = [file | {"span": float(file["span"]), "size": float(file["size"])} for file in bench.list_files()]
    main(build_parser().parse_args(flags(bench, files=json.dumps(files), spans="[1.0, 2.0]")))
    assert json.loads((bench.folder / "out" / "manifest.json").read_text())["spans"] == [1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fingerprint": "sha256:0"}, "fingerprint"),
        ({"spans": "[1]"}, "spans are those of the files"),
        ({"source": '{"format": "csv"}'}, "label"),
        ({"files": "[]"}, "at least one input file"),
        ({"files": '[{"path": "x"}]'}, "path, span, size and sha256"),
    ],
)
def test_wrong_input_exits_with_two_and_one_message(bench, change: dict, message: str):
    done = run_python(RUN, flags(bench, **change))
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_killed_run_looks_incomplete_and_the_next_one_completes(bench):
    arguments = flags(bench)
    done = run_python(KILL + RUN, arguments)
    assert done.returncode == -signal.SIGKILL
    assert not (bench.folder / "out" / "manifest.json").exists()
    assert run_python(RUN, arguments).returncode == 0


def test_stage_killed_within_a_download_fetches_the_rest_when_it_runs_again(
    bench, csv_of, object_server, bucket, tmp_path, monkeypatch
):
    """The connection breaks in the middle of the object; the request for the rest of it is when the process dies."""
    large = bench.add(csv_of(range(5, 2000)), span=2)
    for span, path in bench.paths:
        object_server.put(bucket.bucket, f"in/span-{span}/a.csv", path.read_bytes())
    files = resolve_inputs(project_dir="", pattern=f"gs://{bucket.bucket}/in/span-{{SPAN}}/*", spans="all").files
    arguments = flags(bench, files=json.dumps(files), fingerprint=fingerprint_of(read_input_files(files)))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    requests = []

    def die_in_the_middle(method, path):
        if "alt=media" not in path or "span-2" not in path:
            return None
        requests.append(path)
        if len(requests) == 1:
            return str(large.stat().st_size // 2)
        os.kill(stage.pid, signal.SIGKILL)
        return "drop"

    object_server.interrupt = die_in_the_middle
    stage = subprocess.Popen([sys.executable, "-c", RUN, *arguments], stderr=subprocess.DEVNULL)
    assert stage.wait(timeout=240) == -signal.SIGKILL
    (part,) = tmp_path.glob("sluice-downloads-*/*.part")
    arrived = part.stat().st_size
    assert large.stat().st_size // 4 < arrived < large.stat().st_size
    object_server.interrupt = lambda method, path: None
    sent = []
    answer = object_server.answer
    monkeypatch.setattr(object_server, "answer", lambda *request: sent.append(answer(*request)) or sent[-1])
    done = run_python(RUN, arguments)
    assert done.returncode == 0, done.stderr
    assert max(len(body) for _, _, body in sent) == large.stat().st_size - arrived
    assert read_manifest(bench.folder / "out")["data_version"] == bench.ingest().data_version
