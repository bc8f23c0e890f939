"""Measures how the training pipeline's stages grow with their data: CPU time per row, memory and disk, from small to large.

    python -m pipelines.bench_large projects/large --spans 3,10,100

The project's spans are alike: n of them are n times the rows of one. A first run, which is not measured, pushes a model, so
that all others have a live version to compare with. It serves nobody: models go into a folder that is removed afterwards.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from components._shared.outputs import write_json

_LEAST_CPU_SECONDS = 1.0


def measure(project_dir: str, spans: int, isolation: str, serving_dir: Path) -> dict[str, Any]:
    """Runs `pipelines.bench` over the first spans, in a process of its own, and returns its figures."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        file = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "pipelines.bench", project_dir, "--spans", f"1-{spans}", "--json", str(file)]
        command += ["--isolation", isolation, "--serving-dir", str(serving_dir)]
        ended = subprocess.run(command, check=False)
        if not file.exists():
            sys.exit(ended.returncode)
        figures = json.loads(file.read_text())
    if figures["state"] != "succeeded":
        sys.exit(ended.returncode)
    return figures


def compare(small: dict[str, Any], large: dict[str, Any], least_seconds: float = _LEAST_CPU_SECONDS) -> list[dict[str, Any]]:
    """Returns for each stage that takes any time what a row takes on either side, and the ratio of both.

    Args:
        small: Figures of `measure` over fewer rows.
        large: Figures over more rows.
        least_seconds: Stages with less CPU time are left out.

    Returns:
        By stage: `small` and `large` in microseconds of CPU time per row, all of a stage's constant costs with them; `ratio`,
        the second over the first; and `next`, what each of the rows beyond those of `small` has cost.
    """
    before = {stage["stage"]: stage["cpu_seconds"] for stage in small["stages"]}
    found = []
    for stage in large["stages"]:
        name, cpu = stage["stage"], stage["cpu_seconds"]
        if cpu >= least_seconds and name in before:
            costs = {"small": 1e6 * before[name] / small["rows"], "large": 1e6 * cpu / large["rows"]}
            marginal = 1e6 * (cpu - before[name]) / (large["rows"] - small["rows"])
            found.append({"stage": name, **costs, "ratio": costs["large"] / costs["small"], "next": marginal})
    return found


def _print(measured: list[dict[str, Any]]) -> None:
    for figures in measured:
        table = Table(title=f"{figures['rows']:,} rows", box=None, pad_edge=False, title_justify="left")
        table.add_column("stage")
        for name in ("CPU s", "µs/row", "peak MB", "with others MB", "disk MB"):
            table.add_column(name, justify="right")
        for stage in figures["stages"]:
            sizes = (f"{stage[name] / 1e6:,.0f}" for name in ("peak_bytes", "tree_bytes", "disk_bytes"))
            cost = f"{1e6 * stage['cpu_seconds'] / figures['rows']:.2f}"
            table.add_row(stage["stage"], f"{stage['cpu_seconds']:,.1f}", cost, *sizes)
        Console().print(table, highlight=False)
    for small, large in itertools.pairwise(measured):
        title = f"µs of CPU time per row, {small['rows']:,} to {large['rows']:,} rows"
        table = Table(title=title, box=None, pad_edge=False, title_justify="left")
        table.add_column("stage")
        for name in ("fewer", "more", "ratio", "each further row"):
            table.add_column(name, justify="right")
        for row in compare(small, large):
            table.add_row(row["stage"], *(f"{row[name]:.2f}" for name in ("small", "large", "ratio", "next")))
        Console().print(table, highlight=False)


def main() -> None:
    """Parses the command line, measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.bench_large", description="Measure growth with the data.")
    parser.add_argument("project", help="folder of the project")
    parser.add_argument("--spans", default="3,10,100", help="numbers of spans, separated by commas")
    parser.add_argument("--span-rows", type=int, default=100_000, help="rows of a span")
    parser.add_argument("--isolation", default="process", choices=("process", "fork"))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as JSON")
    args = parser.parse_args()
    numbers = sorted(int(number) for number in args.spans.split(","))
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        figures = [measure(args.project, number, args.isolation, Path(folder)) for number in (numbers[0], *numbers)]
    measured = [item | {"rows": number * args.span_rows} for item, number in zip(figures[1:], numbers, strict=True)]
    _print(measured)
    if args.json:
        write_json(args.json, {"measured": measured})


if __name__ == "__main__":
    main()
