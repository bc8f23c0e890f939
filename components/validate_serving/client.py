"""Starts the fresh process and collects what it answered, whatever becomes of it."""

import dataclasses
import json
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.validate_serving import job
from components.validate_serving.job import Job, Measured

logger = logging.getLogger("sluice.validate_serving")

_PACKAGE_ROOT = Path(__file__).parents[2]
_GRACE_SECONDS = 10.0
_TAIL_LINES, _LONGEST_LINE = 20, 500


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the fresh process.

    Attributes:
        measured: What it saw; None when it did not come to its end.
        answers: Its answers by way of asking, and its latencies; empty when it did not come to its end.
        transformed: The transformed features of the rows that were to be transformed; None when it gave none.
        failure: Why it did not come to its end, as a sentence; empty when it did.
        log_tail: The last lines of its log; empty when it came to its end.
        seconds: From its start to its end.
    """

    measured: Measured | None
    answers: dict[str, np.ndarray]
    transformed: pa.Table | None = None
    failure: str = ""
    log_tail: str = ""
    seconds: float = 0.0


def run_job(task: Job, rows: pa.Table, samples: dict[str, pa.Table] | None = None) -> Outcome:
    """Runs a job in a process of its own, which shares nothing with this one, as a server would.

    Args:
        task: The job.
        rows: The raw rows to send, at least one.
        samples: More raw rows, by file name.
    """
    with tempfile.TemporaryDirectory(prefix="validate-serving-") as name:
        folder = Path(name)
        for file, table in {job.ROWS_FILE: rows, **(samples or {})}.items():
            pq.write_table(table, folder / file)
        job.write_job(folder, task)
        started = time.perf_counter()
        failure = _run(folder, task.timeout_seconds)
        seconds = time.perf_counter() - started
        if not failure and not (folder / job.MEASURED_FILE).exists():
            failure = "The fresh process ended without a result."
        if failure:
            logger.warning(failure)
            return Outcome(measured=None, answers={}, failure=failure, log_tail=_tail(folder / "log.txt"), seconds=seconds)
        measured = Measured(**json.loads((folder / job.MEASURED_FILE).read_text(encoding="utf-8")))
        given = folder / job.TRANSFORMED_FILE
        transformed = pq.read_table(given) if given.exists() else None
        with np.load(folder / job.ANSWERS_FILE) as answers:
            return Outcome(measured=measured, answers=dict(answers), transformed=transformed, seconds=seconds)


def _run(folder: Path, timeout_seconds: float) -> str:
    command = [sys.executable, "-m", "components.validate_serving.worker", "--job", str(folder)]
    started = time.monotonic()
    with (folder / "log.txt").open("wb") as log:
        try:
            code = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=_PACKAGE_ROOT,  # `python -m` looks for packages there first
                timeout=timeout_seconds + _GRACE_SECONDS,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = None
    if code == 0:
        return ""
    if code is None or time.monotonic() - started >= timeout_seconds:
        return f"The fresh process did not finish within {timeout_seconds:g} seconds."
    ended = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"The fresh process {ended}."


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
    return "\n".join(line[:_LONGEST_LINE] for line in lines)
