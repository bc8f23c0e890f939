"""Files and folders that outlive a power cut: written, given their mode and synced before anything relies on them."""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from components._shared.errors import UserError

FILE_MODE, FOLDER_MODE = 0o644, 0o755
"""Set whatever the umask: the server usually runs as another user than the one who pushes."""

_CHUNK = 1 << 20


def sync_folder(path: Path) -> None:
    """Makes the names in a folder durable: a rename or link counts only after this."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def ensure_folder(path: Path) -> None:
    """Makes a folder and its parents durably, unless they are there."""
    if path.is_dir():
        return
    ensure_folder(path.parent)
    with contextlib.suppress(FileExistsError):  # another process was faster
        make_folder(path)
    sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Makes one new folder; its name is durable once its parent is synced."""
    os.mkdir(path, FOLDER_MODE)  # noqa: PTH102 (the mode of Path.mkdir is no clearer)
    os.chmod(path, FOLDER_MODE)  # noqa: PTH101


def write_new_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Writes and syncs a file that must not exist yet; its name is durable once its folder is synced."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        for chunk in chunks:
            _write_all(descriptor, chunk)
        os.fchmod(descriptor, FILE_MODE)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy_tree(source: Path, target: Path, *, exclude: frozenset[str] = frozenset()) -> None:
    """Copies a folder into a new one; the folders below are durable after `sync_tree`.

    Args:
        source: The folder to copy. Symbolic links to files are followed.
        target: The new folder.
        exclude: Paths relative to `source`, in POSIX form, that are left out with all that is below them.

    Raises:
        UserError: If the source holds a link to a folder, or something that is neither file nor folder: their contents
            would be in no digest.
    """
    make_folder(target)
    for name in sorted(os.listdir(source)):  # noqa: PTH208 (sorted by name, as the digest is)
        if name in exclude:
            continue
        below = frozenset(path.removeprefix(f"{name}/") for path in exclude if path.startswith(f"{name}/"))
        mode = (source / name).stat().st_mode
        if stat.S_ISREG(mode):
            write_new_file(target / name, _read_chunks(source / name))
        elif stat.S_ISDIR(mode) and not (source / name).is_symlink():
            copy_tree(source / name, target / name, exclude=below)
        else:
            raise UserError("A model holds plain files and folders.", received=str(source / name))


def sync_tree(root: Path) -> None:
    """Syncs a folder and all folders below it, the deepest first."""
    for folder, _, _ in os.walk(root, topdown=False):
        sync_folder(Path(folder))


def _read_chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:  # write(2) may take less than it was given
        view = view[os.write(descriptor, view) :]
