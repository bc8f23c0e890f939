"""Where a project's approved models go: a folder, or a place in a bucket."""

from pathlib import Path
from typing import Any

from components._release.base import Base, BucketPath, is_url, to_base
from components._release.model_configuration import CONFIGURATION_FILE
from components._release.verifier import RELOAD
from components._shared.errors import UserError


def resolve_serving_dir(directory: str | Base, folder: Path = Path()) -> Base:
    """Returns a model's base path, for a path that starts at a folder or a gs:// URL.

    Raises:
        UserError: If it is another URL.
    """
    base = to_base(directory)
    return base if isinstance(base, BucketPath) else (folder / base).resolve()


def problems_of_serving(document: dict[str, Any]) -> list[str]:
    """Returns what speaks against a project's serving directory in a bucket, as `key: rule. Received: value.`."""
    serving = document.get("serving")
    directory = serving.get("directory") if isinstance(serving, dict) else None
    if not isinstance(serving, dict) or not isinstance(directory, str) or not is_url(directory):
        return []
    try:
        name = str(to_base(directory)).rpartition("/")[2]
    except UserError:
        return [f"serving.directory: a path, or gs://BUCKET/FOLDER/MODEL. Received: {directory}."]
    problems = []
    if name != serving.get("model_name"):
        problems.append(f"serving.directory: ends with serving.model_name, which servers learn from it. Received: {directory}.")
    file, wanted = serving.get("model_config_file"), f"{to_base(directory)}/{CONFIGURATION_FILE}"
    if file and file != wanted:
        problems.append(f"serving.model_config_file: {wanted}, where the directory is in a bucket. Received: {file}.")
    if serving.get("labels") == RELOAD:
        problems.append("serving.labels: file, where the directory is in a bucket. Received: reload.")
    return problems
