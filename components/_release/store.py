"""The version store: a model's base path on a file system, as TF Serving reads it.

<base>/<integer>/      one complete, approved version each
<base>/.ledger/        what happened, entry by entry
<base>/.staging-…/     a version being copied; TF Serving skips names that are no integers
<base>/.candidates/    a version that waits for approval each, under the hexadecimal digits of its model's digest
<base>/.withdrawn-<n>/ a version that servers must not see any more, as it was
<base>/.retired-<n>/   a version that is being removed
<base>/.lock           held by whoever pushes
"""

import contextlib
import errno
import logging
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from components._release import gcs
from components._release.base import SCHEME, Base, BucketPath, to_base
from components._release.durable import copy_tree, ensure_folder, make_folder, sync_tree, write_new_file
from components._shared.artifacts import ASSETS_EXTRA_DIR, RELEASE_DIR
from components._shared.digest import digest_tree
from components._shared.errors import UserError

logger = logging.getLogger(__name__)

CANDIDATES_DIR = ".candidates"

_STAGING_PREFIX = ".staging-"
_WITHDRAWN_PREFIX = ".withdrawn-"
_RETIRED_PREFIX = ".retired-"
_INTEGER = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
_LARGEST_VERSION = 2**63 - 1
_USERS_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR)


def serving_base(serving_dir: str) -> Base:
    """Returns a model's base path, which need not exist yet: a folder, or a place in a bucket for gs://BUCKET/FOLDER/MODEL.

    Raises:
        UserError: If it is empty, another URL, or a file.
    """
    if serving_dir.startswith(SCHEME):
        return to_base(serving_dir)
    if not serving_dir or "://" in serving_dir or (Path(serving_dir).exists() and not Path(serving_dir).is_dir()):
        raise UserError(
            "The serving directory is a folder on a file system, or a gs:// URL.",
            received=repr(serving_dir),
            remedy="Set serving.directory in project.yaml, or the parameter serving_dir.",
        )
    return Path(serving_dir)


def version_folders(base: Base) -> dict[str, int]:
    """Returns the names in a serving directory that TF Serving takes for versions, with their numbers.

    TF Serving reads a name with absl::SimpleAtoi into an int64, so `007` and `+7` are version 7 to it.
    """
    names = _list_names(base)
    numbers = {name: int(name) for name in names if _INTEGER.fullmatch(name)}
    return {name: number for name, number in numbers.items() if abs(number) <= _LARGEST_VERSION}


def next_version(base: Base, claimed: Iterable[int]) -> int:
    """Returns a number that no claim and no name in the serving directory ever had.

    Raises:
        UserError: If TF Serving could not read it.
    """
    version = 1 + max([0, *claimed, *version_folders(base).values()])
    if version > _LARGEST_VERSION:
        raise UserError(
            "Version numbers fit into 64 bits.", received=f"{base / str(version - 1)}", remedy="Move that folder elsewhere."
        )
    return version


def _list_names(base: Base) -> list[str]:
    if isinstance(base, BucketPath):
        return gcs.list_names(base)
    return sorted(path.name for path in base.iterdir()) if base.is_dir() else []


def has_digest(base: Path, version: int, pushed_digest: str) -> bool:
    """Returns whether a version is in its place, whole and unchanged."""
    return is_whole(base / str(version), pushed_digest)


def is_whole(folder: Path, digest: str) -> bool:
    """Returns whether a folder is there and has a digest."""
    return folder.is_dir() and not folder.is_symlink() and digest_tree(folder) == digest


def withdrawn_folder(base: Path, version: int) -> Path:
    """Returns where a version is kept that was withdrawn."""
    return base / f"{_WITHDRAWN_PREFIX}{version}"


def withdrawn_names(base: Path) -> list[str]:
    """Returns the names in a serving directory that withdrawn versions have."""
    return sorted(path.name for path in base.glob(f"{_WITHDRAWN_PREFIX}*"))


def retired_folder(base: Path, version: int) -> Path:
    """Returns where a version is while it is being removed."""
    return base / f"{_RETIRED_PREFIX}{version}"


def candidate_folder(base: Path, model_digest: str) -> Path:
    """Returns where a candidate waits for approval."""
    return base / CANDIDATES_DIR / model_digest.removeprefix("sha256:")


@contextlib.contextmanager
def stage_version(base: Path, version: int, model: Path, attachments: Mapping[str, bytes]) -> Iterator[Path]:
    """Copies a model and what its release carries into a staging folder, durably, on the file system of the versions.

    Args:
        base: The serving directory.
        version: The number that it will probably get; only the folder's name uses it.
        model: The SavedModel as trained.
        attachments: Contents of the files in `assets.extra/sluice/`, by their relative POSIX path there.

    Yields:
        The folder. It is removed afterwards unless it was renamed.
    """
    staging = base / f"{_STAGING_PREFIX}{version}-{secrets.token_hex(4)}"
    release = f"{ASSETS_EXTRA_DIR}/{RELEASE_DIR}"
    try:
        # The release folder of a model as trained is outside its digest, so nobody vouches for what it may hold.
        copy_tree(model, staging, exclude=frozenset({release}))
        _write_attachments(staging / ASSETS_EXTRA_DIR, RELEASE_DIR, attachments)
        sync_tree(staging)
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def remove_stale_staging(base: Path) -> None:
    """Removes staging folders of processes that died; call it under the lock."""
    _remove(base, _STAGING_PREFIX)


def remove_retired(base: Path) -> None:
    """Removes what is left of retired versions; call it under the lock."""
    _remove(base, _RETIRED_PREFIX)


def move_into_place(staging: Path, target: Path) -> None:
    """Gives a staged version its number: the moment from which servers may load it.

    Raises:
        UserError: If something has that number already.
    """
    if os.path.lexists(target):  # rename(2) would replace an empty folder
        raise UserError(
            "A version is never overwritten.",
            received=f"{target} appeared while it was being pushed",
            remedy="Find out who writes into the serving directory, and push again.",
        )
    os.rename(staging, target)  # noqa: PTH104 (the system call is the point)


@contextlib.contextmanager
def explain_write_errors(folder: Path, what: str = "The serving directory") -> Iterator[None]:
    """Turns a full disk or missing permission into an error for the user; `what` says which folder it is."""
    try:
        yield
    except OSError as error:
        if error.errno not in _USERS_ERRNOS:
            raise
        raise UserError(
            f"{what} {folder} can be written and has room for the version.",
            received=error,
            remedy="The live version is untouched. Make room or give permission and push again; it goes on from there.",
        ) from error


def _remove(base: Path, prefix: str) -> None:
    for path in sorted(base.glob(f"{prefix}*")):
        shutil.rmtree(path, ignore_errors=True)
        if path.exists():
            logger.warning("Could not remove the leftover %s; it does no harm but takes room", path)
        else:
            logger.info("Removed %s", path)


def _write_attachments(parent: Path, name: str, attachments: Mapping[str, bytes]) -> None:
    if not parent.is_dir():
        make_folder(parent)
    make_folder(parent / name)
    for relative, data in sorted(attachments.items()):
        path = parent / name / relative
        ensure_folder(path.parent)
        write_new_file(path, [data])
