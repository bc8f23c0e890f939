"""Whether the files of a split are those that were ingested; the manifest keeps the digest of each."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from components._shared.artifacts import split_dir
from components._shared.digest import digest_file
from components._shared.errors import UserError


def digest_split(examples: str | Path, split: str) -> dict[str, str]:
    """Returns `sha256:<hex>` of every file of a split, by its path in the artifact."""
    folder = Path(examples) / split_dir(split)
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(examples).as_posix(): digest_file(path) for path in files}


def find_changes(examples: str | Path, manifest: dict[str, Any], split: str) -> str:
    """Returns in what a split differs from its manifest, as a sentence; empty when in nothing."""
    known = (manifest.get("splits") or {}).get(split) or {}
    expected = known.get("files")
    if not isinstance(expected, dict) or not expected:
        return f"The manifest of the examples does not say which files the split {split!r} has."
    try:
        found = digest_split(examples, split)
    except OSError as error:
        return f"The split {split!r} of the examples cannot be read: {error}."
    if changed := sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)):
        return f"The rows of the split {split!r} are not those that were ingested: {', '.join(changed)} changed since."
    return ""


def check_splits(examples: str | Path, manifest: dict[str, Any], splits: Iterable[str]) -> None:
    """Checks that splits are those of the manifest; raises as `check_split` does."""
    for split in splits:
        check_split(examples, manifest, split)


def check_split(examples: str | Path, manifest: dict[str, Any], split: str) -> None:
    """Checks that a split is the one of its manifest.

    Raises:
        UserError: If it is not.
    """
    if changes := find_changes(examples, manifest, split):
        rule = "The rows of a split are those of its manifest."
        raise UserError(rule, received=changes.rstrip("."), remedy="Run ingest_examples again, and what came after it.")
