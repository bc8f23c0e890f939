"""Moves the labels `canary` and `stable` in a model server, by its model configuration file.

A label moves only to a version that is AVAILABLE, and no request by label ever finds none. Under the lock of the file:

1. Let the server have both versions, the old and the new one, and wait until the new one is AVAILABLE.
2. Append `labelled`, and write the labels as the ledger has them.
3. Wait until the server answers for the label with the new version; then name only versions that have a label.

A process may die anywhere: the file is replaced whole, and the next move writes the labels as the ledger has them.
"""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from components._release.base import Base, BucketPath
from components._release.bucket_labels import check_config_file, set_bucket_label
from components._release.ledger import LABELLED, append_entry
from components._release.lock import LOCK_SECONDS, hold_lock
from components._release.model_config import read_labels, write_labels
from components._release.push import recover
from components._release.releases import read_places
from components._release.server_client import Server, wait_available, wait_label
from components._shared.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Labels:
    """Where labels are moved.

    Attributes:
        config_file: The server's model configuration file, which it reads again and again.
        server: The server.
    """

    config_file: Base
    server: Server


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


@contextmanager
def _hold_file(labels: Labels) -> Iterator[Path]:
    file = Path(str(labels.config_file))
    read_labels(file, labels.server.model_name)  # says what is wrong with it before anything is changed
    with hold_lock(file.parent, LOCK_SECONDS + labels.server.wait_seconds, f".{file.name}.lock"):
        yield file


def set_label(
    base: Base,
    labels: Labels,
    label: str,
    version: int,
    *,
    by: str,
    reason: str,
    check: Callable[[], str] = lambda: "",
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

    Returns:
        Why the label was not moved, as a sentence; empty if it was.

    Raises:
        UserError: If the configuration or the ledger is not what it has to be.
    """
    server = labels.server
    check_place(base, labels)
    if isinstance(base, BucketPath):
        return set_bucket_label(base, server, label, version, by=by, reason=reason, check=check)
    with _hold_file(labels) as file:
        versions, old = read_labels(file, server.model_name)
        write_labels(file, server.model_name, [*versions | {version}], old)
        if problem := wait_available(server, version) or check():
            write_labels(file, server.model_name, [*(versions or {version})], old)
            return problem
        wanted = _record(base, label, version, by, reason)
        write_labels(file, server.model_name, [*versions | {version, *wanted.values()}], wanted)
        if problem := wait_label(server, label, version):
            return problem
        write_labels(file, server.model_name, [*set(wanted.values())], wanted)
    return ""


def drop_version(base: Base, labels: Labels, version: int) -> None:
    """Lets the server have only versions that have a label, and not this one."""
    if isinstance(base, BucketPath):
        return  # its withdrawal does that
    with _hold_file(labels) as file:
        wanted = {label: named for label, named in read_places(base).labels.items() if named != version}
        versions, _ = read_labels(file, labels.server.model_name)
        write_labels(file, labels.server.model_name, [*versions - {version} | set(wanted.values())], wanted)


def _record(base: Path, label: str, version: int, by: str, reason: str) -> dict[str, int]:
    with hold_lock(base):
        recover(base)
        places = read_places(base)
        if version not in places.in_place:
            raise UserError("A label names a version in place.", received=f"{label} and version {version}")
        if places.labels.get(label) != version:
            previous = str(places.labels.get(label, ""))
            payload = {"label": label, "version": version, "previous": previous, "by": by, "reason": reason}
            append_entry(base, LABELLED, lambda _: payload)
        return {**places.labels, label: version}
