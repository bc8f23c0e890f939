"""Rolls back and withdraws, and says what that came to."""

import dataclasses
import getpass
from pathlib import Path

from rich.console import Console

from components._release.labels import Labels
from components._release.places import CANARY
from components._release.promotion import promote, roll_back_labels
from components._release.releases import list_releases
from components._release.rollback import Change, rollback, withdraw
from components._release.server_client import Server
from components._release.verification import roll_back_verified, verify_version
from components._shared.errors import UserError
from pipelines.config import Project
from pipelines.show import find_release


@dataclasses.dataclass(frozen=True, kw_only=True)
class Target:
    """The serving directory of a command, the server that has to follow, and where its labels are moved; None for none."""

    base: Path
    server: Server | None
    labels: Labels | None


def target_of(project: Project, serving_dir: Path | None, url: str) -> Target:
    """Returns what a command works on.

    Args:
        project: The project.
        serving_dir: Base path of the model; the project's own if None.
        url: The server's REST interface; empty for the project's, `none` for none.
    """
    serving, base = project.serving, (serving_dir or project.serving_dir).resolve()
    url = url or serving.server
    if url in ("", "none"):
        return Target(base=base, server=None, labels=None)
    server = Server(url=url, model_name=serving.model_name, wait_seconds=serving.server_wait_seconds)
    file = serving.model_config_file
    return Target(base=base, server=server, labels=Labels(config_file=project.folder / file, server=server) if file else None)


def roll_back(target: Target, console: Console, *, to: str, by: str, reason: str) -> None:
    """Makes an earlier version live again, or one that was withdrawn.

    Args:
        target: The serving directory and its server.
        console: Where to print.
        to: The version; empty for the one before the live one.
        by: Who wants it; empty for the login name.
        reason: Why.

    Raises:
        UserError: As `components._release.rollback.rollback`, or if the server says no; the rollback is taken back then.
    """
    by = by or getpass.getuser()
    if target.labels:
        change = roll_back_labels(target.base, target.labels, to=to, by=by, reason=reason)
    elif target.server:
        change = roll_back_verified(target.base, target.server, to=to, by=by, reason=reason)
    else:
        change = rollback(target.base, to=to, by=by, reason=reason)
    _print(console, target.base, change, target.server)


def promote_canary(target: Target, console: Console, *, by: str, reason: str) -> None:
    """Makes the canary stable.

    Args:
        target: The serving directory and its server.
        console: Where to print.
        by: Who wants it; empty for the login name.
        reason: Why.

    Raises:
        UserError: If labels are not in use, there is no canary, or it does not serve.
    """
    if target.labels is None:
        remedy = "Set serving.server and serving.model_config_file in project.yaml."
        raise UserError("A project whose canary is promoted uses labels.", received="no model configuration", remedy=remedy)
    change = promote(target.base, target.labels, by=by or getpass.getuser(), reason=reason)
    _print(console, target.base, change, target.server)


def withdraw_release(target: Target, name: str, console: Console, *, by: str, reason: str, allow_none: bool) -> None:
    """Takes a version out of the sight of servers.

    Args:
        target: The serving directory and its server.
        name: The version, or how its model's digest begins; empty for the live one.
        console: Where to print.
        by: Who wants it; empty for the login name.
        reason: Why.
        allow_none: Whether no version may be left.

    Raises:
        UserError: As `components._release.rollback.withdraw`; if it has a label; or if the next version is not live in the
            server, but then it stays withdrawn all the same.
    """
    base, release = target.base, find_release(list_releases(target.base), name)
    if release.labels and target.labels:
        remedy = f"Move it first: `sluice rollback`, or a new push for {CANARY}."
        raise UserError("A version that is withdrawn has no label.", received=", ".join(release.labels), remedy=remedy)
    version = str(release.version)
    change = withdraw(base, version=version, by=by or getpass.getuser(), reason=reason, allow_none=allow_none)
    next_one = target.server if change.live and change.live != change.before else None
    problem = verify_version(base, int(change.live), next_one) if next_one else ""
    _print(console, base, change, None if problem else next_one)
    if problem:
        raise UserError(f"Version {change.live} is live in the server.", received=problem)


def _print(console: Console, base: Path, change: Change, server: Server | None) -> None:
    lines = [f"Version {version} is withdrawn: {base}/.withdrawn-{version}" for version in change.withdrawn]
    lines += [f"Version {version} is back." for version in change.restored]
    if change.entry is None and change.live == change.before:
        lines.append("There was nothing to do.")
    now = f"Version {change.live} is live" if change.live else "No version is live"
    was = f", and was version {change.before} before" if change.before not in ("", change.live) else ""
    told = f" (entry {change.entry.sequence} of the ledger)" if change.entry else ""
    lines.append(f"{now}{was}{told}.")
    if server:
        lines.append(f"It is AVAILABLE in {server.url} and was verified there.")
    console.print(*lines, sep="\n", markup=False, highlight=False, soft_wrap=True)
