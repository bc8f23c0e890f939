"""Shows the releases of a serving directory from its ledger, and verifies the ledger."""

import dataclasses
import datetime
import json
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components._release.approvals import Request, State
from components._release.base import Base
from components._release.ledger import read_ledger
from components._release.releases import Release, list_releases
from components._release.verify import verify_ledger
from components._release.waiting import list_requests
from components._shared.errors import SluiceError
from components._shared.times import to_people

_USUAL_METRICS = ("auc", "sparse_categorical_accuracy", "root_mean_squared_error", "mean_squared_error")


class LedgerBroken(SluiceError):
    """The ledger, or a version that it tells of, is not what it was."""


def show_releases(base: Base, console: Console, *, verify: bool = False, head: str = "", as_json: bool = False) -> None:
    """Prints the releases, and with `verify` whether they can be trusted.

    Args:
        base: Base path of the model in the serving directory.
        console: Where to print.
        verify: Whether to check the chain of entries and the digest of every version.
        head: Hash of an entry that is known to be in the ledger; implies `verify`.
        as_json: Whether to print JSON instead of a table.

    Raises:
        LedgerBroken: If verifying finds a problem; all of them are listed.
        UserError: If the ledger cannot be read.
    """
    verify = verify or bool(head)
    problems = verify_ledger(base, head) if verify else []
    if problems and not as_json:
        raise LedgerBroken("\n  ".join([f"The ledger of {base} has {len(problems)} problem(s):", *problems]))
    releases = [] if problems else list_releases(base)
    requests, now = [] if problems else list_requests(base), datetime.datetime.now(datetime.UTC)
    entries = [] if problems else read_ledger(base)
    last = entries[-1].hash if entries else ""
    if as_json:
        document: dict[str, Any] = {
            "serving_dir": str(base),
            "head": last,
            "releases": [dataclasses.asdict(item) for item in releases],
            "approvals": [_approval_to_json(item, now) for item in requests],
        }
        if verify:
            document |= {"verified": not problems, "problems": problems}
        console.out(json.dumps(document, indent=1), highlight=False)
        if problems:
            raise LedgerBroken(f"The ledger of {base} has {len(problems)} problem(s).")
        return
    if not releases and not requests:
        console.print(f"Nothing was ever released into {escape(str(base))}.", soft_wrap=True, highlight=False)
        return
    _print_tables(console, base, releases, requests, now)
    if verify:
        console.print(f"\n[green]Verified[/]: {len(entries)} entries, every pushed version as it was pushed.", highlight=False)
    console.print(f"\n[bold]Head[/]  {last}  [dim]# note it: --head finds what was cut off[/]", soft_wrap=True, highlight=False)


def _print_tables(
    console: Console, base: Base, releases: list[Release], requests: list[Request], now: datetime.datetime
) -> None:
    if releases:
        console.print(_table(releases), highlight=False)
    else:
        console.print(f"Nothing was released into {escape(str(base))} yet.", soft_wrap=True, highlight=False)
    if waiting := [item for item in requests if item.open]:
        console.print("", _waiting_table(waiting, now), highlight=False, sep="\n")
    notes = [f"Version {release.version}: {note}" for release in releases if (note := _note(release))]
    ended = (State.REJECTED, State.EXPIRED, State.WITHDRAWN)
    notes += [f"Candidate {item.short_digest}: {_ending(item)}" for item in requests if item.state in ended]
    if notes:
        console.print("", *notes, sep="\n", markup=False, highlight=False, soft_wrap=True)


def _table(releases: list[Release]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("version", justify="right")
    for name in ("state", "when (UTC)", "metric"):
        table.add_column(name, no_wrap=True)
    table.add_column("model", overflow="ellipsis")  # a narrow terminal shortens it first
    for release in releases:
        labels = f" {', '.join(release.labels)}" if release.labels else ""
        state = f"[bold green]live[/]{labels}" if release.live else f"{release.state}{labels}"
        when = (release.settled_at or release.claimed_at)[:16].replace("T", " ")
        model = release.model_digest.removeprefix("sha256:")[:12]
        table.add_row(str(release.version), state, when, escape(_headline_metric(release)), model)
    return table


def _waiting_table(waiting: list[Request], now: datetime.datetime) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("candidate", "waits for", "until", "left"):
        table.add_column(name, no_wrap=True)
    table.add_column("against", no_wrap=True)
    for item in waiting:
        if item.state is State.APPROVED:
            row = (escape(f"a push: {item.by} approved it"), "–", "–")
        else:
            row = ("[bold yellow]approval[/]", to_people(item.deadline), _left(item, now))
        baseline = item.record["expects_live"]
        table.add_row(item.short_digest, *row, escape(f"version {baseline}" if baseline else "nothing"))
    return table


def _left(item: Request, now: datetime.datetime) -> str:
    """Returns how long a candidate still waits, in its largest two units."""
    minutes = int((item.deadline - now).total_seconds() // 60)
    if minutes < 0:
        return "too late"
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"


def _ending(item: Request) -> str:
    return f"{item.state}{f' by {item.by}' if item.state is State.REJECTED else ''}. {item.reason}"


def _approval_to_json(item: Request, now: datetime.datetime) -> dict[str, Any]:
    left = max(0.0, (item.deadline - now).total_seconds()) if item.state is State.WAITING else None
    about = {"model_digest": item.model_digest, "deadline": item.record["deadline"], "seconds_left": left}
    return dataclasses.asdict(item) | about


def _note(release: Release) -> str:
    """Returns why a version was not pushed, or which gates let it through without having passed; empty if all passed."""
    if release.state != "pushed" or not release.gates:
        return f"{release.state}. {release.reason}"
    notes = [str(release.record.get("reason"))] if release.record.get("approver") else []
    gates = [gate for gate in release.gates if gate["verdict"] not in ("passed", "pending")]
    return ", ".join([*notes, *(f"{gate['gate']} {gate['verdict'].replace('_', ' ')}" for gate in gates)])


def _headline_metric(release: Release) -> str:
    """Returns the usual metric of the kind of label, or else the first metric; --json has them all."""
    names = [*(name for name in _USUAL_METRICS if name in release.metrics), *release.metrics, ""]
    name = names[0]
    return f"{name} {release.metrics[name]:.3g}" if name else ""
