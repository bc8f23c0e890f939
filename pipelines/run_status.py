"""The state of runs in Kubeflow, and of their stages, as tables."""

import dataclasses
import datetime
import json
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from components._shared.times import to_people
from pipelines.kubeflow import Kubeflow
from pipelines.stage_policies import STAGE_POLICIES

SUCCEEDED, CANCELED = "SUCCEEDED", "CANCELED"
ENDED = (SUCCEEDED, "FAILED", CANCELED, "SKIPPED", "ERROR")
_STYLES = {SUCCEEDED: "green", "FAILED": "bold red", "ERROR": "bold red", "RUNNING": "cyan", CANCELED: "yellow"}
_SHOWN = 10


@dataclasses.dataclass(frozen=True)
class StageState:
    """How far a stage of a run is.

    Attributes:
        stage: Its name.
        state: Kubeflow's word for it; "PENDING" before Kubeflow says anything.
        seconds: How long it took, or has taken so far; None before it starts.
        message: What Kubeflow says about a failure.
    """

    stage: str
    state: str
    seconds: float | None = None
    message: str = ""


def stages_of(run: Any, now: datetime.datetime) -> list[StageState]:
    """Returns the stages of a run in the order of the pipeline; Kubeflow's own tasks, such as drivers, are left out.

    Args:
        run: A `V2beta1Run`.
        now: The time, for stages that go on.
    """
    tasks = (run.run_details.task_details or []) if run.run_details else []
    known = {(task.display_name or "").replace("-", "_"): task for task in tasks}
    return [_state_of(stage, known.get(stage), now) for stage in STAGE_POLICIES]


def _state_of(stage: str, task: Any, now: datetime.datetime) -> StageState:
    if task is None:
        return StageState(stage, "PENDING")
    state = str(task.state or "PENDING")
    # A task that goes on ends at the beginning of time, as Go's zero time is written.
    end = task.end_time if state in ENDED and task.end_time else now
    seconds = max((end - task.start_time).total_seconds(), 0.0) if task.start_time and task.start_time.year > 1970 else None
    return StageState(stage, state, seconds, (task.error.message or "") if task.error else "")


def stage_table(run: Any, now: datetime.datetime) -> Table:
    """Returns a table of a run's stages."""
    table = Table(box=None, pad_edge=False)
    table.add_column("stage")
    table.add_column("seconds", justify="right")
    table.add_column("state")
    for item in stages_of(run, now):
        seconds = "" if item.seconds is None else f"{item.seconds:.0f}"
        table.add_row(item.stage, seconds, Text(f"{item.state.lower()} {item.message}".strip(), style=_style(item.state)))
    return table


def show_runs(kubeflow: Kubeflow, console: Console, *, experiment: str = "", as_json: bool = False) -> None:
    """Prints the latest runs.

    Args:
        kubeflow: The server.
        console: Where to print.
        experiment: Runs of this experiment only; empty for all.
        as_json: Print JSON instead of a table.

    Raises:
        UserError: If there is no such experiment.
    """
    place = {"experiment_id": kubeflow.experiment_id(experiment)} if experiment else {"namespace": kubeflow.namespace}
    found = kubeflow.client.list_runs(page_size=_SHOWN, sort_by="created_at desc", **place).runs or []
    if as_json:
        console.print_json(json.dumps([_describe(run, kubeflow) for run in found]))
        return
    table = Table(box=None, pad_edge=False, caption=None if found else "No runs yet.", caption_justify="left")
    for column in ("run", "name", "started", "state"):
        table.add_column(column, no_wrap=column == "run")
    for run in found:
        started = to_people(run.created_at) if run.created_at else ""
        state = str(run.state or "PENDING")
        table.add_row(Text(run.run_id), Text(run.display_name or ""), started, Text(state.lower(), style=_style(state)))
    console.print(table)


def show_run(kubeflow: Kubeflow, run_id: str, console: Console, *, as_json: bool = False) -> None:
    """Prints one run: its stages and its address.

    Args:
        kubeflow: The server.
        run_id: The run's ID.
        console: Where to print.
        as_json: Print JSON instead of a table.
    """
    run, now = kubeflow.client.get_run(run_id), datetime.datetime.now(datetime.UTC)
    if as_json:
        stages = [dataclasses.asdict(item) for item in stages_of(run, now)]
        console.print_json(json.dumps({**_describe(run, kubeflow), "stages": stages}))
        return
    console.print(stage_table(run, now))
    console.print(Text(f"{run.display_name}: {(run.state or 'PENDING').lower()}"), soft_wrap=True)
    if run.error and run.error.message:
        console.print(Text(run.error.message, style="bold red"), soft_wrap=True)
    console.print(Text(kubeflow.link(run.run_id)), soft_wrap=True)


def _describe(run: Any, kubeflow: Kubeflow) -> dict[str, Any]:
    created = run.created_at.isoformat() if run.created_at else ""
    state, link = run.state or "PENDING", kubeflow.link(run.run_id)
    return {"run_id": run.run_id, "name": run.display_name, "created_at": created, "state": state, "link": link}


def _style(state: str) -> str:
    return _STYLES.get(state, "")
