"""Content digests: the same bytes under the same names give the same digest, on any machine."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from components._shared.artifacts import ASSETS_EXTRA_DIR, FEATURES_FILE, MODEL_FILE, RELEASE_DIR
from components._shared.errors import UserError

_CHUNK = 1 << 20


def digest_file(path: str | Path) -> str:
    """Returns `sha256:<hex>` of one file's bytes."""
    with Path(path).open("rb") as file:
        hasher = hashlib.sha256()
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
    return f"sha256:{hasher.hexdigest()}"


def digest_bytes(data: bytes) -> str:
    """Returns `sha256:<hex>` of bytes: what `digest_file` returns for a file that holds them."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest_documents(*files: Path) -> dict[str, str]:
    """Returns `sha256:<hex>` of files by their name, for a report that is about them; those that are not there are left out.

    Called before the files are read, so that a change in between shows.
    """
    return {file.name: digest_file(file) for file in files if file.is_file()}


def digest_parts(parts: Iterable[str]) -> str:
    """Returns `sha256:<hex>` of a sequence of strings, each with its length, so that no two sequences collide by joining."""
    hasher = hashlib.sha256()
    for part in parts:
        data = part.encode()
        hasher.update(len(data).to_bytes(8, "big") + data)
    return f"sha256:{hasher.hexdigest()}"


def digest_tree(root: str | Path, *, exclude: tuple[str, ...] = ()) -> str:
    """Returns `sha256:<hex>` of a folder: relative POSIX paths and contents of its files, in sorted order.

    Args:
        root: The folder.
        exclude: Relative POSIX paths of folders to leave out, with all that is below them.
    """
    root = Path(root)
    names = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    return digest_files({name: digest_file(root / name) for name in names if not _is_below(name, exclude)})


def digest_files(digests: Mapping[str, str], *, exclude: tuple[str, ...] = ()) -> str:
    """Returns what `digest_tree` returns for a folder, given the digest of each of its files by relative POSIX path."""
    kept = sorted(name for name in digests if not _is_below(name, exclude))
    return digest_parts(part for name in kept for part in (name, digests[name]))


def digest_model(model_dir: str | Path) -> str:
    """Returns the digest of a SavedModel as trained: what push_model adds in assets.extra/sluice does not count."""
    return digest_tree(model_dir, exclude=(f"{ASSETS_EXTRA_DIR}/{RELEASE_DIR}",))


def digest_contents(digests: Iterable[str]) -> str:
    """Returns `sha256:<hex>` of a set of contents, given their digests: order and names do not count, repetitions do."""
    return digest_parts(sorted(digests))


def digest_code(project_dir: str | Path, file: str) -> str:
    """Returns `sha256:<hex>` of one of a project's Python files and of all it may import from the project.

    That is every Python file of the folder, and every file of the packages in it: code may read what lies beside it there.
    `features.py` does not see `model.py`, so that a change of the model does not ask for a new transform graph.
    """
    folder = Path(project_dir)
    return digest_parts(
        part for path in code_files(folder, file) for part in (path.relative_to(folder).as_posix(), digest_file(path))
    )


def code_files(project_dir: str | Path, file: str) -> list[Path]:
    """Returns a project's Python file, those that it may import from the project, and what lies in their packages, sorted."""
    folder = Path(project_dir)
    packages = [path.parent for path in folder.glob("*/__init__.py")]
    found = [*folder.glob("*.py"), *(path for package in packages for path in package.rglob("*") if _is_kept(path, folder))]
    return sorted(path for path in found if not (file == FEATURES_FILE and path == folder / MODEL_FILE))


def _is_kept(path: Path, folder: Path) -> bool:
    """Says whether a path is a file that the image of a project holds, too: not bytecode, and not hidden."""
    names = path.relative_to(folder).parts
    return path.is_file() and not any(name.startswith(".") or name == "__pycache__" or name.endswith(".pyc") for name in names)


def check_hash(path: str | Path, expected: str, what: str) -> None:
    """Checks that a project's file is still the one that the pipeline was compiled with.

    Args:
        path: The file.
        expected: Its `sha256:<hex>` at compile time.
        what: What the file is to its author, such as "schema" or "preprocessing code"; begins the message.

    Raises:
        UserError: If no digest was given, or the file cannot be read or has changed.
    """
    _check_digest(path, expected, what, digest_file)


def check_code_hash(project_dir: str | Path, file: str, expected: str) -> None:
    """Checks that a project's Python file, and what it may import, are still those that the pipeline was compiled with.

    Raises:
        UserError: If no digest was given, or a file cannot be read or has changed.
    """
    _check_digest(Path(project_dir) / file, expected, f"code of {file}", lambda path: digest_code(path.parent, file))


def _is_below(name: str, folders: tuple[str, ...]) -> bool:
    return any(name == top or name.startswith(f"{top}/") for top in folders)


def _check_digest(path: str | Path, expected: str, what: str, digest: Callable[[Path], str]) -> None:
    if not expected:
        raise UserError(
            f"The {what} comes with its digest, so that a changed file is noticed.",
            received=f"no digest for {path}",
            remedy="Compile the pipeline again.",
        )
    try:
        actual = digest(Path(path))
    except OSError as error:
        raise UserError(f"The {what} is a readable file.", received=f"{path}: {error.strerror}") from error
    if actual != expected:
        raise UserError(
            f"The {what} is the file that the pipeline was compiled with.",
            received=f"{path} with {actual} instead of {expected}",
            remedy="Compile the pipeline again, or restore the file.",
        )
