"""Runs that go on where they ended: which run is meant, what it was asked for, and that only one process works on it."""

import contextlib
import dataclasses
import datetime
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from components._shared.documents import read_object
from components._shared.errors import UserError

logger = logging.getLogger(__name__)

LATEST = "latest"
_LOCK_FILE = ".lock"


@dataclasses.dataclass(frozen=True, kw_only=True)
class EarlierRun:
    """A run to go on with.

    Attributes:
        folder: Its folder.
        project: Name of its project.
        project_dir: Folder of its project.
        serving_dir: Where it pushes to.
        settings: The pipeline parameters that it was given, as `key=value`.
        started_at: When it started first.
        resumed_at: When it was resumed before.
    """

    folder: Path
    project: str
    project_dir: Path
    serving_dir: str
    settings: tuple[str, ...]
    started_at: datetime.datetime
    resumed_at: tuple[datetime.datetime, ...] = ()


def find_run(name: str, runs_dir: str | Path) -> EarlierRun:
    """Returns the run that a user names.

    Args:
        name: Its id, the path of its folder, or `latest`.
        runs_dir: Where the folders of runs are.

    Raises:
        UserError: If there is no such run.
    """
    runs_dir = Path(runs_dir)
    found = sorted(runs_dir.glob("*/run.json"), key=lambda file: file.stat().st_mtime)
    places = [file.parent for file in found[-1:]] if name == LATEST else [runs_dir / name, Path(name)]
    folder = next((place for place in places if (place / "run.json").is_file()), None)
    if folder is None or not name:
        known = ", ".join(file.parent.name for file in found[-3:]) or "none"
        remedy = f"Name the id or the folder of a run, or `{LATEST}`. The latest in {runs_dir}: {known}."
        raise UserError("A run to resume is there, with its run.json.", received=name, remedy=remedy)
    return _read(folder.resolve())


def _read(folder: Path) -> EarlierRun:
    try:
        record = read_object(folder / "run.json")
        parameters = record["parameters"]
        return EarlierRun(
            folder=folder,
            project=str(record["project"]),
            project_dir=Path(parameters["project_dir"]),
            serving_dir=str(parameters["serving_dir"]),
            settings=tuple(str(setting) for setting in record["settings"]),
            started_at=datetime.datetime.fromisoformat(record["started_at"]),
            resumed_at=tuple(map(datetime.datetime.fromisoformat, record.get("resumed_at", ()))),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        rule = "A run to resume says in its run.json what it was asked for."
        raise UserError(rule, received=f"{folder / 'run.json'}: {error!r}", remedy="Start a new run.") from error


def merge_settings(earlier: EarlierRun, settings: list[str]) -> list[str]:
    """Returns the settings of a resumed run: its own, and in their place those that are given anew."""
    changed = {setting.partition("=")[0] for setting in settings}
    return [*(item for item in earlier.settings if item.partition("=")[0] not in changed), *settings]


def remove_pages(folder: Path) -> None:
    """Removes the pages that stages have left beside each other: each stage that is done or reused puts its own back."""
    for page in (*folder.glob("*.html"), *folder.glob("*.md")):
        page.unlink()


@contextlib.contextmanager
def hold_run(folder: Path) -> Iterator[None]:
    """Holds the folder of a run; the kernel gives it back when this process dies, however it dies.

    Raises:
        UserError: If another process works on it.
    """
    descriptor = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            remedy = "Wait for its end, or stop it, and resume it then."
            raise UserError("One process at a time works on a run.", received=f"{folder} is in use", remedy=remedy) from error
        except OSError as error:
            logger.warning("%s cannot be locked: %s. Do not resume a run that still goes on", folder, error)
        yield
    finally:
        os.close(descriptor)
