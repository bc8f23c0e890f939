"""Shows what stands behind one release, from the ledger alone."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components._release.base import Base
from components._release.ledger import LABELLED, RETIRED, UNLABELLED, VERIFIED, Entry, read_ledger
from components._release.releases import Release, list_releases
from components._shared.errors import UserError

_FACTS = {
    "model_digest": "model",
    "pushed_digest": "folder",
    "decision_digest": "decision",
    "expects_live": "compared with version",
    "data_version": "data",
    "spans": "spans",
    "fingerprint": "files",
    "code": "code",
    "parameters": "parameters",
    "policy_hash": "policy",
    "overrides": "overrides",
    "approver": "approved by",
    "image": "image",
    "run": "run",
}
"""What of an entry's payload is shown, and how it is called."""


def show_release(base: Base, name: str, console: Console, *, as_json: bool = False) -> None:
    """Prints what the ledger tells of one release.

    Args:
        base: Base path of the model in the serving directory.
        name: The version, or how its model's digest begins; empty for the live one.
        console: Where to print.
        as_json: Whether to print JSON.

    Raises:
        UserError: If no release or more than one fits, or the ledger cannot be read.
    """
    release = find_release(list_releases(base), name)
    history = [entry for entry in read_ledger(base) if _is_about(entry, release.version)]
    if as_json:
        told = [{"sequence": item.sequence, "kind": item.kind, "recorded_at": item.recorded_at} for item in history]
        console.out(json.dumps(dataclasses.asdict(release) | {"history": told}, indent=1), highlight=False)
        return
    state = " ".join(["[bold green]live[/]" if release.live else release.state, escape(", ".join(release.labels))]).rstrip()
    console.print(f"[bold]Version {release.version}[/]  {state}", highlight=False)
    console.print(release.reason, "", markup=False, highlight=False, soft_wrap=True, sep="\n")
    for key, label in _FACTS.items():
        if (value := release.record.get(key)) not in (None, "", [], {}):
            console.print(f"{label:<22}{_to_text(value)}", markup=False, highlight=False, soft_wrap=True)
    if release.metrics:
        console.print(
            "", _table(("metric", "value"), [(key, f"{value:.6g}") for key, value in release.metrics.items()]), sep="\n"
        )
    if release.gates:
        gates = [(str(gate["gate"]), str(gate["verdict"]).replace("_", " "), str(gate["reason"])) for gate in release.gates]
        console.print("", _table(("gate", "verdict", "reason"), gates), sep="\n")
    rows = [(str(item.sequence), item.kind, item.recorded_at[:19].replace("T", " "), _say(item)) for item in history]
    console.print("", _table(("entry", "what happened", "when (UTC)", ""), rows), sep="\n")


def find_release(releases: Sequence[Release], name: str) -> Release:
    """Returns one release by its version or by how its model's digest begins; the live one if the name is empty.

    Raises:
        UserError: If none or more than one fits.
    """
    beginning = name.removeprefix("sha256:").lower()
    found = [item for item in releases if (str(item.version) == name if name else item.live)]
    if name and not found:
        found = [item for item in releases if item.model_digest.removeprefix("sha256:").startswith(beginning)]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"version {item.version} ({item.state})" for item in found) or f"{name or 'none live'}, which is none"
    remedy = "Name it by its version, as in PROJECT@3; `sluice releases PROJECT` lists them."
    raise UserError("A release has this name.", received=listed, remedy=remedy)


def _is_about(entry: Entry, version: int) -> bool:
    payload = entry.payload
    lists = ("withdraws", "restores", "versions")
    labelled = payload["labels"].values() if entry.kind == UNLABELLED else ()
    return version in (payload.get("version"), *labelled) or any(version in payload.get(name, ()) for name in lists)


def _say(entry: Entry) -> str:
    if entry.kind == VERIFIED and "largest_difference" in entry.payload:
        apart = f"{entry.payload['rows']} rows, at most {entry.payload['largest_difference']:.3g} apart"
        return f"{entry.payload.get('server')}: {apart}"
    if entry.kind == RETIRED:
        return f"keep_versions: {entry.payload.get('keep')}"
    label = f"{entry.payload['label']}. " if entry.kind == LABELLED else ""
    by = f"{entry.payload['by']}: " if entry.payload.get("by") else ""
    return f"{label}{by}{entry.payload.get('reason', '')}"


def _to_text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={_to_text(item)}" for key, item in value.items() if item not in (None, ""))
    return ", ".join(map(_to_text, value)) if isinstance(value, list) else str(value)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name)
    for row in rows:
        table.add_row(*map(escape, row))
    return table
