"""Prints how a run went: the stages, the gates, the metrics, where things are and what to try next."""

import re
import shlex
import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components._release.base import Base, BucketPath, to_base
from pipelines.config import Project
from pipelines.outcome import Outcome, read_outcome
from pipelines.progress import state_of
from pipelines.run_folder import Run
from pipelines.stage_run import tail_of

_VERDICT_STYLES = {"passed": "green", "failed": "bold red", "pending": "bold yellow"}


def print_summary(run: Run, project: Project, console: Console) -> None:
    """Prints the end of a run.

    Args:
        run: The run.
        project: Its project, for the commands to try next.
        console: Where to print.
    """
    outcome = read_outcome(run.stages)
    console.print(_stages_table(run), highlight=False)
    if outcome.gates:
        console.print("", _gates_table(outcome), highlight=False, sep="\n")
    if outcome.metrics:
        console.print("", _metrics_table(outcome), highlight=False, sep="\n")
    for sentence in outcome.settled:
        console.print(f"\n[bold]Waited before.[/] {escape(sentence)}", soft_wrap=True, highlight=False)
    if run.state != "succeeded":
        _print_failure(run, console)
    elif outcome.pushed_version:
        folder = _near(to_base(run.parameters["serving_dir"]) / outcome.pushed_version)
        what = "was this very model before" if outcome.unchanged else "is pushed"
        pushed = f"[bold green]Version {outcome.pushed_version} {what}[/]"
        console.print(f"\n{pushed}  {escape(folder)}", soft_wrap=True, highlight=False)
        console.print(escape(outcome.reason), soft_wrap=True, highlight=False)
    elif outcome.waits_until:
        console.print(f"\n[bold yellow]Not released yet.[/] {escape(outcome.reason)}", soft_wrap=True, highlight=False)
    else:
        console.print(f"\n[bold red]Nothing was released.[/] {escape(outcome.reason)}", soft_wrap=True, highlight=False)
    console.print(f"[bold]Report[/]  {escape(_near(run.folder / 'index.html'))}", soft_wrap=True, highlight=False)
    console.print("\n[bold]Try next[/]")
    for command, purpose in _next_commands(run, project, outcome):
        console.print(f"  {escape(command)}  [dim]# {purpose}[/]", soft_wrap=True, highlight=False)


def _stages_table(run: Run) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("stage")
    table.add_column("seconds", justify="right")
    table.add_column("result")
    for stage in run.stages:
        table.add_row(stage.stage, f"{stage.seconds:.1f}", state_of(stage) if stage.exit_code is not None else "stopped")
    if reused := sum(1 for stage in run.stages if stage.reused_from):
        table.caption = f"{reused} of {run.stage_count} stages were reused: same code, parameters and inputs as when they ran."
        table.caption_justify = "left"
    table.add_section()
    table.add_row("[bold]in all[/]", f"[bold]{run.seconds:.1f}[/]", f"[bold]{run.state}[/]")
    return table


def _gates_table(outcome: Outcome) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("gate", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for gate in outcome.gates:
        style = _VERDICT_STYLES.get(gate["verdict"], "dim")
        verdict = gate["verdict"].replace("_", " ")
        table.add_row(escape(gate["gate"]), f"[{style}]{escape(verdict)}[/]", escape(gate["reason"]))
    return table


def _metrics_table(outcome: Outcome) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("metric over all test rows")
    table.add_column("candidate", justify="right")
    if outcome.live_metrics:
        table.add_column("live", justify="right")
    for name, value in outcome.metrics.items():
        live = [_number(outcome.live_metrics.get(name))] if outcome.live_metrics else []
        table.add_row(escape(name), _number(value), *live)
    return table


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 10 else f"{value:.4f}"


def _print_failure(run: Run, console: Console) -> None:
    console.print(f"\n[bold red]{escape(run.error)}[/]", soft_wrap=True, highlight=False)
    failed = next((stage for stage in run.stages if stage.exit_code is not None and not stage.succeeded), None)
    if failed is None:
        return
    if failed.exit_code not in (2, 3) and (tail := tail_of(failed)):  # those say all in their message
        console.print(f"\n[dim]The end of its log:[/]\n{escape(tail)}", soft_wrap=True, highlight=False)
    console.print(f"[bold]Log[/]  {escape(_near(failed.log))}", soft_wrap=True, highlight=False)


def _next_commands(run: Run, project: Project, outcome: Outcome) -> list[tuple[str, str]]:
    sluice, folder, there = _program(), shlex.quote(_near(project.folder)), _serving_option(run, project)
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    commands = []
    if shutil.which(opener):  # a server without a desktop has none
        commands.append((f"{opener} {shlex.quote(_near(run.folder / 'index.html'))}", "every stage's page"))
    if outcome.waits_until:
        release = f"{folder}@{outcome.model_digest.removeprefix('sha256:')[:12]}{there}"
        for word, purpose in (("approve", "let it through"), ("reject", "or do not")):
            commands.append((f'{sluice} {word} {release} --by NAME --reason "..."', purpose))
        commands.append((f"{sluice} push {folder}{there}", "push what was approved; the next run does it, too"))
    if outcome.pushed_version:
        commands.append((f"{sluice} releases {folder}{there} --verify", "what was released, checked against the ledger"))
        if spans := _next_spans(str(run.parameters.get("spans", "")), project, str(run.parameters.get("pattern", ""))):
            again = f"{sluice} run {folder}{there}{_run_options(run)} --spans {spans}"
            commands.append((again, "with one more span, against what is live now"))
    if run.state == "succeeded":
        commands.append((f"{sluice} compile {folder} -o training.yaml", "the same pipeline for Kubeflow"))
    else:
        resume = f"{sluice} run --resume {shlex.quote(_near(run.folder))}{_isolation_options(run)}"
        commands.append((resume, "go on from there, when the cause is mended"))
        spans = str(run.parameters.get("spans", project.source.spans))
        changed = "" if spans == project.source.spans else f" --spans {shlex.quote(spans)}"
        commands.append((f"{sluice} run {folder}{there}{_run_options(run)}{changed}", "all of it again, in a new folder"))
    return commands


def _serving_option(run: Run, project: Project) -> str:
    served = to_base(run.parameters["serving_dir"])
    return "" if served == project.serving_dir else f" --serving-dir {shlex.quote(_near(served))}"


def _run_options(run: Run) -> str:
    """Returns how the run was asked for, so that the next one is like it; without spans and serving directory."""
    runs_dir = _near(run.folder.parent)
    options = [] if runs_dir == "runs" else ["--runs-dir", runs_dir]
    for setting in run.settings:
        options += [] if setting.startswith("spans=") else ["--set", setting]
    return _isolation_options(run) + "".join(f" {shlex.quote(option)}" for option in options)


def _isolation_options(run: Run) -> str:
    options = [] if run.isolation == "process" else ["--isolation", run.isolation]
    if run.isolation == "containers":
        options = ["--containers", "--engine", run.engine, "--image", run.image]
    return "".join(f" {shlex.quote(option)}" for option in options)


def _program() -> str:
    """Returns how this program was called, so that the commands shown work as they are."""
    program = Path(sys.argv[0])
    if program.name != "sluice":
        return "python -m pipelines"
    return "sluice" if shutil.which("sluice") == str(program) else shlex.quote(_near(program))


def _next_spans(spans: str, project: Project, pattern: str) -> str:
    """Returns the range with one more span, if there is data for it."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)", spans)
    if not match or "{SPAN}" not in pattern:
        return ""
    following = int(match[2]) + 1
    relative = pattern.replace("{SPAN}", str(following))
    if Path(relative).is_absolute() or not any(project.folder.glob(relative)):
        return ""
    return f"{match[1] or match[2]}-{following}"


def _near(path: Base) -> str:
    """Returns a path as it is shortest to type from here."""
    if isinstance(path, BucketPath):
        return str(path)
    path = path.resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
