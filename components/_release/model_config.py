"""Reads and writes the versions and labels of one model in a server's model configuration file.

What is not ours, other models and other fields, stays as it was; comments do not.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from components._release.durable import sync_folder, write_new_file
from components._release.model_server_config import (
    Field,
    base_path_of,
    clear_versions,
    find_model,
    new_document,
    parse_document,
    set_versions,
    to_text,
    versions_of,
)
from components._shared.errors import UserError


def read_labels(path: Path, model_name: str) -> tuple[set[int], dict[str, int]]:
    """Returns the versions that a model's configuration names one by one, and its labels.

    Raises:
        UserError: If the file cannot be read, is no ModelServerConfig, or does not name the model.
    """
    return versions_of(_find_model(_read(path), path, model_name))


def read_base_path(path: Path, model_name: str) -> Path:
    """Returns the folder where servers have the model's versions.

    Raises:
        UserError: As `read_labels`.
    """
    return Path(base_path_of(_find_model(_read(path), path, model_name)))


def with_labels(path: Path, model_name: str, versions: Iterable[int], labels: Mapping[str, int]) -> str:
    """Returns the file's text with these versions of a model under these labels; all else is as it was.

    Raises:
        UserError: As `read_labels`.
    """
    document = _read(path)
    set_versions(_find_model(document, path, model_name), sorted({*versions}), labels)
    return to_text(document)


def without_labels(path: Path, model_name: str) -> str:
    """Returns the file's text with the latest version of a model under no label; all else is as it was.

    Raises:
        UserError: As `read_labels`.
    """
    document = _read(path)
    clear_versions(_find_model(document, path, model_name))
    return to_text(document)


def make_configuration(model_name: str, base_path: Path) -> str:
    """Returns a configuration with one model, which has no version yet."""
    return to_text(new_document(model_name, str(base_path)))


def replace_configuration(path: Path, text: str) -> None:
    """Replaces the file durably; readers see the old one or the new. Call it under the file's lock."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)  # of a process that died; only the holder of the lock comes here
    write_new_file(temporary, [text.encode()])
    os.replace(temporary, path)  # noqa: PTH105
    sync_folder(path.parent)


def _read(path: Path) -> list[Field]:
    try:
        return parse_document(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError("The model configuration is a ModelServerConfig in text form.", received=f"{path}: {error}") from error


def _find_model(document: list[Field], path: Path, model_name: str) -> list[Field]:
    model = find_model(document, model_name)
    if model is None:
        remedy = f'Add: model_config_list {{ config {{ name: "{model_name}" base_path: "…" model_platform: "tensorflow" }} }}'
        raise UserError(f"The model configuration names the model {model_name!r}.", received=path, remedy=remedy)
    return model
