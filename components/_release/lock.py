"""One pusher at a time: an advisory lock on a file of the serving directory."""

import contextlib
import errno
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from components._release.durable import FILE_MODE
from components._shared.errors import UserError

logger = logging.getLogger(__name__)

LOCK_FILE = ".lock"
LOCK_SECONDS = 300.0
"""How long a pusher waits for another one; a push takes seconds."""

_POLL_SECONDS = 0.05
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


@contextlib.contextmanager
def hold_lock(base: Path, seconds: float = LOCK_SECONDS, name: str = LOCK_FILE) -> Iterator[None]:
    """Holds the lock of a serving directory; the kernel gives it back when its holder dies, however it dies.

    Args:
        base: The serving directory.
        seconds: How long to wait for another holder.
        name: The lock's file.

    Raises:
        UserError: If another process still holds it then, or the file system has no locks.
    """
    # The file stays: removing it would let a waiting process lock a file that has no name any more.
    descriptor = os.open(base / name, os.O_RDWR | os.O_CREAT, FILE_MODE)
    try:
        _wait_for(descriptor, base / name, seconds)
        yield
    finally:
        os.close(descriptor)


def _wait_for(descriptor: int, file: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    told = False
    while not _try_lock(descriptor, file):
        if time.monotonic() >= deadline:
            raise UserError(
                f"Another push frees the lock of the serving directory within {seconds:g} seconds.",
                received=f"{file} is still held",
                remedy="Find the process that holds it (`fuser -v` names it), wait or end it, and push again.",
            )
        if not told:
            logger.info("Waiting for another push into %s", file.parent)
            told = True
        time.sleep(_POLL_SECONDS)


def _try_lock(descriptor: int, file: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise UserError(
                "The serving directory lies on a file system with locks.", received=f"{file.parent}: {error}"
            ) from error
        raise
    return True
