"""Objects on this machine: downloaded once, picked up where a killed download stopped, and removed at the end.

They lie in a folder of this user under names that stand for bucket, name and generation, so what is there is the right thing
whichever run has fetched it. Each process works on a second name of its own, so that it may remove the first at any time.
"""

import contextlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from components._cloud.client import run_parallel
from components._cloud.objects import StoredFile, download
from components._shared.digest import digest_parts
from components._shared.errors import UserError
from components._shared.input_files import InputFile
from components._shared.patterns import split_url

_WORKERS = 8
_KEPT_SECONDS = 7 * 24 * 3600


@contextlib.contextmanager
def fetched(files: Sequence[InputFile], folder: Path | None = None) -> Iterator[dict[InputFile, Path]]:
    """Yields a local file for each object; they are removed at the end.

    What was fetched stays for a week if the process is killed, or ends with an error.

    Args:
        files: Objects of Cloud Storage.
        folder: Where to keep them; a folder of this user in the system's folder for temporary files when None.

    Raises:
        UserError: If an object cannot be read, or arrives damaged.
    """
    if not files:
        yield {}
        return
    folder = folder or Path(tempfile.gettempdir()) / f"sluice-downloads-{os.getuid()}"
    _make_private(folder)
    _remove_old(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix="in-use-") as own:
        kept = {file: folder / _name(file) for file in files}
        paths = {file: Path(own) / _name(file) for file in files}
        run_parallel(lambda file: _fetch(file, kept[file], paths[file]), files, _WORKERS)
        yield paths
        for path in kept.values():
            path.unlink(missing_ok=True)


def _fetch(file: InputFile, kept: Path, own: Path) -> None:
    bucket, name = split_url(file.path)
    stored = StoredFile(bucket=bucket, name=name, size=file.size, crc32c=file.crc32c, generation=int(file.generation))
    while not own.exists():
        download(stored, kept)
        with contextlib.suppress(FileNotFoundError):  # another process has finished with it in between
            os.link(kept, own)


def _name(file: InputFile) -> str:
    # The ending stays, for it tells readers how a file is compressed.
    return digest_parts([file.path, file.generation]).removeprefix("sha256:")[:32] + "".join(
        PurePosixPath(file.path).suffixes[-2:]
    )


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat(follow_symlinks=False)
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o022:
        rule = "The folder for downloads belongs to this user, and nobody else may write into it."
        raise UserError(rule, received=folder, remedy="Remove it, or set TMPDIR to a folder of your own.")


def _remove_old(folder: Path) -> None:
    oldest = time.time() - _KEPT_SECONDS
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
