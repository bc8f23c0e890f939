"""The `sluice` command line; also `python -m pipelines`."""

# Whatever a command needs is imported inside it, so that help and small commands answer at once.
# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from components._shared.errors import SluiceError
from pipelines import kubeflow_commands, release_commands
from pipelines.command_options import ProjectPath, ServingDir, make_console, warn_of_other_code

_RUN = "Build and run"
_SERVE = "Serve, for development and tests"


class _Group(TyperGroup):
    """Turns an error that the user can mend into one message and an exit code, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except SluiceError as error:
            console = make_console(stderr=True)
            console.print("[bold red]Error:[/]", end=" ")
            console.print(str(error), markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(error.exit_code) from error


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    # Both spellings of an option are known: stages and pipelines use underscores, command lines dashes.
    context_settings={"help_option_names": ["-h", "--help"], "token_normalize_func": lambda name: name.replace("_", "-")},
    help="Train on new data, prove the result safe, and only then let it through to TF Serving.",
    epilog="""[bold]Examples[/]

sluice init customers.csv --label churned

sluice run projects/flights --spans 1-9

sluice releases projects/flights --verify

sluice rollback projects/flights --reason "Too many false alarms"

sluice approve projects/flights --by "Ada Lovelace" --reason "Reviewed the slices"

sluice compile projects/flights -o training.yaml""",
)


@app.command(rich_help_panel=_RUN)
def run(  # noqa: PLR0913, PLR0917  # its options
    project: Annotated[
        Path | None, typer.Argument(metavar="PROJECT", help="Folder of the project; with --resume, the run knows it.")
    ] = None,
    spans: Annotated[
        str | None,
        typer.Option(metavar="SPANS", help="Spans to read: all, 5, 1-9, days, or latest:7.", show_default="the project's"),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Another pipeline parameter; may be repeated.")
    ] = None,
    tighten: Annotated[
        list[str] | None,
        typer.Option(metavar="GATE.SETTING=VALUE", help="A bound that this run tightens; may be repeated."),
    ] = None,
    serving_dir: ServingDir = None,
    runs_dir: Annotated[Path, typer.Option("--runs-dir", metavar="DIR", help="Where run folders are made.")] = Path("runs"),
    isolation: Annotated[
        str,
        typer.Option(metavar="process|fork", help="A fresh process per stage, or forks of one that has imported TensorFlow."),
    ] = "process",
    standby: Annotated[
        bool, typer.Option("--standby/--no-standby", help="Let the next stage do its imports while another one runs.")
    ] = True,
    containers: Annotated[bool, typer.Option("--containers", help="A container per stage.")] = False,
    engine: Annotated[
        str, typer.Option(metavar="docker|podman", help="What runs the containers.", show_default="the first that answers")
    ] = "",
    image: Annotated[
        str, typer.Option(metavar="REF", help="Image of the containers.", show_default="that of containers/images.lock")
    ] = "",
    resume: Annotated[
        str,
        typer.Option(metavar="RUN", help="Go on with a run, by its id or folder, or `latest`: redo what failed or changed."),
    ] = "",
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Use results of earlier runs where nothing changed.")
    ] = True,
) -> None:
    """Run the training pipeline on this machine, and push the model if every gate lets it through."""
    from pipelines.config import load_project
    from pipelines.images_lock import image_of
    from pipelines.overrides import settings_with_overrides
    from pipelines.resume import find_run, merge_settings
    from pipelines.run import choose_isolation, run_project
    from pipelines.summary import print_summary

    earlier = find_run(resume, runs_dir) if resume else None
    folder = project or (earlier.project_dir if earlier else None)
    if folder is None:
        raise typer.BadParameter("name the folder of a project, or a run with --resume", param_hint="PROJECT")
    loaded = load_project(folder)
    settings = [*(set_ or []), *([f"spans={spans}"] if spans is not None else [])]
    settings = settings_with_overrides(settings, tighten or [])
    reference = image or image_of(loaded.name)
    if containers:
        warn_of_other_code(reference, make_console(stderr=True))
    done = run_project(
        loaded,
        runs_dir=runs_dir,
        serving_dir=serving_dir or (earlier.serving_dir if earlier else None),
        settings=merge_settings(earlier, settings) if earlier else settings,
        isolation=choose_isolation(isolation, containers=containers, engine=engine, image=image),
        standby=standby,
        engine=engine,
        image=reference,
        resume=earlier,
        cache=cache,
    )
    print_summary(done, loaded, make_console())
    raise typer.Exit(done.exit_code)


@app.command(rich_help_panel=_RUN)
def init(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A CSV or Parquet file.")],
    label: Annotated[str, typer.Option("--label", metavar="COLUMN", help="The column to predict.")] = "",
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the project.", show_default="the file's")] = "",
    kind: Annotated[
        str,
        typer.Option("--kind", metavar="KIND", help="binary, multiclass or numeric.", show_default="found by the values"),
    ] = "",
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="DIR", help="Folder to make.", show_default="projects/NAME")
    ] = None,
) -> None:
    """Start a project from a table: its schema, its code, and gates whose bounds fit the data."""
    from pipelines.init import init_project

    init_project(data, label, make_console(), name=name, kind=kind, folder=folder)


@app.command(name="compile", rich_help_panel=_RUN)
def compile_(
    project: ProjectPath,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")] = Path("training.yaml"),
    image: Annotated[
        str, typer.Option(metavar="REF", help="Image of every stage.", show_default="as locked in containers/images.lock")
    ] = "",
    kubernetes: Annotated[
        bool, typer.Option("--kubernetes", help="Write Kubernetes manifests: a Pipeline and a PipelineVersion.")
    ] = False,
    namespace: Annotated[str, typer.Option(metavar="NAME", help="Namespace of the manifests.", show_default="none")] = "",
) -> None:
    """Compile the training pipeline into YAML for Kubeflow."""
    from pipelines.compiler import compile_manifests, compile_training_pipeline
    from pipelines.config import load_project
    from pipelines.images_lock import image_of

    loaded = load_project(project)
    image = image or image_of(loaded.name)
    if kubernetes:
        compile_manifests(loaded, output, image, namespace)
    else:
        compile_training_pipeline(loaded, output, image)
    make_console(stderr=True).print(f"Wrote {output} for the image {image}", markup=False, highlight=False, soft_wrap=True)
    warn_of_other_code(image, make_console(stderr=True))
    if image.startswith("sha256:"):
        text = "Warning: that image is on this machine only. For a cluster push it (REGISTRY=… make images) or name another."
        make_console(stderr=True).print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)


@app.command(name="image", rich_help_panel=_RUN)
def image_(
    project: ProjectPath,
    tag: Annotated[
        str, typer.Option(metavar="NAME:TAG", help="Name of the image.", show_default="sluice-project-NAME:latest")
    ] = "",
    engine: Annotated[
        str, typer.Option(metavar="docker|podman", help="What builds it.", show_default="the first that answers")
    ] = "",
    push: Annotated[bool, typer.Option("--push", help="Push it, so that clusters find it by its digest.")] = False,
) -> None:
    """Build the project's image: the stages' image (make images) and the project's files, without data and models."""
    from pipelines.config import load_project
    from pipelines.image import build_project_image

    reference = build_project_image(load_project(project), tag=tag, engine=engine, push=push)
    make_console(stderr=True).print(f"Built {reference}", markup=False, highlight=False, soft_wrap=True)


kubeflow_commands.add_commands(app)
release_commands.add_commands(app)


@app.command(rich_help_panel=_SERVE)
def serve(
    project: ProjectPath,
    serving_dir: ServingDir = None,
    port: Annotated[int, typer.Option(metavar="PORT", help="gRPC port; 0 for a free one, which is printed.")] = 8500,
    rest_port: Annotated[int, typer.Option(metavar="PORT", help="REST port; -1 for a free one, 0 for none.")] = 8501,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to bind to, such as 0.0.0.0.")] = "127.0.0.1",
) -> None:
    """Serve the released versions as TF Serving does. In production run the image tensorflow/serving."""
    from pipelines.config import load_project
    from pipelines.serve import serve_project

    serve_project(load_project(project), serving_dir, port=port, rest_port=rest_port, host=host)


@app.command(rich_help_panel=_SERVE)
def predict(
    project: ProjectPath,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Rows: CSV with a header, .json or .jsonl.")],
    url: Annotated[str, typer.Option(metavar="URL", help="REST interface of the model server.")] = "http://127.0.0.1:8501",
    version: Annotated[str, typer.Option(metavar="N", help="Version to ask.", show_default="the latest")] = "",
    label: Annotated[str, typer.Option(metavar="LABEL", help="Label of the version to ask.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Ask a model server, such as `sluice serve` or TF Serving itself, for predictions of the rows in a file."""
    from pipelines.config import load_project
    from pipelines.predict import predict_file, show_predictions

    outputs = predict_file(load_project(project), file, url, version=version, label=label)
    show_predictions(outputs, make_console(), "json" if as_json else "csv" if as_csv else "table")


if __name__ == "__main__":
    app()
