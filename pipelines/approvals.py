"""Answers candidates that wait for a person's approval, and pushes what was approved."""

import datetime
import re
import shlex
from pathlib import Path

from rich.console import Console

from components._release.answers import answer
from components._release.approvals import State
from components._release.base import Base
from components._release.keeping import keep_last
from components._release.ledger import APPROVED, PUSHED
from components._release.verifier import Verifier, settle_verified
from components._release.waiting import describe, list_requests
from components._shared.times import to_people

_DIGEST = re.compile(r"(sha256:)?[0-9a-fA-F]{4,64}", re.ASCII)


def parse_release(text: str) -> tuple[Path, str]:
    """Returns the project and how the model's digest begins, of a release as people name it.

    Args:
        text: `PROJECT`, where one candidate waits; `PROJECT@DIGEST`, with as much of the digest as tells it apart; or a
            digest alone for the project in the working directory.
    """
    project, at, digest = text.rpartition("@")
    if Path(text).exists():
        return Path(text), ""
    if at:
        return Path(project or "."), digest
    return (Path(), text) if _DIGEST.fullmatch(text) else (Path(text), "")


def answer_release(base: Base, kind: str, console: Console, *, model: str, by: str, reason: str, push_command: str) -> None:
    """Records a person's answer and says what happens next.

    Args:
        base: Base path of the model in the serving directory.
        kind: `approved` or `rejected`.
        console: Where to print.
        model: How the model's digest begins; empty when one candidate waits.
        by: Who answers.
        reason: Why.
        push_command: The command that pushes what was approved.

    Raises:
        UserError: As `components._release.answers.answer`.
    """
    request, entry = answer(base, kind, model=model, by=by, reason=reason, now=datetime.datetime.now(datetime.UTC))
    _print(console, f"{entry.payload['by']} {kind} candidate {request.short_digest} (entry {entry.sequence} of the ledger).")
    if kind == APPROVED:
        _print(console, f"Push it with `{push_command}`. Else the next run does, and its own model has a stale baseline then.")


def push_waiting(base: Base, console: Console, verifier: Verifier | None = None, *, keep_versions: int = 0) -> None:
    """Pushes what was approved, ends what expired, removes versions that are not kept, and says what still waits.

    Args:
        base: Base path of the model in the serving directory.
        console: Where to print.
        verifier: The server that has to have it live then; None for none.
        keep_versions: How many versions stay after a push; 0 for all.

    Raises:
        UserError: If the ledger is broken, the serving directory cannot be written, or the server does not answer.
    """
    settled = settle_verified(base, verifier, now=datetime.datetime.now(datetime.UTC))
    for item in settled:
        _print(console, f"{describe(item)}. {item.reason}")
    if any(item.kind == PUSHED for item in settled) and (retired := keep_last(base, keep_versions)):
        _print(console, f"Version {', '.join(map(str, retired))} is not kept any more.")
    waiting = [item for item in list_requests(base) if item.state is State.WAITING]
    for request in waiting:
        _print(console, f"Candidate {request.short_digest} waits for approval until {to_people(request.deadline)}.")
    if not settled and not waiting:
        _print(console, f"Nothing waits in {base}.")


def push_command(release: str, serving_dir: str | None) -> str:
    """Returns the command that pushes what was approved."""
    there = f" --serving-dir {shlex.quote(serving_dir)}" if serving_dir else ""
    return f"sluice push {shlex.quote(str(parse_release(release)[0]))}{there}"


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
