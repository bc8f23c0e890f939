"""Which versions of a model lie on disk, and which of them its policy wants."""

import logging
import re
from pathlib import Path
from typing import Any

from serving.errors import invalid

logger = logging.getLogger(__name__)

_INT64 = range(-(2**63), 2**63)


def find_versions(model: Any) -> dict[int, Path]:
    """Returns the wanted versions of a model and where they lie.

    Children of the base path whose name is no integer are skipped, so a push can stage beside them
    (file_system_storage_path_source.cc).

    Args:
        model: A ModelConfig.

    Raises:
        ServingError: If the base path is not there or cannot be listed.
    """
    try:
        names = sorted(path.name for path in Path(model.base_path).iterdir())
    except OSError as error:
        raise invalid(
            f"Could not find base path {model.base_path} for servable {model.name} with error {error.strerror}"
        ) from error
    found: dict[int, Path] = {}
    for name in names:
        if re.fullmatch(r"[+-]?[0-9]+", name) and int(name) in _INT64:
            if int(name) in found:
                logger.warning("Duplicate version directories detected. Version %d will be loaded from %s", int(name), name)
            found[int(name)] = Path(model.base_path, name)
    return _wanted(model, found)


def _wanted(model: Any, found: dict[int, Path]) -> dict[int, Path]:
    policy = model.model_version_policy
    kind = policy.WhichOneof("policy_choice")
    if kind == "all":
        return found
    if kind == "specific":
        return {version: path for version, path in found.items() if version in set(policy.specific.versions)}
    count = max(policy.latest.num_versions, 1)
    return {version: found[version] for version in sorted(found)[-count:]}
