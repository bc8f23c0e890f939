"""The folder of one run: its record, its stages' pages, and the page that leads to them.

ir.yaml  run.json  index.html  <stage>.html  <stage>.md  logs/<stage>.log  artifacts/<stage>/<output>
checkpoints/ until the training is over
"""

import dataclasses
import datetime
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from components._shared.errors import UserError
from components._shared.outputs import write_json, write_text
from pipelines.outcome import read_outcome
from pipelines.stage_run import StageRun

_SUFFIXES = {"system.HTML": ".html", "system.Markdown": ".md"}
_STATES = {"running": "not_applicable", "succeeded": "passed", "failed": "failed", "stopped": "failed"}
"""State of a run, and the look of its verdict."""
_WILDCARDS = "*?[]\\"
_CHECKPOINTS_DIR = "checkpoints"


@dataclasses.dataclass(kw_only=True)
class Run:
    """One run of a pipeline on this machine.

    Attributes:
        folder: Where everything is.
        project: Name of the project.
        pipeline: Name of the pipeline.
        parameters: Pipeline parameters, with their defaults where the run set none.
        settings: The ones that the user set, as `key=value`.
        isolation: How stages were kept apart.
        engine: The program that ran their containers; empty without.
        image: The image that the containers were made of, as it was asked for; empty without.
        image_id: That image's identity, `sha256:…`.
        started_at: When it started first, in UTC.
        resumed_at: When it was resumed, in UTC, each time.
        state: running, succeeded, failed or stopped.
        seconds: Wall time so far.
        error: Why it failed; empty if it did not.
        exit_code: Exit code of the command that ran it.
        stages: The stages that have started, in order.
        stage_count: How many stages the pipeline has.
    """

    folder: Path
    project: str
    pipeline: str = ""
    parameters: dict[str, Any] = dataclasses.field(default_factory=dict)
    settings: tuple[str, ...] = ()
    isolation: str = "process"
    engine: str = ""
    image: str = ""
    image_id: str = ""
    started_at: datetime.datetime = dataclasses.field(default_factory=lambda: datetime.datetime.now(datetime.UTC))
    resumed_at: tuple[datetime.datetime, ...] = ()
    state: str = "running"
    seconds: float = 0.0
    error: str = ""
    exit_code: int = 0
    stages: list[StageRun] = dataclasses.field(default_factory=list)
    stage_count: int = 0


def create_run_folder(runs_dir: str | Path, project: str) -> Path:
    """Makes the folder of a new run, named by project and UTC time; two runs of one second get two folders.

    Raises:
        UserError: If there is no way to make one, or TensorFlow could not read models there.
    """
    runs_dir = Path(runs_dir).resolve()
    if found := sorted(set(str(runs_dir)) & set(_WILDCARDS)):
        rule = "The path of a run's folder holds no wildcards: TensorFlow looks for a model's files with them."
        raise UserError(rule, received=f"{' '.join(found)} in {runs_dir}", remedy="Name another folder with --runs-dir.")
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        return _new_folder(runs_dir, project)
    except OSError as error:
        rule, remedy = "The folder of a run can be made.", "Name another folder with --runs-dir, or make room there."
        raise UserError(rule, received=error, remedy=remedy) from error


def _new_folder(runs_dir: Path, project: str) -> Path:
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    number = 1
    while True:
        folder = runs_dir / (f"{project}-{stamp}" if number == 1 else f"{project}-{stamp}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def checkpoint_settings(folder: Path, parameters: Iterable[str]) -> dict[str, str]:
    """Returns the pipeline parameter by which a training leaves its checkpoint in the folder of a run, where there is one."""
    return {"checkpoint_dir": str(folder / _CHECKPOINTS_DIR)} if "checkpoint_dir" in parameters else {}


def remove_checkpoints(run: Run) -> None:
    """Removes what trainings of a run have left that were killed, when one of them has succeeded."""
    if any(stage.stage == "train_model" and stage.succeeded for stage in run.stages):
        shutil.rmtree(run.folder / _CHECKPOINTS_DIR, ignore_errors=True)


def write_run(run: Run) -> None:
    """Writes the run's record, puts the pages of its stages side by side, and writes the page that leads to them."""
    pages = {stage.stage: _expose_pages(run.folder, stage) for stage in run.stages}
    write_json(run.folder / "run.json", _record(run, pages))
    # Imported here, so that a command that shows no page needs no template engine.
    from components._report.page import render_page  # noqa: PLC0415

    page = render_page(
        Path(__file__).parent / "run_index.html.j2",
        title=f"{run.project}: run {run.folder.name}",
        run=run,
        kind=_STATES[run.state],
        outcome=read_outcome(run.stages),
        pages=pages,
    )
    write_text(run.folder / "index.html", page)


def _expose_pages(folder: Path, stage: StageRun) -> list[str]:
    """Gives each page of a stage a name that a browser knows how to open, and returns the names."""
    names: list[str] = []
    for output, title in stage.pages.items():
        source = stage.folder / output
        plain = f"{stage.stage}{_SUFFIXES[title]}"
        name = plain if plain not in names else f"{stage.stage}-{output}{_SUFFIXES[title]}"
        names.append(name)
        if source.is_file() and not (folder / name).exists():
            try:
                os.link(source, folder / name)
            except OSError:  # a file system without hard links
                shutil.copyfile(source, folder / name)
    return [name for name in names if (folder / name).exists()]


def _record(run: Run, pages: dict[str, list[str]]) -> dict[str, Any]:
    outcome = read_outcome(run.stages)
    return {
        "format": "sluice/run/1",
        "project": run.project,
        "pipeline": run.pipeline,
        "parameters": run.parameters,
        "settings": list(run.settings),
        "isolation": run.isolation,
        **({"engine": run.engine, "image": run.image, "image_id": run.image_id} if run.engine else {}),
        "started_at": run.started_at.isoformat(timespec="seconds"),
        "resumed_at": [moment.isoformat(timespec="seconds") for moment in run.resumed_at],
        "state": run.state,
        "seconds": round(run.seconds, 3),
        "error": run.error,
        "exit_code": run.exit_code,
        "approved": outcome.approved,
        "status": outcome.status,
        "waits_until": outcome.waits_until,
        "pushed_version": outcome.pushed_version,
        "stages": [
            {
                "stage": stage.stage,
                "exit_code": stage.exit_code,
                "succeeded": stage.succeeded,
                "reused_from": stage.reused_from,
                "resumed_at_epoch": 0 if stage.reused_from else stage.resumed_at_epoch,
                "seconds": round(stage.seconds, 3),
                "cpu_seconds": round(stage.cpu_seconds, 3),
                "peak_bytes": stage.peak_bytes,
                "command": stage.argv,
                "log": str(stage.log.relative_to(run.folder)),
                "pages": pages[stage.stage],
            }
            for stage in run.stages
        ],
    }
