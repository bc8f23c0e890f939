"""Rolls back and withdraws, and says what that came to."""

import getpass
from pathlib import Path

from rich.console import Console

from components._release.releases import list_releases
from components._release.rollback import Change, rollback, withdraw
from components._release.server_client import Server
from components._release.verification import roll_back_verified, verify_version
from components._shared.errors import UserError
from pipelines.config import Project
from pipelines.show import find_release


def server_of(project: Project, url: str) -> Server | None:
    """Returns the server that a command names, or else the project; None for `none`, or if neither names one."""
    url = url or project.serving.server
    if url in ("", "none"):
        return None
    return Server(url=url, model_name=project.serving.model_name, wait_seconds=project.serving.server_wait_seconds)


def roll_back(base: Path, console: Console, *, server: Server | None, to: str, by: str, reason: str) -> None:
    """Makes an earlier version live again, or one that was withdrawn.

    Args:
        base: Base path of the model in the serving directory.
        console: Where to print.
        server: The server that has to have it live then; None for none.
        to: The version; empty for the one before the live one.
        by: Who wants it; empty for the login name.
        reason: Why.

    Raises:
        UserError: As `components._release.rollback.rollback`, or if the server says no; the rollback is taken back then.
    """
    by = by or getpass.getuser()
    if server:
        change = roll_back_verified(base, server, to=to, by=by, reason=reason)
    else:
        change = rollback(base, to=to, by=by, reason=reason)
    _print(console, base, change, server)


def withdraw_release(
    base: Path, name: str, console: Console, *, server: Server | None, by: str, reason: str, allow_none: bool
) -> None:
    """Takes a version out of the sight of servers.

    Args:
        base: Base path of the model in the serving directory.
        name: The version, or how its model's digest begins; empty for the live one.
        console: Where to print.
        server: The server that has to have the next version live then; None for none.
        by: Who wants it; empty for the login name.
        reason: Why.
        allow_none: Whether no version may be left.

    Raises:
        UserError: As `components._release.rollback.withdraw`, or if the next version is not live in the server; the version
            stays withdrawn all the same.
    """
    version = str(find_release(list_releases(base), name).version)
    change = withdraw(base, version=version, by=by or getpass.getuser(), reason=reason, allow_none=allow_none)
    next_one = server if change.live and change.live != change.before else None
    problem = verify_version(base, int(change.live), next_one) if next_one else ""
    _print(console, base, change, None if problem else next_one)
    if problem:
        raise UserError(f"Version {change.live} is live in the server.", received=problem)


def _print(console: Console, base: Path, change: Change, server: Server | None) -> None:
    lines = [f"Version {version} is withdrawn: {base}/.withdrawn-{version}" for version in change.withdrawn]
    lines += [f"Version {version} is back." for version in change.restored]
    if change.entry is None:
        lines.append("There was nothing to do.")
    now = f"Version {change.live} is live" if change.live else "No version is live"
    was = f", and was version {change.before} before" if change.before not in ("", change.live) else ""
    told = f" (entry {change.entry.sequence} of the ledger)" if change.entry else ""
    lines.append(f"{now}{was}{told}.")
    if server:
        lines.append(f"It is AVAILABLE in {server.url} and was verified there.")
    console.print(*lines, sep="\n", markup=False, highlight=False, soft_wrap=True)
