"""Runs a compiled pipeline on this machine: KFP's own local runner, with one function replaced for the duration of a run.

`kfp.local` walks the graph, resolves parameters and passes artifacts on. It refuses to run container components without
Docker, so `task_dispatcher.run_single_task_implementation`, which runs one task, is replaced by one that starts the
task's command as a process of this machine.
"""

import contextlib
import inspect
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp import dsl, local
from kfp.local import (
    config,
    executor_input_utils,
    executor_output_utils,
    pipeline_orchestrator,
    placeholder_utils,
    status,
    task_dispatcher,
)
from kfp.pipeline_spec import pipeline_spec_pb2

from components._shared.errors import UserError
from components._shared.images import IMAGE_VARIABLE
from pipelines.launchers import Command, Launcher
from pipelines.parameters import with_integers
from pipelines.results import Results
from pipelines.stage_run import StageFailed, StageRun

_SEAM = "run_single_task_implementation"
_SEAM_PARAMETERS = {
    "pipeline_resource_name",
    "component_name",
    "component_spec",
    "executor_spec",
    "arguments",
    "pipeline_root",
    "runner",
    "raise_on_error",
    "block_input_artifact",
    "unique_pipeline_id",
}
_DASHBOARD_TYPES = ("system.Metrics", "system.ClassificationMetrics", "system.SlicedClassificationMetrics")
"""Artifacts that are metadata only; KFP never looks at their files."""

Observer = Callable[[StageRun], None]
"""Is called when a stage starts, again and again while it runs, and when it has ended."""


def run_pipeline(
    spec: pipeline_spec_pb2.PipelineSpec,
    arguments: dict[str, Any],
    *,
    run_folder: Path,
    launcher: Launcher,
    results: Results | None = None,
    observe: Observer = lambda run: None,
) -> list[StageRun]:
    """Runs a compiled pipeline to its end and returns its stages in the order in which they ran.

    Args:
        spec: The pipeline.
        arguments: Pipeline parameters that differ from their defaults.
        run_folder: Gets `artifacts/<stage>/`, and `logs/<stage>.log`.
        launcher: Starts the commands.
        results: Earlier results that may stand in for stages which the pipeline lets be cached; None for none.
        observe: Follows the stages.

    Raises:
        StageFailed: If a stage does not exit with 0, or leaves an output unwritten.
        UserError: If this KFP is not one that the runner knows.
    """
    check_kfp()
    tasks = _Tasks(run_folder, launcher, observe, results, _never_cached(spec))
    (run_folder / "logs").mkdir(parents=True, exist_ok=True)
    with (
        (run_folder / "logs" / "kfp.log").open("w", encoding="utf-8") as kfp_log,
        contextlib.redirect_stdout(kfp_log),  # KFP prints, and sends the root logger to stdout
        _replaced_seam(tasks.run),
        _configured(run_folder / "artifacts"),
    ):
        pipeline_orchestrator.run_local_pipeline(_without_retries(spec), arguments)
    if failed := [run for run in tasks.runs if not run.succeeded]:
        raise StageFailed(failed[0])
    return tasks.runs


def _without_retries(spec: pipeline_spec_pb2.PipelineSpec) -> pipeline_spec_pb2.PipelineSpec:
    """Returns the pipeline as a laptop runs it: from 2.17 on KFP retries here too, where a person waits for the reason."""
    copy = pipeline_spec_pb2.PipelineSpec()
    copy.CopyFrom(spec)
    for task in copy.root.dag.tasks.values():
        task.ClearField("retry_policy")
    return copy


def _never_cached(spec: pipeline_spec_pb2.PipelineSpec) -> frozenset[str]:
    """Returns the components of tasks that the pipeline wants to run every time."""
    dags = [spec.root.dag, *(component.dag for component in spec.components.values())]
    tasks = [task for dag in dags for task in dag.tasks.values()]
    return frozenset(task.component_ref.name for task in tasks if not task.caching_options.enable_cache)


def check_kfp() -> None:
    """Checks that the one function that a run replaces is still the one that it knows.

    Raises:
        UserError: If it is not; a changed function must not be replaced by guesswork.
    """
    function = getattr(task_dispatcher, _SEAM, None)
    found = set(inspect.signature(function).parameters) if function else set()
    if found != _SEAM_PARAMETERS:
        raise UserError(
            f"kfp.local.task_dispatcher.{_SEAM} has the parameters that the local runner replaces.",
            received=f"changed parameters: {sorted(found ^ _SEAM_PARAMETERS)}",
            remedy="Install the kfp version that requirements/ pins.",
        )


@contextlib.contextmanager
def _replaced_seam(function: Callable[..., Any]) -> Iterator[None]:
    original = getattr(task_dispatcher, _SEAM)
    setattr(task_dispatcher, _SEAM, function)
    try:
        yield
    finally:
        setattr(task_dispatcher, _SEAM, original)


@contextlib.contextmanager
def _configured(root: Path) -> Iterator[None]:
    before = config.LocalExecutionConfig.instance
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(root), raise_on_error=False)
    try:
        yield
    finally:
        config.LocalExecutionConfig.instance = before


class _Tasks:
    """Stands in for `run_single_task_implementation`, and keeps what ran."""

    def __init__(
        self,
        run_folder: Path,
        launcher: Launcher,
        observe: Observer,
        results: Results | None = None,
        never_cached: frozenset[str] = frozenset(),
    ) -> None:
        self.runs: list[StageRun] = []
        self._folder, self._launcher, self._observe = run_folder, launcher, observe
        self._results, self._never_cached = results, never_cached

    def run(
        self,
        *,
        pipeline_resource_name: str,
        component_name: str,
        component_spec: Any,
        executor_spec: Any,
        arguments: dict[str, Any],
        pipeline_root: str,
        unique_pipeline_id: str,
        **_: Any,
    ) -> tuple[dict[str, Any], status.Status]:
        task = executor_input_utils.get_local_task_resource_name(component_name)
        run = self._new_run(task.replace("-", "_"))
        executor_input = executor_input_utils.construct_executor_input(
            component_spec, arguments, str(run.folder), block_input_artifact=False
        )
        document = with_integers(executor_input_utils.executor_input_to_dict(executor_input, component_spec))
        container = executor_spec.container
        run.argv = placeholder_utils.replace_placeholders(
            [*container.command, *container.args],
            document,
            pipeline_resource_name=pipeline_resource_name,
            task_resource_name=task,
            pipeline_root=pipeline_root,
            unique_pipeline_id=unique_pipeline_id,
        )
        if run.argv[0] in ("python", "python3"):
            run.argv[0] = self._launcher.python
        if self._results:
            self._restore(run, container, document, cached=component_name not in self._never_cached)
        (run.folder / "executor_input.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
        if not run.reused_from:
            # push_model records the run in the ledger, and the image, of which the launcher of containers knows more.
            told = {item.name: item.value for item in container.env if item.name != IMAGE_VARIABLE}
            env = {"SLUICE_RUN_ID": self._folder.name, **told}
            self._launch(run, Command(argv=run.argv, env=env, log=run.log, image=container.image, executor_input=document))
        outputs = _collect(run, executor_input, component_spec) if run.exit_code == 0 else {}
        if self._results and run.succeeded:
            self._results.keep(run, container, document.get("inputs", {}))
        self._observe(run)
        return (outputs, status.Status.SUCCESS) if run.succeeded else ({}, status.Status.FAILURE)

    def _new_run(self, name: str) -> StageRun:
        taken = {run.stage for run in self.runs}
        numbered = (f"{name}_{number}" for number in range(2, len(taken) + 3))
        stage = name if name not in taken else next(other for other in numbered if other not in taken)
        run = StageRun(
            stage=stage, folder=self._folder / "artifacts" / stage, log=self._folder / "logs" / f"{stage}.log", argv=[]
        )
        run.folder.mkdir(parents=True, exist_ok=True)  # it is there when a run is resumed
        self.runs.append(run)
        return run

    def _restore(self, run: StageRun, container: Any, document: dict[str, Any], *, cached: bool) -> None:
        begin = time.monotonic()
        self._observe(run)
        if self._results and self._results.restore(run, container, document.get("inputs", {}), cached=cached):
            run.seconds = time.monotonic() - begin

    def _launch(self, run: StageRun, command: Command) -> None:
        begin = time.monotonic()

        def tick() -> None:
            run.seconds = time.monotonic() - begin
            self._observe(run)

        tick()
        try:
            ending = self._launcher.run(command, tick)
        finally:
            run.seconds = time.monotonic() - begin
        run.exit_code, run.cpu_seconds, run.peak_bytes = ending.exit_code, ending.cpu_seconds, ending.peak_bytes


def _collect(run: StageRun, executor_input: Any, component_spec: Any) -> dict[str, Any]:
    """Returns a task's outputs by name, as the backend's launcher hands them on; a missing one is the run's problem."""
    missing = [name for name, item in executor_input.outputs.parameters.items() if not Path(item.output_file).is_file()]
    for name, items in executor_input.outputs.artifacts.items():
        artifact = items.artifacts[0]
        title = artifact.type.schema_title
        if title in ("system.HTML", "system.Markdown"):
            run.pages[name] = title
        if title not in _DASHBOARD_TYPES and not Path(artifact.uri).exists():
            missing.append(name)
    if missing:
        run.problem = f"it exited with 0 but did not write its outputs {sorted(missing)}"
        return {}
    try:
        outputs = executor_output_utils.get_outputs_for_task(executor_input=executor_input, component_spec=component_spec)
    except (ValueError, KeyError, json_format.ParseError) as error:
        run.problem = f"it wrote outputs that KFP cannot read: {error}"
        return {}
    for name, items in executor_input.outputs.artifacts.items():
        # As the backend's launcher: an output artifact is there even when the stage attached no metadata to it.
        outputs.setdefault(name, executor_output_utils.runtime_artifact_to_dsl_artifact(items.artifacts[0]))
    run.metadata = {name: dict(item.metadata) for name, item in outputs.items() if isinstance(item, dsl.Artifact)}
    run.parameters = {name: item for name, item in outputs.items() if not isinstance(item, dsl.Artifact)}
    return outputs
