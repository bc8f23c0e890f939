"""A small data set: ten days of six measurements each, two spans of five days."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from components._data.examples import read_split
from components._shared.artifacts import SPLITS
from components._shared.digest import digest_contents, digest_file
from components.ingest_examples.executor import IngestedExamples, ingest_examples

SCHEMA = """
feature { name: "count" type: INT presence { min_fraction: 1 } shape {} }
feature { name: "size" type: FLOAT value_count { min: 1 max: 1 } }
feature { name: "site" type: BYTES value_count { min: 1 max: 1 } }
feature { name: "late" type: INT presence { min_fraction: 1 } shape {} not_in_environment: "SERVING" }
"""
HEADER = "day,number,count,size,site,delay,note"


def make_row(day: int, number: int) -> str:
    """Returns one row; every seventh has no size, every fifth no site, every eleventh no delay."""
    index = day * 6 + number
    size, site, delay = f"{index / 8}", f"site-{index % 4}", str(index % 40 - 10)
    values = ["NA" if index % 7 == 0 else size, "" if index % 5 == 0 else site, "NA" if index % 11 == 0 else delay]
    return ",".join([str(day), str(number), str(index), *values, "ignored"])


def make_csv(days: Iterable[int]) -> str:
    return "\n".join([HEADER, *(make_row(day, number) for day in days for number in range(6))]) + "\n"


class Workbench:
    """Writes input files and ingests them; settings can be changed before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.examples = folder / "examples"
        self.schema = SCHEMA
        self.also_tfrecord = False
        self.paths: list[tuple[int, Path]] = []
        self.source: dict[str, Any] = {
            "format": "csv",
            "null_values": ["", "NA"],
            "row_key": ["day", "number"],
            "label": {"name": "late", "column": "delay", "above": 5},
        }
        self.splits: dict[str, Any] = {"key": ["day"], "salt": "s", "train": 0.5, "eval": 0.25, "test": 0.25}

    def add(self, content: str | bytes, span: int = 1, name: str = "a.csv") -> Path:
        """Writes an input file."""
        path = self.folder / f"span-{span}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.paths = [entry for entry in self.paths if entry[1] != path] + [(span, path)]
        return path

    def list_files(self) -> list[dict[str, Any]]:
        """Returns the `files` parameter."""
        return [
            {"path": str(path), "span": span, "size": path.stat().st_size, "sha256": digest_file(path)}
            for span, path in self.paths
        ]

    def ingest(self, files: list[dict[str, Any]] | None = None) -> IngestedExamples:
        """Runs the stage on all files that were added, or on those given."""
        files = self.list_files() if files is None else files
        schema = self.folder / "schema" / "schema.pbtxt"
        schema.parent.mkdir(exist_ok=True)
        schema.write_text(self.schema)
        return ingest_examples(
            schema=str(schema.parent),
            files=files,
            fingerprint=digest_contents(file["sha256"] for file in files),
            spans=sorted({file["span"] for file in files}),
            source=self.source,
            splits=self.splits,
            examples=str(self.examples),
            also_tfrecord=self.also_tfrecord,
            downloads=self.folder / "downloads",
        )

    def rows(self, split: str | None = None) -> list[dict[str, Any]]:
        """Returns the rows of one split, or of all."""
        return [row for name in ([split] if split else SPLITS) for row in read_split(self.examples, name).to_pylist()]


@pytest.fixture
def make_bench(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Workbench]:
    return lambda: Workbench(tmp_path_factory.mktemp("bench"))


@pytest.fixture
def bench(make_bench: Callable[[], Workbench]) -> Workbench:
    """A workbench with two spans of five days, 60 rows."""
    bench = make_bench()
    bench.add(make_csv(range(5)), span=1)
    bench.add(make_csv(range(5, 10)), span=2)
    return bench


@pytest.fixture
def csv_of() -> Callable[[Iterable[int]], str]:
    return make_csv
