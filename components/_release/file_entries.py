"""The ledger's entries as files of a folder.

An entry is written under a temporary name, synced, and published by link(2), which fails if the name is taken: an entry is
there whole or not at all, and never replaced.
"""

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path

from components._release.durable import ensure_folder, sync_folder, write_new_file
from components._shared.errors import UserError

TEMPORARY_NAME = re.compile(r"\.\d{8}-[0-9a-f]{16}\.tmp", re.ASCII)

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def list_names(folder: Path) -> list[str]:
    """Returns all names in the ledger's folder; none if it is not there.

    Raises:
        UserError: If the folder, or one that it lies in, is a file.
    """
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208
    except FileNotFoundError:
        return []
    except NotADirectoryError as error:
        remedy = "Name another serving directory, or move the file away."
        raise UserError("A serving directory is a folder, and so is its ledger.", received=error, remedy=remedy) from error


def read_all(folder: Path, is_wanted: Callable[[str], bool]) -> dict[str, bytes | OSError]:
    """Lists the folder, and returns the content of each file that is wanted, or why it cannot be read."""
    return {name: _read(folder / name) for name in list_names(folder) if is_wanted(name)}


def publish(folder: Path, name: str, data: bytes) -> bool:
    """Publishes an entry durably; returns False if another process was faster.

    Raises:
        UserError: If the file system has no hard links.
    """
    ensure_folder(folder)
    temporary = folder / f".{name.removesuffix('.json')}-{secrets.token_hex(8)}.tmp"
    try:
        write_new_file(temporary, [data])
        os.link(temporary, folder / name)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in _NO_LINKS:
            raise UserError(
                "The serving directory lies on a file system with hard links, which the ledger needs.",
                received=f"{folder}: {error}",
                remedy="Serve from a local disk or NFS, or name the bucket itself (gs://) instead of a mount of it.",
            ) from error
        raise
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)  # noqa: PTH108
    sync_folder(folder)
    return True


def _read(path: Path) -> bytes | OSError:
    try:
        return path.read_bytes()
    except OSError as error:
        return error
