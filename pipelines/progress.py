"""Shows how a run goes on: a live table on a terminal, one line per stage elsewhere."""

from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipelines.stage_run import StageRun


class Progress:
    """Follows the stages of a run; to be used as a context manager around it.

    Args:
        console: Where to show it; stderr, so that stdout holds only the result.
        stage_count: How many stages the pipeline has.
    """

    def __init__(self, console: Console, stage_count: int) -> None:
        self._console, self._count = console, stage_count
        self._runs: dict[str, StageRun] = {}
        # Refreshed by hand: a thread of its own would make it unsafe to start processes.
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def observe(self, run: StageRun) -> None:
        """Takes note of a stage that has started, goes on or has ended."""
        started = run.stage not in self._runs
        self._runs[run.stage] = run
        if self._live:
            self._live.update(self._table(), refresh=True)
        elif started:
            width = len(str(self._count))
            self._console.print(f"[{len(self._runs):>{width}}/{self._count}] {run.stage:<22}", end="", markup=False)
        elif run.exit_code is not None:
            ended = "FAILED" if not run.succeeded else state_of(run).plain
            self._console.print(f"{run.seconds:6.1f} s  {ended}", markup=False, highlight=False)

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, caption=f"stage {len(self._runs)} of {self._count}", caption_justify="left")
        table.add_column("stage")
        table.add_column("seconds", justify="right")
        table.add_column("state")
        for run in self._runs.values():
            table.add_row(run.stage, f"{run.seconds:.1f}", state_of(run))
        return table


def state_of(run: StageRun) -> Text:
    """Returns a stage's state in a word, coloured."""
    if run.exit_code is None:
        return Text("running", style="cyan")
    if run.succeeded and run.reused_from:
        return Text(f"reused from {run.reused_from}", style="green")
    if run.succeeded and run.resumed_at_epoch:
        return Text(f"done, resumed at epoch {run.resumed_at_epoch}", style="green")
    return Text("done", style="green") if run.succeeded else Text("failed", style="bold red")
