"""Measures the training pipeline on this machine: wall time, CPU time and memory of each stage and in all.

    python -m pipelines.bench projects/flights --spans 1-12

It serves nobody: models go into a folder that is removed afterwards, unless another is named.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from components._shared.artifacts import ROWS_PER_SECOND
from components._shared.errors import SluiceError
from components._shared.outputs import write_json
from pipelines.config import load_project
from pipelines.memory import memory_of_tree
from pipelines.run import ISOLATIONS, run_project
from pipelines.run_folder import Run
from pipelines.stage_run import StageRun
from pipelines.summary import print_summary

_SAMPLE_SECONDS = 0.5


class MemorySampler:
    """Remembers the greatest memory of this process and all below it, sampled twice a second; what they share counts once.

    Attributes:
        peaks: By stage, in bytes. With it stand this process and, on standby, the next stage with its imports.
    """

    def __init__(self) -> None:
        self.peaks = dict[str, int]()
        self._next = 0.0

    def observe(self, stage: StageRun) -> None:
        """Takes a sample if it is time for one."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _SAMPLE_SECONDS
            self.peaks[stage.stage] = max(self.peaks.get(stage.stage, 0), memory_of_tree(os.getpid()))


def measure(
    project_dir: str, *, spans: str, isolation: str, standby: bool, serving_dir: Path | None = None
) -> tuple[Run, dict[str, Any]]:
    """Runs the pipeline of a project once and returns the run and its figures.

    Args:
        project_dir: Folder of the project.
        spans: Spans to read; the project's own if empty.
        isolation: `process` or `fork`.
        standby: Whether stages do their imports early.
        serving_dir: Where models go, and the live version is; an empty folder that is removed afterwards when None.
    """
    project, sampler = load_project(project_dir), MemorySampler()
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        begin = time.monotonic()
        run = run_project(
            project,
            runs_dir=Path(folder) / "runs",
            serving_dir=serving_dir or Path(folder) / "served",
            settings=[f"spans={spans}"] if spans else [],
            isolation=isolation,
            standby=standby,
            observe=sampler.observe,
        )
        wall = time.monotonic() - begin
        stages = [_figures(stage, sampler.peaks.get(stage.stage, 0)) for stage in run.stages]
        if run.state != "succeeded":
            print_summary(run, project, Console(stderr=True, emoji=False))
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return run, {
        "project": run.project,
        "parameters": run.parameters,
        "isolation": isolation,
        "standby": standby and isolation == "process",
        "cores": os.cpu_count(),
        "state": run.state,
        "wall_seconds": round(wall, 2),
        "cpu_seconds": round(sum(item.ru_utime + item.ru_stime for item in usage), 2),
        "peak_bytes": max(sampler.peaks.values(), default=0),
        "disk_bytes": sum(stage["disk_bytes"] for stage in stages),
        "stages": stages,
    }


def _figures(stage: StageRun, tree_bytes: int) -> dict[str, Any]:
    return {
        "stage": stage.stage,
        "wall_seconds": round(stage.seconds, 2),
        "cpu_seconds": round(stage.cpu_seconds, 2),
        "peak_bytes": stage.peak_bytes,
        "tree_bytes": tree_bytes,
        "disk_bytes": sum(path.stat().st_size for path in stage.folder.rglob("*") if path.is_file()),
        "rows_per_second": max((item.get(ROWS_PER_SECOND, 0) for item in stage.metadata.values()), default=0),
    }


def _print(figures: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("stage")
    for name in ("wall s", "CPU s", "peak MB", "rows/s without imports"):
        table.add_column(name, justify="right")
    for item in [*figures["stages"], {**figures, "stage": "in all", "rows_per_second": 0}]:
        speed = f"{item['rows_per_second']:,.0f}" if item["rows_per_second"] else ""
        cells = (f"{item['wall_seconds']:.1f}", f"{item['cpu_seconds']:.1f}", f"{item['peak_bytes'] / 1e6:.0f}", speed)
        table.add_row(item["stage"], *cells)
    Console().print(table, highlight=False)


def main() -> None:
    """Parses the command line, measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.bench", description="Measure the training pipeline.")
    parser.add_argument("project", help="folder of the project")
    parser.add_argument("--spans", default="", help="spans to read; by default the project's own")
    parser.add_argument("--isolation", default="process", choices=ISOLATIONS)
    parser.add_argument("--no-standby", action="store_true", help="start every stage only when its turn comes")
    parser.add_argument("--serving-dir", type=Path, metavar="DIR", help="where models go; by default one that is removed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as JSON")
    args = parser.parse_args()
    try:
        run, figures = measure(
            args.project,
            spans=args.spans,
            isolation=args.isolation,
            standby=not args.no_standby,
            serving_dir=args.serving_dir,
        )
    except SluiceError as error:
        Console(stderr=True, emoji=False).print(f"Error: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    _print(figures)
    if args.json:
        write_json(args.json, figures)
    sys.exit(run.exit_code)


if __name__ == "__main__":
    main()
