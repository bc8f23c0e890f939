"""Starts a project from a table that nobody here has seen.

What reads the table are programs of `components`, started as the stages are: draft_schema decides what each column is for,
ingest_examples makes examples of it, and draft_project writes the files, with bounds from the train and eval rows.
"""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components._shared.artifacts import DRAFT_FILE, DRAFT_NOTES_FILE, SPLITS
from components._shared.digest import digest_contents, digest_file
from components._shared.documents import read_object
from components._shared.errors import UserError
from pipelines.config import NAME_PATTERN, Project, load_project
from pipelines.launchers import stage_environment

_STYLES = {"label": "bold", "left out": "dim"}
_OWN_ERROR = re.compile(r"^.*? ERROR sluice: (.*)", re.DOTALL | re.MULTILINE)
_NAME = re.compile(NAME_PATTERN)
_TAIL_LINES = 15


def init_project(
    data: Path, label: str, console: Console, *, name: str = "", kind: str = "", folder: Path | None = None
) -> Project:
    """Writes a project that `sluice run` completes, and prints what was decided.

    Args:
        data: A CSV or Parquet file.
        label: The column to predict.
        console: Where to print.
        name: Name of the project; by default made from the file's.
        kind: Kind of the label; by default found by its values.
        folder: Folder of the project; by default `projects/<name>`.

    Raises:
        UserError: If the data cannot be read or learned from, or the folder is taken.
    """
    if not data.is_file():
        raise UserError("The data is a CSV or Parquet file.", received=f"{data}, which is no file", remedy="Name one file.")
    name = name or _name_of(data)
    if not _NAME.fullmatch(name):
        remedy = "Name another, such as churn-2024, with --name."
        rule = "The name of a project begins with a lower-case letter; lower-case letters, digits and hyphens follow."
        raise UserError(rule, received=name, remedy=remedy)
    target = (folder or Path("projects") / name).absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError("A new project gets a folder of its own.", received=target, remedy="Name another with --folder.")
    pattern = _pattern_of(data.absolute(), target)
    with tempfile.TemporaryDirectory(prefix="sluice-init-") as scratch:
        draft, written = Path(scratch) / "draft", Path(scratch) / target.name
        with console.status(f"Reading {escape(str(data))}"):
            _draft(data.absolute(), label, kind, name, draft)
        with console.status("Measuring quick models for the bounds"):
            examples = ["--examples", str(draft / "examples"), "--name", name, "--pattern", pattern]
            _run("draft_project", "--draft", str(draft), *examples, "--project", str(written))
        load_project(written)
        document, notes = read_object(draft / DRAFT_FILE), read_object(draft / DRAFT_NOTES_FILE)
        _place(written, target)
    project = load_project(target)
    _show(project, document, notes, console)
    return project


def _name_of(data: Path) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", data.name.split(".")[0].lower()).strip("-")
    return (plain if plain[:1].isalpha() else f"project-{plain}".rstrip("-"))[:63]


def _place(written: Path, target: Path) -> None:
    """Puts the whole project where it belongs in one step; before it nothing is there, not even the folder above."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as beside:
            copied = shutil.copytree(written, Path(beside) / target.name)
            if target.exists():
                target.rmdir()
            copied.rename(target)
    except OSError as error:
        raise UserError(
            "The folder of the project can be made.", received=error, remedy="Name another with --folder."
        ) from error


def _pattern_of(data: Path, target: Path) -> str:
    """Returns where the data is: from the project's folder if both lie below the current one, else from the root."""
    if any(character in str(data) for character in "{}"):
        raise UserError("The path of the data holds no braces.", received=data, remedy="Rename it; {SPAN} has a meaning.")
    here = Path.cwd()
    if data.is_relative_to(here) and target.is_relative_to(here):
        return glob.escape(os.path.relpath(data, target))
    return glob.escape(str(data))


def _draft(data: Path, label: str, kind: str, salt: str, draft: Path) -> None:
    """Writes the draft and, as `sluice run` will, examples by it."""
    _run("draft_schema", "--data", str(data), "--label", label, "--kind", kind, "--draft", str(draft))
    document = read_object(draft / DRAFT_FILE)
    file: dict[str, Any] = {"path": str(data), "span": 0, "size": data.stat().st_size, "sha256": digest_file(data)}
    splits = {"key": document["split_key"], "salt": salt, **document["shares"]}
    _run(
        "ingest_examples",
        *("--schema", str(draft), "--files", json.dumps([file]), "--fingerprint", digest_contents([file["sha256"]])),
        *("--spans", "[0]", "--source", json.dumps(document["source"]), "--splits", json.dumps(splits)),
        *("--also_tfrecord", "false", "--examples", str(draft / "examples")),
    )


def _run(program: str, *arguments: str) -> None:
    """Runs a program of `components`.

    Raises:
        UserError: With the program's own words, if it says that the user must act.
        RuntimeError: If it fails otherwise.
    """
    command = [sys.executable, "-m", f"components.{program}", *arguments]
    done = subprocess.run(command, env=stage_environment(), capture_output=True, text=True, errors="replace", check=False)
    if done.returncode == UserError.exit_code and (said := _OWN_ERROR.search(done.stderr)):
        raise UserError(said.group(1).strip())
    if done.returncode:
        tail = "\n".join(done.stderr.splitlines()[-_TAIL_LINES:])
        raise RuntimeError(f"{program} ended with {done.returncode}:\n{tail}")


def _show(project: Project, document: dict[str, Any], notes: dict[str, Any], console: Console) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("column", "role", "why"):
        table.add_column(heading, overflow="fold")
    for item in document["columns"]:
        column = item["original"] if item["original"] == item["name"] else f"{item['original']} → {item['name']}"
        cells = [escape(" ".join(text.split())) for text in (column, item["role"], item["why"])]
        table.add_row(*cells, style=_STYLES.get(item["role"]))
    console.print(table, highlight=False)
    rows = ", ".join(f"{notes['rows'][split]:,} {split}" for split in SPLITS)
    _say(console, "Rows", f"{rows}; {document['why_keys']}")
    for note in notes["notes"]:
        _say(console, "Bounds", note)
    if protected := [item["name"] for item in document["columns"] if item["may_be_protected"]]:
        _say(
            console, "Fairness", f"By name these may be protected: {', '.join(protected)}. Say which are under gates.fairness."
        )
    folder = _near(project.folder)
    _say(console, "Project", str(folder))
    console.print("\n[bold]Try next[/]")
    console.print(f"  sluice run {escape(str(folder))}", soft_wrap=True, highlight=False)


def _say(console: Console, what: str, text: str) -> None:
    console.print(f"[bold]{what}[/]  {escape(text)}", soft_wrap=True, highlight=False)


def _near(folder: Path) -> Path:
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
