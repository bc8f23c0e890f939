"""Starts the model server on a project's serving directory."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from components._release.base import BucketPath
from components._release.labels import CONFIGURATION_FILE as LABELS_FILE
from components._release.model_config import read_base_path
from components._release.model_configuration import CONFIGURATION_FILE
from components._shared.errors import UserError
from pipelines.config import Project
from pipelines.serving_dir import resolve_serving_dir


def serve_project(project: Project, serving_dir: str | None, *, port: int, rest_port: int, host: str) -> NoReturn:
    """Becomes the model server, so that signals reach it.

    Args:
        project: The project.
        serving_dir: Base path of the model; the project's own if None.
        port: gRPC port.
        rest_port: REST port.
        host: Address to bind to.

    Raises:
        UserError: If nothing was ever pushed there.
    """
    base = resolve_serving_dir(serving_dir) if serving_dir else project.serving_dir
    if isinstance(base, BucketPath):
        raise UserError(
            "`sluice serve` serves from a folder.",
            received=str(base),
            remedy=f"Start TF Serving with --model_config_file={base / CONFIGURATION_FILE} (docs/object-stores.md).",
        )
    if not base.is_dir():
        raise UserError("A model was pushed.", received=f"no folder {base}", remedy=f"Run: sluice run {project.folder}")
    flags = [f"--port={port}", f"--rest_api_port={rest_port}", f"--host={host}", *model_flags(project, base)]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "serving", *flags])  # noqa: S606  # our own program


def model_flags(project: Project, base: Path) -> list[str]:
    """Returns the server's flags about the model.

    Where versions have labels these are the model configuration's, if it is about this folder: one for servers elsewhere may
    name the folder as they see it.
    """
    serving = project.serving
    if serving.label_mode:
        file = project.folder / serving.model_config_file if serving.model_config_file else base / LABELS_FILE
        if file.is_file() and read_base_path(file, serving.model_name).resolve() == base.resolve():
            return [f"--model_config_file={file}", "--model_config_file_poll_wait_seconds=1"]
    return [f"--model_name={serving.model_name}", f"--model_base_path={base}"]
