"""One stage of one run on this machine: what was started, how it went, and why it failed."""

import dataclasses
import re
import signal
from pathlib import Path
from typing import Any

from components._shared.artifacts import RESUMED_AT_EPOCH
from components._shared.errors import SluiceError

_ERROR_LINE = re.compile(r"^\S+ \S+ ERROR sluice: (.*)", re.DOTALL)
_TAIL_LINES = 20


@dataclasses.dataclass(kw_only=True)
class StageRun:
    """One stage of one run: what was started, and how it went.

    Attributes:
        stage: Name of the stage; a second task of the same component gets a number.
        folder: Where its outputs are, one file or folder each.
        log: What it wrote to stdout and stderr.
        argv: The command.
        exit_code: Its exit code; None while it runs, negative for a signal.
        seconds: Wall time.
        cpu_seconds: CPU time, with imports done early.
        peak_bytes: Greatest resident memory.
        problem: What is wrong with its outputs though it exited with 0.
        reused_from: The run whose result stands in for it; empty if it ran.
        pages: Output artifacts to read, by name: the schema title of each (system.HTML or system.Markdown).
        parameters: Output parameters.
        metadata: Metadata of output artifacts, by name.
    """

    stage: str
    folder: Path
    log: Path
    argv: list[str]
    exit_code: int | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    problem: str = ""
    reused_from: str = ""
    pages: dict[str, str] = dataclasses.field(default_factory=dict)
    parameters: dict[str, Any] = dataclasses.field(default_factory=dict)
    metadata: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        """Whether it is done and well."""
        return self.exit_code == 0 and not self.problem

    @property
    def resumed_at_epoch(self) -> int:
        """The epoch at which a training went on from its checkpoint, from 1; 0 if it began anew, and for other stages."""
        return max((int(found.get(RESUMED_AT_EPOCH, 0)) for found in self.metadata.values()), default=0)


class StageFailed(SluiceError):
    """A stage did not succeed; the exit code is the stage's where that says who has to act."""

    def __init__(self, run: StageRun) -> None:
        self.run = run
        self.exit_code = run.exit_code if run.exit_code in (2, 3) else 1
        super().__init__(f"{run.stage} failed: {reason_of(run)}")


def reason_of(run: StageRun) -> str:
    """Returns why a stage failed: its error message, or its last words."""
    if run.problem or run.exit_code is None:
        return run.problem or "it was stopped"
    text = run.log.read_text(encoding="utf-8", errors="replace") if run.log.exists() else ""
    if run.exit_code in (2, 3) and (start := text.rfind(" ERROR sluice: ")) >= 0:
        line_start = text.rfind("\n", 0, start) + 1
        if match := _ERROR_LINE.match(text[line_start:]):
            return match[1].strip()
    if run.exit_code < 0:
        name = signal.Signals(-run.exit_code).name
        return f"it was killed by {name}" + (", as it is when memory runs out" if name == "SIGKILL" else "")
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it wrote no log")
    return f"{last} (exit code {run.exit_code})"


def tail_of(run: StageRun) -> str:
    """Returns the last lines of a stage's log."""
    text = run.log.read_text(encoding="utf-8", errors="replace") if run.log.exists() else ""
    return "\n".join(text.splitlines()[-_TAIL_LINES:])
