"""Where a project's approved models go: a folder, or a place in a bucket."""

from pathlib import Path
from typing import Any

from components._release.base import Base, BucketPath, is_url, to_base
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
    serving, gates = document.get("serving"), document.get("gates")
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
    approval = gates.get("approval") if isinstance(gates, dict) else None
    if isinstance(approval, dict) and approval.get("required"):
        problems.append(f"gates.approval.required: a candidate can wait in a folder only. Received: {directory}.")
    return problems
