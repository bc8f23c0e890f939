"""Folders that appear whole or not at all."""

import contextlib
import errno
import glob
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

_NO_SPACE = os.strerror(errno.ENOSPC)


@contextlib.contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Yields an empty folder next to `path` and renames it to `path` at the end; an error or a kill leaves no `path`.

    What an earlier run left at `path` is removed first, so that it cannot pass for the result of this one; so is what
    runs that were killed left beside it.

    Raises:
        OSError: ENOSPC when the disk is full, which TensorFlow and Beam report as errors of their own.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in (path, *path.parent.glob(f".{glob.escape(path.name)}.*.tmp")):
        shutil.rmtree(leftover, ignore_errors=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    unfinished.mkdir()
    try:
        yield unfinished
        unfinished.rename(path)
    except Exception as error:
        if isinstance(error, OSError) or _NO_SPACE not in str(error):
            raise
        raise OSError(errno.ENOSPC, _NO_SPACE, str(path)) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
