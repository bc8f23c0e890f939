"""Runs a project's training pipeline on this machine, from its configuration to the run's record."""

import contextlib
import functools
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from components._release.base import Base
from components._release.precedence import explain_precedence
from components._shared.errors import SluiceError, UserError
from components._shared.images import IMAGE
from pipelines.config import Project
from pipelines.container_engine import find_engine
from pipelines.container_launcher import ContainerLauncher
from pipelines.launchers import ForkLauncher, Launcher, PlainLauncher, StandbyLauncher
from pipelines.on_demand import OnDemandLauncher
from pipelines.progress import Progress
from pipelines.results import Results, has_results
from pipelines.resume import EarlierRun, hold_run, remove_pages
from pipelines.run_folder import Run, checkpoint_settings, create_run_folder, remove_checkpoints, write_run
from pipelines.serving_dir import resolve_serving_dir
from pipelines.serving_settings import check_server
from pipelines.stage_key import code_state, digest_stage
from pipelines.stage_run import StageRun

ISOLATIONS = ("process", "fork", "containers")
_STOPPED = 130
"""Exit code of a command that a Ctrl-C stopped, as shells have it."""


def run_project(  # noqa: PLR0913  # the options of the command
    project: Project,
    *,
    runs_dir: str | Path,
    serving_dir: str | Path | None = None,
    settings: Sequence[str] = (),
    isolation: str = "process",
    standby: bool = True,
    engine: str = "",
    image: str = IMAGE,
    resume: EarlierRun | None = None,
    cache: bool = True,
    console: Console | None = None,
    observe: Callable[[StageRun], None] = lambda stage: None,
) -> Run:
    """Compiles the training pipeline, runs that same file, and keeps a record of how it went, whatever happens.

    Args:
        project: The project.
        runs_dir: Where the run's folder is made.
        serving_dir: Base path of the model; the project's own if None.
        settings: Pipeline parameters as `key=value`.
        isolation: `process`, a fresh process per stage, `fork`, forked children for the TensorFlow stages, or `containers`, a
            container per stage.
        standby: Whether, with `process`, the next TensorFlow stage does its imports while another stage runs.
        engine: With `containers`, docker or podman; the first that answers if empty.
        image: With `containers`, the image of every stage.
        resume: The run to go on with, in its own folder; None for a new one.
        cache: Whether results of earlier runs may stand in for stages.
        console: Where progress is shown; stderr if None.
        observe: Follows the stages, too.

    Returns:
        The run. Its `state` is "succeeded", "failed" or "stopped"; `error` says why.

    Raises:
        UserError: If a setting is wrong, or there is no engine or no image, so that nothing was run.
    """
    begin, started_with = time.monotonic(), code_state()
    if resume and resume.project != project.name:
        raise UserError("A run is resumed with its own project.", received=f"{project.name} instead of {resume.project}")
    if resume and not cache:
        raise UserError("A resumed run goes on from earlier results.", received="--resume and --no-cache")
    with contextlib.ExitStack() as stack:
        if resume:
            stack.enter_context(hold_run(resume.folder))
        at_once = not (resume or (cache and has_results(Path(runs_dir))))
        launcher = stack.enter_context(contextlib.closing(_start_launcher(isolation, standby, engine, at_once=at_once)))
        # Imported here: KFP takes a while, and the launcher's processes import at the same time.
        from pipelines.local_runner import run_pipeline  # noqa: PLC0415

        base = resolve_serving_dir(serving_dir) if serving_dir else project.serving_dir
        fixed = {"project_dir": str(project.folder), "serving_dir": str(base)}
        if project.serving.model_config_file:
            fixed["model_config_file"] = str(resolve_serving_dir(project.serving.model_config_file, project.folder))
        image_id = _check_containers(launcher, image, base) if isinstance(launcher, ContainerLauncher) else ""
        folder = resume.folder if resume else Path(runs_dir)
        run, spec, arguments = _prepare(project, folder, fixed, settings, image, new=not resume)
        run.isolation = isolation
        if resume:
            run.started_at, run.resumed_at = resume.started_at, (*resume.resumed_at, run.started_at)
        else:
            stack.enter_context(hold_run(run.folder))
        digest_code: Callable[[Sequence[str]], str] = functools.partial(digest_stage, started_with=started_with)
        if isinstance(launcher, ContainerLauncher):
            run.engine, run.image, run.image_id = launcher.engine.program, image, image_id
            digest_code = lambda _: image_id  # noqa: E731  # the image holds the code, and all that it runs with
        results = Results(run.folder, others=cache, digest_code=digest_code)
        console = console or Console(stderr=True, emoji=False)
        with contextlib.suppress(UserError):  # a broken ledger stops the run where it is read
            if warning := explain_precedence(base):
                console.print(warning, markup=False, highlight=False, soft_wrap=True)
        with Progress(console, run.stage_count) as progress, _stops_on_signals(), _recorded(run, begin):
            on_stage = _observer(run, begin, [progress.observe, observe])
            run_pipeline(spec, arguments, run_folder=run.folder, launcher=launcher, results=results, observe=on_stage)
            remove_checkpoints(run)
    return run


def _prepare(
    project: Project, folder: Path, fixed: dict[str, Any], settings: Sequence[str], image: str, *, new: bool
) -> tuple[Run, Any, dict[str, Any]]:
    """Compiles the pipeline into the folder of a run; returns the run, the pipeline and the parameters that it sets."""
    from pipelines.compiler import compile_training_pipeline, read_pipeline_spec  # noqa: PLC0415
    from pipelines.overrides import PARAMETER, check_overrides  # noqa: PLC0415
    from pipelines.parameters import defaults_of, parse_settings  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "ir.yaml"
        compile_training_pipeline(project, file, image)
        spec = read_pipeline_spec(file)
        arguments = fixed | parse_settings(spec, settings)
        check_overrides(project, arguments.get(PARAMETER, {}))
        check_server(project.serving, arguments)
        if new:
            folder = create_run_folder(folder, project.name)
        arguments = checkpoint_settings(folder, spec.root.input_definitions.parameters) | arguments
        remove_pages(folder)
        shutil.copyfile(file, folder / "ir.yaml")
    run = Run(
        folder=folder,
        project=project.name,
        pipeline=spec.pipeline_info.name,
        parameters=defaults_of(spec) | arguments,
        settings=tuple(settings),
        stage_count=len(spec.root.dag.tasks),
    )
    return run, spec, arguments


def choose_isolation(isolation: str, *, containers: bool, engine: str, image: str) -> str:
    """Returns how stages are kept apart, from the options of the command.

    Raises:
        UserError: If they contradict each other.
    """
    if not containers and (engine or image):
        raise UserError("Engine and image are for runs in containers.", received=engine or image, remedy="Add --containers.")
    if containers and isolation != "process":
        raise UserError("Stages run in containers or are forked, not both.", received=f"--containers --isolation {isolation}")
    return "containers" if containers else isolation


def _start_launcher(isolation: str, standby: bool, engine: str, *, at_once: bool) -> Launcher:
    """Returns a launcher; unless `at_once`, it starts nothing early before a stage that earlier results do not spare."""
    if isolation not in ISOLATIONS:
        raise UserError("Isolation is `process`, `fork` or `containers`.", received=isolation)
    if isolation == "containers":
        return ContainerLauncher(find_engine(engine))
    if isolation == "process" and not standby:
        return PlainLauncher()
    make: Callable[..., Launcher] = ForkLauncher if isolation == "fork" else StandbyLauncher
    return make() if at_once else OnDemandLauncher(make)


def _check_containers(launcher: ContainerLauncher, image: str, base: Base) -> str:
    """Checks what would make a run in containers fail after a while, and returns the image's identity."""
    if isinstance(base, Path):
        launcher.engine.check_writable(base)
    return launcher.image_id(image)


def _observer(run: Run, begin: float, others: Sequence[Callable[[StageRun], None]]) -> Callable[[StageRun], None]:
    """Returns an observer that keeps the run's record up to date, so that it is there even if this process is killed."""

    def on_stage(stage: StageRun) -> None:
        run.seconds = time.monotonic() - begin
        if stage not in run.stages:
            run.stages.append(stage)
        if stage.exit_code is not None:
            write_run(run)
        for observe in others:
            observe(stage)

    return on_stage


@contextlib.contextmanager
def _recorded(run: Run, begin: float) -> Iterator[None]:
    """Records how the run ends. What fails with a reason and a Ctrl-C are endings; anything else is a bug and goes on."""
    write_run(run)
    try:
        yield
        run.state = "succeeded"
    except SluiceError as error:
        run.state, run.error, run.exit_code = "failed", str(error), error.exit_code
    except KeyboardInterrupt:
        where = f"{run.stages[-1].stage} ran" if run.stages else "it started"
        run.state, run.exit_code = "stopped", _STOPPED
        run.error = f"It was stopped while {where}; the stage and all that it started were killed."
    except BaseException as error:
        run.state, run.error, run.exit_code = "failed", f"A bug: {error!r}", 1
        raise
    finally:
        run.seconds = time.monotonic() - begin
        write_run(run)


@contextlib.contextmanager
def _stops_on_signals() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP stop a run as Ctrl-C does."""

    def stop(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    # A signal that is ignored stays so: `nohup sluice run` outlives its terminal.
    heeded = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
