"""The commands of `sluice` about releases: who lets them through, what was released, and what is live."""

# As in __main__: what a command needs is imported inside it.
# ruff: noqa: PLC0415

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from components._release.base import Base
from pipelines.command_options import ProjectPath, ServingDir, make_console

_APPROVALS, _RELEASES = "Approve and push", "What was released"

ReleaseName = Annotated[
    str,
    typer.Argument(
        metavar="RELEASE",
        help="The project's folder; where several wait, with the beginning of the model's digest: PROJECT@3f2a.",
    ),
]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who answers.")]
WithdrawnBy = Annotated[str, typer.Option("--by", metavar="NAME", help="Who wants it.", show_default="your login name")]
VersionName = Annotated[
    str,
    typer.Argument(metavar="RELEASE", help="The project's folder and a version, or how its model's digest begins: PROJECT@3."),
]
ServerUrl = Annotated[
    str,
    typer.Option(
        "--server", metavar="URL", help="Servers to verify it in, with commas between; or none.", show_default="the project's"
    ),
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")]


def add_commands(app: typer.Typer) -> None:
    """Adds the commands."""
    panels: dict[str, tuple[Callable[..., None], ...]] = {
        _APPROVALS: (approve, reject, push),
        _RELEASES: (releases, show, rollback, promote, unlabel, withdraw),
    }
    for panel, commands in panels.items():
        for command in commands:
            app.command(rich_help_panel=panel)(command)


def approve(release: ReleaseName, by: By, reason: Reason, serving_dir: ServingDir = None) -> None:
    """Let a candidate through that waits for a person; the next push takes it up."""
    _answer("approved", release, by, reason, serving_dir)


def reject(release: ReleaseName, by: By, reason: Reason, serving_dir: ServingDir = None) -> None:
    """Say no to a candidate that waits, or take back an approval that was not pushed yet."""
    _answer("rejected", release, by, reason, serving_dir)


def push(project: ProjectPath, server: ServerUrl = "", serving_dir: ServingDir = None) -> None:
    """Push what was approved, and end what nobody approved in time."""
    from pipelines.approvals import push_waiting
    from pipelines.config import load_project
    from pipelines.rollback import verifier_of

    loaded, base = load_project(project), _base(project, serving_dir)
    push_waiting(base, make_console(), verifier_of(loaded, base, server), keep_versions=loaded.serving.keep_versions)


def releases(
    project: ProjectPath,
    serving_dir: ServingDir = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check the ledger's chain and the digest of every version.")] = False,
    head: Annotated[str, typer.Option(metavar="HASH", help="Also check that the ledger still holds this entry.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what was released, and what is live."""
    from pipelines.releases import show_releases

    show_releases(_base(project, serving_dir), make_console(), verify=verify, head=head, as_json=as_json)


def show(
    release: VersionName,
    serving_dir: ServingDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what stands behind a version, and what happened to it; without @, the live one."""
    from pipelines.approvals import parse_release
    from pipelines.show import show_release

    project, name = parse_release(release)
    show_release(_base(project, serving_dir), name, make_console(), as_json=as_json)


def rollback(
    project: ProjectPath,
    reason: Reason,
    to: Annotated[str, typer.Option(metavar="VERSION", help="Version to go to.", show_default="the one before")] = "",
    by: WithdrawnBy = "",
    server: ServerUrl = "",
    serving_dir: ServingDir = None,
) -> None:
    """Make an earlier version live again at once, or one that was withdrawn."""
    from pipelines.config import load_project
    from pipelines.rollback import check_labels, roll_back, verifier_of

    loaded, base = load_project(project), _base(project, serving_dir)
    verifier = verifier_of(loaded, base, server)
    check_labels(loaded, base, verifier)
    roll_back(base, verifier, make_console(), to=to, by=by, reason=reason)


def promote(
    project: ProjectPath, reason: Reason, by: WithdrawnBy = "", server: ServerUrl = "", serving_dir: ServingDir = None
) -> None:
    """Make the canary stable, where versions have labels."""
    from pipelines.config import load_project
    from pipelines.rollback import promote_canary, verifier_of

    base = _base(project, serving_dir)
    verifier = verifier_of(load_project(project), base, server)
    promote_canary(base, verifier, make_console(), by=by, reason=reason)


def unlabel(
    project: ProjectPath, reason: Reason, by: WithdrawnBy = "", server: ServerUrl = "", serving_dir: ServingDir = None
) -> None:
    """Take all labels away, for a project that is to do without; the stable version stays live."""
    from pipelines.config import load_project
    from pipelines.rollback import unlabel as end_labels
    from pipelines.rollback import verifier_of

    base = _base(project, serving_dir)
    verifier = verifier_of(load_project(project), base, server)
    end_labels(base, verifier, make_console(), by=by, reason=reason)


def withdraw(
    release: VersionName,
    reason: Reason,
    by: WithdrawnBy = "",
    allow_none: Annotated[bool, typer.Option("--allow-none", help="Even if no version is left then.")] = False,
    server: ServerUrl = "",
    serving_dir: ServingDir = None,
) -> None:
    """Take one version out of the sight of servers; if it is live, the one before it is live again."""
    from pipelines.approvals import parse_release
    from pipelines.config import load_project
    from pipelines.rollback import check_labels, verifier_of, withdraw_release

    project, name = parse_release(release)
    loaded, base = load_project(project), _base(project, serving_dir)
    verifier = verifier_of(loaded, base, server)
    check_labels(loaded, base, verifier, name)
    withdraw_release(base, verifier, name, make_console(), by=by, reason=reason, allow_none=allow_none)


def _answer(kind: str, release: str, by: str, reason: str, serving_dir: str | None) -> None:
    from pipelines.approvals import answer_release, parse_release, push_command

    project, model = parse_release(release)
    command = push_command(release, serving_dir)
    answer_release(_base(project, serving_dir), kind, make_console(), model=model, by=by, reason=reason, push_command=command)


def _base(project: Path, serving_dir: str | None) -> Base:
    from pipelines.config import load_project
    from pipelines.serving_dir import resolve_serving_dir

    return resolve_serving_dir(serving_dir) if serving_dir else load_project(project).serving_dir
