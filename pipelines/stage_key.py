"""The key of a stage's result on this machine: all that the result rests on, by content.

Kubeflow's cache knows input artifacts by identity and code by the name of an image. Here both count by what is in them, so
that an edited artifact, a changed line of a stage or another build of a library is another key.
"""

import functools
import importlib.metadata
import json
import os
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components._shared.artifacts import COURSE, MODEL_SERVER, PROJECT_FILE
from components._shared.digest import digest_file, digest_files, digest_parts
from components._shared.surroundings import ARITHMETIC, read_keras_settings
from pipelines.launchers import CODE_DIR

_LIBRARIES = ("CUDA_", "KMP_", "LD_", "MKL_", "NPY_", "OMP_", "OPENBLAS_", *ARITHMETIC)
_VARIABLES = (*_LIBRARIES, "PYTHONHASHSEED", "PYTHONOPTIMIZE", "PYTHONPATH")
"""How variables begin that change what libraries or Python compute."""
_PLACES = ("checkpoint_dir",)
"""Parameters that no result rests on: what lies there is used only where it leads to the same result."""
_CODE_DIGESTS = ("features_hash", "model_hash")
"""Parameters of the stages that run a project's own code."""
_ASKS_A_SERVER = "validate_serving"
"""The stage that starts a model server: TF Serving's program where it is on the PATH, else `python -m serving`."""
_RUN_PLACEHOLDER = "{{$.pipeline_"
"""How placeholders begin that are another text in every run."""


class Contents:
    """Digests of files and folders; what was digested before is digested again when one of its files was touched."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[Any, str]] = {}

    def digest(self, path: Path) -> str:
        """Returns the digest of a file, or of the files of a folder with their names.

        Raises:
            OSError: If there is nothing, or it cannot be read.
        """
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        if not files and not path.is_dir():
            raise FileNotFoundError(path)
        touched = [(str(file), *_touched(file)) for file in files]
        known = self._known.get(path)
        if known and known[0] == touched:
            return known[1]
        digest = digest_file(path) if path.is_file() else _digest_folder(path, files)
        self._known[path] = (touched, digest)
        return digest


def stage_key(
    *, command: Sequence[str], env: Mapping[str, str], inputs: Mapping[str, Any], code: str, contents: Contents
) -> str:
    """Returns the key of a stage's result; empty if it has none, so that the stage runs.

    Args:
        command: Program and arguments as the pipeline has them, with placeholders in place of paths and parameters.
        env: The variables that the pipeline sets.
        inputs: The inputs in KFP's executor input: `parameterValues` and `artifacts`.
        code: What stands for the code that runs; empty if it is not known.
        contents: Digests of the input artifacts.
    """
    if not code or any(_RUN_PLACEHOLDER in part for part in command):
        return ""
    try:
        artifacts = {
            name: [_by_content(item, contents) for item in given["artifacts"]]
            for name, given in inputs.get("artifacts", {}).items()
        }
        parameters = {name: value for name, value in inputs.get("parameterValues", {}).items() if name not in _PLACES}
        document = {"command": list(command), "env": dict(env), "parameters": parameters, "artifacts": artifacts, "code": code}
        document["beside_code"] = _beside_code(parameters)
    except OSError:
        return ""
    return digest_parts([json.dumps(document, sort_keys=True)])


def _beside_code(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Returns the digests of what a project's code may read beside itself: word lists and the like, in no package of it."""
    if not any(name in parameters for name in _CODE_DIGESTS):
        return {}
    files = [file for file in Path(parameters["project_dir"]).iterdir() if file.is_file() and not file.name.startswith(".")]
    return {file.name: digest_file(file) for file in files if file.name != PROJECT_FILE and file.suffix not in (".py", ".md")}


def _by_content(artifact: Mapping[str, Any], contents: Contents) -> dict[str, Any]:
    """Returns an artifact with its digest in place of its address, and without how it came about."""
    metadata = {name: value for name, value in artifact.get("metadata", {}).items() if name not in COURSE}
    return {**artifact, "uri": contents.digest(Path(artifact["uri"])), "metadata": metadata}


def code_state() -> tuple[Any, ...]:
    """Returns what shows that a file of the stages was edited: processes that start early hold the code as it was then."""
    files = sorted(file for name in ("components", "serving") for file in (CODE_DIR / name).rglob("*") if _is_code(file))
    return tuple((str(file), *_touched(file)) for file in files)


def digest_stage(argv: Sequence[str], *, started_with: tuple[Any, ...]) -> str:
    """Returns the digest of the code of `python -m package.stage`, and of the Python and libraries that it runs with.

    The code is the stage's folder, and the folders beside it whose names begin with an underscore, which every stage may
    import; a stage imports no other stage. Where a stage starts a model server, the server counts, too.

    Args:
        argv: The command.
        started_with: What `code_state` returned when the run began.

    Returns:
        The digest; empty for any other command, and when the stages' code was edited since the run began.
    """
    if len(argv) < 3 or argv[1] != "-m" or code_state() != started_with:
        return ""
    package, _, stage = argv[2].rpartition(".")
    places = [CODE_DIR, *map(Path, filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))]
    root = next((place / package for place in places if package and (place / package / stage).is_dir()), None)
    if root is None:
        return ""
    return digest_parts(
        [
            _digest_code(root / stage),
            _shared_code(root),
            _shared_code(CODE_DIR / "components"),
            _surroundings(),
            *(_model_server() if stage == _ASKS_A_SERVER else ()),
        ]
    )


def _model_server() -> tuple[str, str]:
    """Returns what stands for the code of the local server, and for TF Serving's program, which is too large to be read."""
    program = shutil.which(MODEL_SERVER)
    return _digest_code(CODE_DIR / "serving"), json.dumps([program, *_touched(Path(program))] if program else [])


def _shared_code(root: Path) -> str:
    folders = sorted(folder for folder in root.glob("_*") if folder.is_dir() and folder.name != "__pycache__")
    files = {file.name: digest_file(file) for file in root.glob("*.py")}
    return digest_parts([digest_files(files), *(part for folder in folders for part in (folder.name, _digest_code(folder)))])


def _digest_code(folder: Path) -> str:
    return _digest_folder(folder, [path for path in folder.rglob("*") if _is_code(path)])


def _is_code(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def _digest_folder(folder: Path, files: Sequence[Path]) -> str:
    return digest_files({file.relative_to(folder).as_posix(): digest_file(file) for file in files})


@functools.cache
def _surroundings() -> str:
    """Returns the digest of Python, machine, settings and installed libraries, each with the digests of its files."""
    variables = {name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)}
    settings = (json.dumps(found, sort_keys=True) for found in (variables, read_keras_settings()))
    machine = [sys.version, sys.executable, platform.machine(), platform.node(), *settings]
    return digest_parts([*machine, digest_libraries([place for place in sys.path if place.endswith("-packages")])])


def digest_libraries(path: Sequence[str]) -> str:
    """Returns the digest of the libraries that are installed in the given folders.

    A library's RECORD names each of its files with a digest, so that another build of the same version counts.
    """
    found = [
        (item.read_text("METADATA") or "", item.read_text("RECORD") or "", item.read_text("direct_url.json") or "")
        for item in importlib.metadata.distributions(path=list(path))
    ]
    return digest_parts(part for parts in sorted(found) for part in parts)


def _touched(file: Path) -> tuple[int, int, int, int]:
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino
