"""Submits the training pipeline to Kubeflow, and follows the run."""

import contextlib
import datetime
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import kfp_server_api
import urllib3
from rich.console import Console
from rich.live import Live

from components._shared.errors import UserError
from pipelines.command_options import warn_of_other_code
from pipelines.compiler import compile_training_pipeline, read_pipeline_spec
from pipelines.config import Project
from pipelines.kubeflow import Kubeflow, silent
from pipelines.overrides import PARAMETER, check_overrides
from pipelines.parameters import parse_settings
from pipelines.run_status import CANCELED, ENDED, SUCCEEDED, StageState, stage_table, stages_of
from pipelines.training import pipeline_name

POLL_SECONDS = 5.0
_PATIENCE_SECONDS = 300.0
"""How long a server may be silent while a run is followed."""
_EXIT_CODES = {SUCCEEDED: 0, CANCELED: 4}
_STOPPED = 130
"""Exit code of a command that a Ctrl-C stopped, as shells have it."""


@contextlib.contextmanager
def compiled(project: Project, image: str, settings: Sequence[str], console: Console) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Compiles the pipeline into a file that is gone afterwards, and checks the parameters against it.

    Args:
        project: The project.
        image: Image of every stage.
        settings: Pipeline parameters as `name=value`.
        console: Where to warn.

    Returns:
        The file, and the parameters by name.

    Raises:
        UserError: If the image or a parameter is wrong, before anything is sent.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "training.yaml"
        compile_training_pipeline(project, file, image)
        arguments = parse_settings(read_pipeline_spec(file), settings)
        check_overrides(project, arguments.get(PARAMETER, {}))
        if image.startswith("sha256:"):
            remedy = "Push it: `REGISTRY=… make images`, or `sluice image PROJECT --push`, or name another one with --image."
            raise UserError(
                "A cluster pulls the image from a registry.", received=f"{image}, which is on this machine", remedy=remedy
            )
        if "@sha256:" not in image:
            text = (
                f"Warning: {image} has no digest. Kubeflow's cache knows an image by its name alone, "
                "and takes what it did under this name before for what it does now."
            )
            console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)
        warn_of_other_code(image, console)
        yield file, arguments


def submit_run(
    kubeflow: Kubeflow,
    package: dict[str, str],
    arguments: dict[str, Any],
    *,
    experiment: str,
    name: str,
    use_cache: bool = True,
) -> str:
    """Starts a run, and returns its ID.

    Args:
        kubeflow: The server.
        package: What to run, as `pipelines.upload.package_of` says it.
        arguments: Pipeline parameters that differ from their defaults.
        experiment: Name of the experiment, which is made if it is not there.
        name: Name of the run.
        use_cache: Whether earlier results may be used, where the stage policies allow it.
    """
    experiment_id = kubeflow.make_experiment(experiment)
    # None keeps what every task says; True would let Kubeflow cache what must never be cached.
    caching = None if use_cache else False
    with silent():
        run = kubeflow.client.run_pipeline(experiment_id, name, params=arguments, enable_caching=caching, **package)
    return str(run.run_id)


def default_run_name(project: Project, now: datetime.datetime) -> str:
    """Returns a name that tells runs of one project apart."""
    return f"{pipeline_name(project)} {now:%Y-%m-%d %H-%M-%S}"


def wait_for_run(kubeflow: Kubeflow, run_id: str, console: Console, *, poll_seconds: float = POLL_SECONDS) -> int:
    """Follows a run to its end; returns 0 if it succeeded, 4 if somebody cancelled it, 1 if it failed, 130 after a Ctrl-C.

    Args:
        kubeflow: The server.
        run_id: The run's ID.
        console: Where to show the stages: a live table on a terminal, one line per change elsewhere.
        poll_seconds: Seconds between two questions.

    Raises:
        UserError: If the server is silent for five minutes, or no longer lets the user in.
    """
    try:
        with (
            Live(console=console, auto_refresh=False, transient=True)
            if console.is_terminal
            else contextlib.nullcontext() as live
        ):
            run, now = _follow(kubeflow, run_id, console, live, poll_seconds)
    except KeyboardInterrupt:
        console.print(f"Not waiting any more. The run goes on: `sluice status {run_id}`.", markup=False, soft_wrap=True)
        return _STOPPED
    console.print(stage_table(run, now))
    console.print(f"{run.display_name}: {run.state.lower()}", markup=False, highlight=False, soft_wrap=True)
    if run.error and run.error.message:
        console.print(run.error.message, style="bold red", markup=False, soft_wrap=True)
    return _EXIT_CODES.get(run.state, 1)


def _follow(
    kubeflow: Kubeflow, run_id: str, console: Console, live: Live | None, poll_seconds: float
) -> tuple[Any, datetime.datetime]:
    """Returns the run when it has ended, and when it was asked for."""
    shown: dict[str, str] = {}
    while True:
        run, now = _ask(kubeflow, run_id, poll_seconds), datetime.datetime.now(datetime.UTC)
        if live:
            live.update(stage_table(run, now), refresh=True)
        else:
            _print_changes(stages_of(run, now), shown, console)
        if run.state in ENDED:
            return run, now
        time.sleep(poll_seconds)


def _ask(kubeflow: Kubeflow, run_id: str, poll_seconds: float) -> Any:
    """Returns the run; a server that restarts meanwhile is asked again."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return kubeflow.client.get_run(run_id)
        except (urllib3.exceptions.HTTPError, kfp_server_api.ApiException) as error:
            status = getattr(error, "status", 0)
            if status in (401, 403):
                remedy = f"The run goes on. Renew the token, then `sluice status {run_id}`."
                raise UserError(
                    "Kubeflow lets you in until the run ends.", received=f"answer {status}", remedy=remedy
                ) from error
            if 400 <= status < 500 or time.monotonic() > deadline:
                raise
            time.sleep(poll_seconds)


def _print_changes(stages: Sequence[StageState], shown: dict[str, str], console: Console) -> None:
    for item in stages:
        if item.state not in (shown.get(item.stage), "PENDING"):
            shown[item.stage] = item.state
            seconds = "" if item.seconds is None or item.state not in ENDED else f"{item.seconds:6.0f} s"
            console.print(
                f"{item.stage:<22}{item.state.lower():<10}{seconds} {item.message}".rstrip(), markup=False, highlight=False
            )
