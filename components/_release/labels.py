"""Moves the labels `canary` and `stable` in model servers, by their model configuration.

Servers read the configuration's file again and again, or are told by ReloadConfig, which replaces the whole configuration; TF
Serving cannot be asked for the one that it has, so the file keeps what was sent last.

A label moves only to a version that is AVAILABLE, and no request by label ever finds none. Under the lock of the file:

1. Let the servers have both versions, the old and the new one, and wait until the new one is AVAILABLE.
2. Append `labelled`, and let the labels be as the ledger has them.
3. Wait until the servers answer for the labels with their versions; then name only versions that have a label.

A process may die anywhere: the file is replaced whole, and whoever comes next lets the labels be as the ledger has them.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components._release.base import Base, BucketPath
from components._release.bucket_labels import check_config_file, drop_bucket_labels, follow_ledger, set_bucket_label
from components._release.durable import ensure_folder
from components._release.ledger import LABELLED, Entry
from components._release.lock import LOCK_SECONDS, hold_lock
from components._release.model_config import make_configuration, read_labels, replace_configuration, with_labels, without_labels
from components._release.releases import read_places
from components._release.server_client import Server, ServerError, reload_configuration
from components._release.server_waits import wait_all_available, wait_all_label
from components._release.store import explain_write_errors
from components._release.turns import append, in_turn
from components._shared.errors import UserError

CONFIGURATION_FILE = ".models.config"
"""In the serving directory, where the project names no file and the servers are told; TF Serving skips it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Labels:
    """Where labels are moved.

    Attributes:
        config_file: The model configuration of the servers.
        servers: The servers.
        reload: Whether they are told by ReloadConfig; else they read the file again and again.
    """

    config_file: Base
    servers: tuple[Server, ...]
    reload: bool = False

    @property
    def model_name(self) -> str:
        """The model's name in the servers."""
        return self.servers[0].model_name

    @property
    def file(self) -> Path:
        """The model configuration, where it is a file."""
        return Path(str(self.config_file))


def check_place(base: Base, labels: Labels) -> None:
    """Checks that labels are to move where the versions of a serving directory have them.

    Raises:
        UserError: If they are not.
    """
    if isinstance(base, BucketPath):
        check_config_file(base, labels.config_file)
    elif isinstance(labels.config_file, BucketPath):
        remedy = "Set serving.model_config_file to a path."
        raise UserError("Versions in a folder have their labels in a file.", received=labels.config_file, remedy=remedy)


def set_label(
    base: Base,
    labels: Labels,
    label: str,
    version: int,
    *,
    by: str,
    reason: str,
    check: Callable[[], str] = lambda: "",
    **details: Any,
) -> str:
    """Lets a label name another version, once that is AVAILABLE.

    Args:
        base: The serving directory.
        labels: Where.
        label: The label.
        version: The version.
        by: Who wants it.
        reason: Why.
        check: Returns what else is wrong with the version, as a sentence, when it is AVAILABLE; empty if nothing is.
        **details: What else the ledger keeps of it.

    Returns:
        Why the label was not moved, as a sentence; empty if it was.

    Raises:
        UserError: If the configuration or the ledger is not what it has to be.
    """
    check_place(base, labels)
    if isinstance(base, BucketPath):
        return set_bucket_label(base, labels.servers, label, version, check=check, by=by, reason=reason, **details)
    with _hold_file(base, labels):
        versions, old = read_labels(labels.file, labels.model_name)
        problem = _tell(labels, versions | {version}, old)
        if problem := problem or wait_all_available(labels.servers, [version]) or check():
            _tell(labels, versions or {version}, old)
            return problem
        wanted = _record(base, label, version, {"by": by, "reason": reason, **details})
        return _let_follow(labels, versions | {version}, wanted)


def restore_labels(base: Base, labels: Labels) -> str:
    """Lets the servers have the labels as the ledger has them, where a process died before it had told them.

    Returns:
        Why the servers do not follow, as a sentence; empty if they do.

    Raises:
        UserError: As `set_label`.
    """
    check_place(base, labels)
    if isinstance(base, BucketPath):
        return follow_ledger(base, labels.servers)
    if not read_places(base).labels:
        return ""
    with _hold_file(base, labels):
        wanted = read_places(base).labels
        versions, old = read_labels(labels.file, labels.model_name)
        if (versions, old) == ({*wanted.values()}, wanted):
            return ""
        problem = _tell(labels, versions | {*wanted.values()}, old)
        problem = problem or wait_all_available(labels.servers, sorted({*wanted.values()}))
        return problem or _let_follow(labels, versions, wanted)


def drop_labels(base: Base, labels: Labels) -> str:
    """Lets the servers have the latest version, under no label; returns why they do not, as a sentence."""
    check_place(base, labels)
    if isinstance(base, BucketPath):
        drop_bucket_labels(base)
        return ""
    with _hold_file(base, labels):
        return _send(labels, without_labels(labels.file, labels.model_name))


def drop_version(base: Base, labels: Labels, version: int) -> str:
    """Lets the servers have only versions that have a label, and not this one; returns why they do not, as a sentence."""
    if isinstance(base, BucketPath):
        return ""  # its withdrawal does that
    with _hold_file(base, labels):
        wanted = {label: named for label, named in read_places(base).labels.items() if named != version}
        versions, _ = read_labels(labels.file, labels.model_name)
        return _tell(labels, versions - {version} | {*wanted.values()}, wanted)


@contextmanager
def _hold_file(base: Path, labels: Labels) -> Iterator[None]:
    file = labels.file
    own = labels.reload and file == base / CONFIGURATION_FILE
    if not own:
        read_labels(file, labels.model_name)  # says what is wrong with it before anything is changed
    with explain_write_errors(file.parent, "The folder of the model configuration,"):
        ensure_folder(file.parent)
        # Each wait for a server may take its time while another process waits for the lock.
        seconds = LOCK_SECONDS + sum(server.wait_seconds for server in labels.servers)
        with hold_lock(file.parent, seconds, f".{file.name.removeprefix('.')}.lock"):
            if own and not file.exists():
                replace_configuration(file, make_configuration(labels.model_name, base.absolute()))
            yield


def _record(base: Path, label: str, version: int, details: Mapping[str, Any]) -> dict[str, int]:
    def record(_: Entry | None) -> dict[str, int]:
        places = read_places(base)
        if version not in places.in_place:
            raise UserError("A label names a version in place.", received=f"{label} and version {version}")
        if places.labels.get(label) != version:
            previous = str(places.labels.get(label, ""))
            append(base, LABELLED, {"label": label, "version": version, "previous": previous, **details})
        return {**places.labels, label: version}

    return in_turn(base, record)


def _let_follow(labels: Labels, versions: set[int], wanted: Mapping[str, int]) -> str:
    """Moves the labels to versions that are AVAILABLE, and lets go of those without a label when every server has followed."""
    problem = _tell(labels, versions | {*wanted.values()}, wanted)
    for label, version in wanted.items():
        problem = problem or wait_all_label(labels.servers, label, version)
    return problem or _tell(labels, {*wanted.values()}, wanted)


def _tell(labels: Labels, versions: Iterable[int], named: Mapping[str, int]) -> str:
    """Lets the servers have these versions under these labels; returns why one of them does not, as a sentence."""
    return _send(labels, with_labels(labels.file, labels.model_name, versions, named))


def _send(labels: Labels, text: str) -> str:
    for server in labels.servers if labels.reload else ():
        try:
            reload_configuration(server, text)
        except ServerError as error:
            return str(error)
    replace_configuration(labels.file, text)  # last: it holds what was sent
    return ""
