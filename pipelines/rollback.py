"""Rolls back and withdraws, and says what that came to."""

import getpass

from rich.console import Console

from components._release.base import Base, BucketPath
from components._release.labels import Labels
from components._release.places import CANARY
from components._release.promotion import end_labels, promote, roll_back_labels
from components._release.releases import list_releases
from components._release.rollback import Change, rollback, withdraw
from components._release.verification import roll_back_verified, verify_version
from components._release.verifier import Verifier, make_verifier
from components._shared.errors import UserError
from pipelines.config import Project
from pipelines.serving_dir import resolve_serving_dir
from pipelines.show import find_release


def verifier_of(project: Project, base: Base, url: str) -> Verifier | None:
    """Returns the servers that a command works with; None for none.

    Args:
        project: The project.
        base: Base path of the model in the serving directory.
        url: The servers' addresses, with commas between; empty for the project's, `none` for none.
    """
    serving, url = project.serving, url or project.serving.server
    file = resolve_serving_dir(serving.model_config_file, project.folder) if serving.model_config_file else ""
    url = "" if url == "none" else url
    return make_verifier(base, url, serving.model_name, serving.server_wait_seconds, file, serving.label_mode)


def check_labels(project: Project, base: Base, verifier: Verifier | None, name: str = "") -> None:
    """Checks that no version is taken from under a label that servers go on answering for.

    Args:
        project: The project.
        base: Base path of the model in the serving directory.
        verifier: The servers that a command works with; None for none.
        name: The version that is to leave; empty for the live one.

    Raises:
        UserError: If it has a label, versions have labels in this project, and no server is there to move them.
    """
    if not project.serving.label_mode or (verifier and verifier.labels):
        return
    releases = list_releases(base)
    if any(release.labels for release in releases) and (labels := find_release(releases, name).labels):
        remedy = "Leave --server out, or name servers that answer."
        raise UserError("A label moves by the servers, before its version leaves.", received=", ".join(labels), remedy=remedy)


def roll_back(base: Base, verifier: Verifier | None, console: Console, *, to: str, by: str, reason: str) -> None:
    """Makes an earlier version live again, or one that was withdrawn.

    Args:
        base: Base path of the model in the serving directory.
        verifier: The server that has to follow; None for none.
        console: Where to print.
        to: The version; empty for the one before the live one.
        by: Who wants it; empty for the login name.
        reason: Why.

    Raises:
        UserError: As `components._release.rollback.rollback`, or if the server says no; the rollback is taken back then.
    """
    by = by or getpass.getuser()
    if verifier is None:
        change = rollback(base, to=to, by=by, reason=reason)
    elif verifier.labels:
        change = roll_back_labels(base, verifier.labels, to=to, by=by, reason=reason)
    else:
        change = roll_back_verified(base, verifier.servers, to=to, by=by, reason=reason)
    _print(console, base, change, verifier)


def promote_canary(base: Base, verifier: Verifier | None, console: Console, *, by: str, reason: str) -> None:
    """Makes the canary stable.

    Args:
        base: Base path of the model in the serving directory.
        verifier: The server that has to follow; None for none.
        console: Where to print.
        by: Who wants it; empty for the login name.
        reason: Why.

    Raises:
        UserError: If labels are not in use, there is no canary, or it does not serve.
    """
    change = promote(base, _labels_of(verifier), by=by or getpass.getuser(), reason=reason)
    _print(console, base, change, verifier)


def unlabel(base: Base, verifier: Verifier | None, console: Console, *, by: str, reason: str) -> None:
    """Takes all labels away.

    Args:
        base: Base path of the model in the serving directory.
        verifier: The servers, whose labels go; None for none.
        console: Where to print.
        by: Who wants it; empty for the login name.
        reason: Why.

    Raises:
        UserError: If the project does not use labels, another version than the stable one is the highest, or the servers do
            not follow.
    """
    change = end_labels(base, _labels_of(verifier), by=by or getpass.getuser(), reason=reason)
    _print(console, base, change, None)
    if change.entry:
        gone = ", ".join(sorted(change.entry.payload["labels"]))
        console.print(f"No version has a label now; there were: {gone}.", markup=False, highlight=False, soft_wrap=True)


def _labels_of(verifier: Verifier | None) -> Labels:
    if verifier and verifier.labels:
        return verifier.labels
    remedy = "Set serving.server, and serving.model_config_file or serving.labels, in project.yaml."
    raise UserError("A project whose labels move uses labels.", received="no model configuration", remedy=remedy)


def withdraw_release(
    base: Base, verifier: Verifier | None, name: str, console: Console, *, by: str, reason: str, allow_none: bool
) -> None:
    """Takes a version out of the sight of servers.

    Args:
        base: Base path of the model in the serving directory.
        verifier: The server that has to follow; None for none.
        name: The version, or how its model's digest begins; empty for the live one.
        console: Where to print.
        by: Who wants it; empty for the login name.
        reason: Why.
        allow_none: Whether no version may be left.

    Raises:
        UserError: As `components._release.rollback.withdraw`; if it has a label; or if the next version is not live in the
            server, but then it stays withdrawn all the same.
    """
    release = find_release(list_releases(base), name)
    if release.labels and verifier and verifier.labels:
        remedy = f"Move it first: `sluice rollback`, or a new push for {CANARY}."
        raise UserError("A version that is withdrawn has no label.", received=", ".join(release.labels), remedy=remedy)
    version = str(release.version)
    change = withdraw(base, version=version, by=by or getpass.getuser(), reason=reason, allow_none=allow_none)
    next_one = verifier if change.live and change.live != change.before else None
    problem = verify_version(base, int(change.live), next_one.servers) if next_one else ""
    _print(console, base, change, None if problem else next_one)
    if problem:
        raise UserError(f"Version {change.live} is live in the server.", received=problem)


def _print(console: Console, base: Base, change: Change, verifier: Verifier | None) -> None:
    lines = [f"Version {version} is withdrawn{_place_of(base, version)}" for version in change.withdrawn]
    lines += [f"Version {version} is back." for version in change.restored]
    if change.entry is None and change.live == change.before:
        lines.append("There was nothing to do.")
    now = f"Version {change.live} is live" if change.live else "No version is live"
    was = f", and was version {change.before} before" if change.before not in ("", change.live) else ""
    told = f" (entry {change.entry.sequence} of the ledger)" if change.entry else ""
    lines.append(f"{now}{was}{told}.")
    if verifier:
        lines.append(f"It is AVAILABLE in {verifier.where} and was verified there.")
    console.print(*lines, sep="\n", markup=False, highlight=False, soft_wrap=True)


def _place_of(base: Base, version: int) -> str:
    return "." if isinstance(base, BucketPath) else f": {base}/.withdrawn-{version}"
