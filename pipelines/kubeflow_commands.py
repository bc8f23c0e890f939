"""The commands of `sluice` that talk to a cluster."""

# As in __main__: what a command needs is imported inside it.
# ruff: noqa: PLC0415, PLR0913, PLR0917

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from components._shared.errors import UserError
from pipelines.command_options import ProjectPath, make_console

if TYPE_CHECKING:
    from pipelines.kubeflow import Connection

_PANEL = "On a cluster"

Host = Annotated[
    str,
    typer.Option(
        metavar="URL", envvar="KF_PIPELINES_ENDPOINT", help="API of Kubeflow Pipelines.", show_default="in a pod, the cluster's"
    ),
]
Namespace = Annotated[str, typer.Option(metavar="NAME", help="Your namespace, where Kubeflow has several users.")]
TokenFile = Annotated[Path | None, typer.Option("--token-file", metavar="FILE", help="File with a bearer token.")]
CookieFile = Annotated[
    Path | None, typer.Option("--cookie-file", metavar="FILE", help="File with a session's cookie, name=value.")
]
Experiment = Annotated[str, typer.Option(metavar="NAME", help="Experiment of the run.", show_default="the project's name")]
Image = Annotated[
    str, typer.Option(metavar="REF", help="Image of every stage.", show_default="as locked in containers/images.lock")
]
Upload = Annotated[bool, typer.Option("--upload", help="Upload the pipeline first, as a version that the dashboard lists.")]
Parameters = Annotated[
    list[str] | None, typer.Option("--param", "--set", metavar="NAME=VALUE", help="A pipeline parameter; may be repeated.")
]
Tighten = Annotated[
    list[str] | None, typer.Option(metavar="GATE.SETTING=VALUE", help="A bound that this run tightens; may be repeated.")
]


def add_commands(app: typer.Typer) -> None:
    """Adds `submit`, `schedule` and `status`."""
    for command in (submit, schedule, status):
        app.command(rich_help_panel=_PANEL)(command)


def submit(
    project: ProjectPath,
    host: Host = "",
    experiment: Experiment = "",
    param: Parameters = None,
    tighten: Tighten = None,
    image: Image = "",
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the run.", show_default="with the time")] = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow the run; exit with 0 if it succeeds, 1 if not, 4 if cancelled.")
    ] = False,
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Use earlier results of the same inputs.")] = True,
    upload: Upload = False,
    namespace: Namespace = "",
    token_file: TokenFile = None,
    cookie_file: CookieFile = None,
    backend: Annotated[str, typer.Option(metavar="kubeflow|vertex", help="Kubeflow Pipelines, or Vertex AI.")] = "kubeflow",
    project_id: Annotated[str, typer.Option("--project-id", metavar="ID", help="Vertex AI: the Google Cloud project.")] = "",
    region: Annotated[str, typer.Option(metavar="NAME", help="Vertex AI: the region.")] = "",
    staging_bucket: Annotated[
        str,
        typer.Option("--staging-bucket", "--pipeline-root", metavar="gs://…", help="Vertex AI: where artifacts lie."),
    ] = "",
    service_account: Annotated[
        str, typer.Option(metavar="EMAIL", help="Vertex AI: as whom stages run.", show_default="the project's default")
    ] = "",
    network: Annotated[
        str, typer.Option(metavar="NAME", help="Vertex AI: the network, projects/NUMBER/global/networks/NAME.")
    ] = "",
) -> None:
    """Run the training pipeline on a cluster."""
    import datetime

    from pipelines.config import load_project
    from pipelines.images_lock import image_of
    from pipelines.kubeflow import connected
    from pipelines.overrides import settings_with_overrides
    from pipelines.submit import compiled, default_run_name, submit_run, wait_for_run
    from pipelines.training import pipeline_name
    from pipelines.upload import package_of

    if backend not in ("kubeflow", "vertex"):
        raise UserError("The backend is `kubeflow` or `vertex`.", received=backend)
    if backend == "vertex" and wait:
        raise UserError("Vertex AI runs are followed in its own console.", received="--wait", remedy="Leave it out.")
    loaded = load_project(project)
    name = name or default_run_name(loaded, datetime.datetime.now(datetime.UTC))
    with compiled(loaded, image or image_of(loaded.name), settings_with_overrides(param or [], tighten or []), _err()) as (
        file,
        arguments,
    ):
        if backend == "vertex":
            from pipelines.vertex import Place, submit_to_vertex

            place = Place(
                project_id=project_id,
                region=region,
                staging_bucket=staging_bucket,
                service_account=service_account,
                network=network,
            )
            _print(submit_to_vertex(file, arguments, place, name=name, use_cache=cache))
            return
        experiment = experiment or loaded.name
        with connected(_connection(host, namespace, token_file, cookie_file)) as kubeflow:
            package = package_of(kubeflow, file, upload=upload, name=pipeline_name(loaded), use_cache=cache)
            run_id = submit_run(kubeflow, package, arguments, experiment=experiment, name=name, use_cache=cache)
            _err().print(f"Submitted {name!r} to {experiment!r}.", markup=False, highlight=False, soft_wrap=True)
            _print(run_id)
            _print(kubeflow.link(run_id))
            if wait:
                raise typer.Exit(wait_for_run(kubeflow, run_id, _err()))


def schedule(
    project: ProjectPath,
    host: Host = "",
    cron: Annotated[
        str, typer.Option(metavar="EXPRESSION", help='When: six fields, seconds first, such as "0 0 6 * * *".')
    ] = "",
    interval: Annotated[str, typer.Option(metavar="TIME", help="How often: 30m, 6h, 1d.")] = "",
    start: Annotated[str, typer.Option(metavar="TIME", help="First moment, ISO 8601.", show_default="now")] = "",
    end: Annotated[str, typer.Option(metavar="TIME", help="Last moment, ISO 8601.", show_default="never")] = "",
    catchup: Annotated[bool, typer.Option("--catchup/--no-catchup", help="Make up for every moment that was missed.")] = False,
    max_concurrency: Annotated[int, typer.Option("--max-concurrency", metavar="N", help="Runs at once.")] = 1,
    experiment: Experiment = "",
    param: Parameters = None,
    tighten: Tighten = None,
    image: Image = "",
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the schedule.", show_default="the pipeline's")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Delete the schedule; its runs stay.")] = False,
    upload: Upload = False,
    namespace: Namespace = "",
    token_file: TokenFile = None,
    cookie_file: CookieFile = None,
) -> None:
    """Run the training pipeline on a cluster again and again, in place of the schedule of the same name."""
    from pipelines.config import load_project
    from pipelines.images_lock import image_of
    from pipelines.kubeflow import connected
    from pipelines.overrides import settings_with_overrides
    from pipelines.schedule import Schedule, parse_interval, parse_moment, remove_schedule, replace_schedule
    from pipelines.submit import compiled
    from pipelines.training import pipeline_name
    from pipelines.upload import package_of

    loaded = load_project(project)
    name, experiment = name or pipeline_name(loaded), experiment or loaded.name
    connection = _connection(host, namespace, token_file, cookie_file)
    if remove:
        with connected(connection) as kubeflow:
            count = remove_schedule(kubeflow, experiment=experiment, name=name)
        _print(f"Removed {name!r}." if count else f"There is no schedule {name!r}.")
        return
    plan = Schedule(
        cron=cron,
        interval_seconds=parse_interval(interval),
        start=parse_moment(start),
        end=parse_moment(end),
        catch_up=catchup,
        max_concurrency=max_concurrency,
    )
    settings = settings_with_overrides(param or [], tighten or [])
    with (
        compiled(loaded, image or image_of(loaded.name), settings, _err()) as (file, arguments),
        connected(connection) as kubeflow,
    ):
        package = package_of(kubeflow, file, upload=upload, name=pipeline_name(loaded))
        new, replaced = replace_schedule(kubeflow, package, arguments, plan, experiment=experiment, name=name)
    _print(f"{'Replaced' if replaced else 'Made'} the schedule {name!r}: {new}")


def status(
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", help="ID of a run, to see its stages.", show_default="the latest runs")
    ] = "",
    host: Host = "",
    experiment: Annotated[str, typer.Option(metavar="NAME", help="Runs of this experiment only.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    namespace: Namespace = "",
    token_file: TokenFile = None,
    cookie_file: CookieFile = None,
) -> None:
    """Show the latest runs on a cluster, or the stages of one."""
    from pipelines.kubeflow import connected
    from pipelines.run_status import show_run, show_runs

    console = make_console()
    with connected(_connection(host, namespace, token_file, cookie_file)) as kubeflow:
        if run:
            show_run(kubeflow, run, console, as_json=as_json)
        else:
            show_runs(kubeflow, console, experiment=experiment, as_json=as_json)


def _connection(host: str, namespace: str, token_file: Path | None, cookie_file: Path | None) -> "Connection":
    from pipelines.kubeflow import Connection

    return Connection(host=host, namespace=namespace, token_file=token_file, cookie_file=cookie_file)


def _err() -> Console:
    return make_console(stderr=True)


def _print(text: str) -> None:
    make_console().print(text, markup=False, highlight=False, soft_wrap=True)
