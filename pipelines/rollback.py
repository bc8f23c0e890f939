"""Rolls back and withdraws, and says what that came to."""

import getpass
from pathlib import Path

from rich.console import Console

from components._release.releases import list_releases
from components._release.rollback import Change, rollback, withdraw
from pipelines.show import find_release


def roll_back(base: Path, console: Console, *, to: str, by: str, reason: str) -> None:
    """Makes an earlier version live again, or one that was withdrawn.

    Args:
        base: Base path of the model in the serving directory.
        console: Where to print.
        to: The version; empty for the one before the live one.
        by: Who wants it; empty for the login name.
        reason: Why.

    Raises:
        UserError: As `components._release.rollback.rollback`.
    """
    _print(console, base, rollback(base, to=to, by=by or getpass.getuser(), reason=reason))


def withdraw_release(base: Path, name: str, console: Console, *, by: str, reason: str, allow_none: bool) -> None:
    """Takes a version out of the sight of servers.

    Args:
        base: Base path of the model in the serving directory.
        name: The version, or how its model's digest begins; empty for the live one.
        console: Where to print.
        by: Who wants it; empty for the login name.
        reason: Why.
        allow_none: Whether no version may be left.

    Raises:
        UserError: As `components._release.rollback.withdraw`.
    """
    version = str(find_release(list_releases(base), name).version)
    _print(console, base, withdraw(base, version=version, by=by or getpass.getuser(), reason=reason, allow_none=allow_none))


def _print(console: Console, base: Path, change: Change) -> None:
    lines = [f"Version {version} is withdrawn: {base}/.withdrawn-{version}" for version in change.withdrawn]
    lines += [f"Version {version} is back." for version in change.restored]
    if change.entry is None:
        lines.append("There was nothing to do.")
    now = f"Version {change.live} is live" if change.live else "No version is live"
    was = f", and was version {change.before} before" if change.before not in ("", change.live) else ""
    told = f" (entry {change.entry.sequence} of the ledger)" if change.entry else ""
    lines.append(f"{now}{was}{told}.")
    console.print(*lines, sep="\n", markup=False, highlight=False, soft_wrap=True)
