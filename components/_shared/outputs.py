"""Writes what a stage hands back to Kubeflow: output parameters and the metadata of output artifacts.

The launcher reads metadata from the file that the executor input (`{{$}}`) names as `outputs.outputFile`. It parses the
file as a strict protobuf JSON message, so artifacts are copied from the executor input unchanged and only gain `metadata`.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_text(path: str | Path, text: str) -> None:
    """Writes a text file whole or not at all, and makes its folder."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, data: bytes) -> None:
    """Writes a file whole or not at all, and makes its folder."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | Path, value: Any) -> None:
    """Writes JSON with sorted keys and no NaN, whole or not at all.

    Raises:
        ValueError: If the value holds NaN or an infinity, which JSON does not know.
    """
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def write_parameter(path: str | Path, value: Any) -> None:
    """Writes an output parameter: strings as they are, everything else as JSON."""
    write_text(path, value if isinstance(value, str) else json.dumps(value, sort_keys=True, allow_nan=False))


def write_metadata(executor_input: str, metadata: Mapping[str, Mapping[str, Any]]) -> None:
    """Attaches metadata to output artifacts, for the dashboard and for later stages.

    Args:
        executor_input: The JSON text of `{{$}}`; empty when a stage runs by hand, and then nothing is written.
        metadata: For each output artifact's name, the keys to add. NaN and infinite numbers are left out, since the
            launcher refuses them.
    """
    if not executor_input:
        return
    outputs = json.loads(executor_input)["outputs"]
    artifacts = {}
    for name, values in metadata.items():
        artifact = dict(outputs["artifacts"][name]["artifacts"][0])
        artifact["metadata"] = {**artifact.get("metadata", {}), **_drop_non_finite(values)}
        artifacts[name] = {"artifacts": [artifact]}
    write_json(outputs["outputFile"], {"artifacts": artifacts})


def _drop_non_finite(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if not (isinstance(value, float) and not math.isfinite(value))}
