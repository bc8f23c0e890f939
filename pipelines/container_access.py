"""What a stage in a container may reach of this machine: the folders that its inputs and outputs name, and hosts.

Folders are mounted at the paths that they have out here, so that every path in parameters and artifacts holds in there. Each
stage reads its input artifacts, and of the parameters' folders those it is given; it writes its own output folder only.
push_model writes the serving directory, too, and train_model the folder of its checkpoints.
"""

import dataclasses
import glob
import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from components._release.base import SCHEME
from components._shared.errors import UserError

PATH_PARAMETERS = ("project_dir", "serving_dir", "model_config_file", "pattern", "files", "checkpoint_dir")
"""Parameters of stages that name files and folders, or objects in a bucket."""
SERVER_PARAMETERS = ("server",)
"""Parameters of stages that name servers, with commas between."""

_WRITTEN = {"components.push_model": ("serving_dir", "model_config_file"), "components.train_model": ("checkpoint_dir",)}
"""Programs of the stages that write into folders of others, and the parameters that name them."""
_SYSTEM_FOLDERS = {"/", "/bin", "/dev", "/etc", "/lib", "/lib64", "/opt", "/proc", "/run", "/sys", "/tmp", "/usr", "/var"}  # noqa: S108
_BUCKET_VARIABLES = ("STORAGE_EMULATOR_HOST", "GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS")
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_CREDENTIALS = ".config/gcloud/application_default_credentials.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Access:
    """What one stage may reach.

    Attributes:
        read: Files and folders to read, each at its own path.
        output: The stage's own output folder, to write.
        write: Folders of others to write, each at its own path.
        network: `none`, `host` for a server on this machine's loopback interface, or empty for the engine's own network.
        variables: Environment variables to pass on.
    """

    read: tuple[Path, ...]
    output: Path
    write: tuple[Path, ...] = ()
    network: str = "none"
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)


def access_of(argv: list[str], executor_input: Mapping[str, Any]) -> Access:
    """Returns what a stage may reach.

    Args:
        argv: The stage's command.
        executor_input: KFP's executor input, which names parameters, artifacts and outputs.

    Raises:
        UserError: If it would have to be a folder that holds the container's own system.
    """
    parameters = executor_input.get("inputs", {}).get("parameterValues", {})
    named = list(_parameter_paths(parameters))
    folders, urls = {Path(path) for path in named if "://" not in path}, [path for path in named if "://" in path]
    written = {name: parameters[name] for program in argv for name in _WRITTEN.get(program, ()) if name in parameters}
    writes = {Path(path) for path in _parameter_paths(written) if "://" not in path}
    reads = {*_artifact_paths(executor_input), *(folders - writes)}
    variables = _variables(any(url.startswith(SCHEME) for url in urls))
    if credentials := variables.get("GOOGLE_APPLICATION_CREDENTIALS"):
        reads.add(Path(credentials))
    urls += [url for name in SERVER_PARAMETERS for url in str(parameters.get(name, "")).split(",") if url]
    urls += [variables[name] for name in ("STORAGE_EMULATOR_HOST",) if name in variables]
    proxies = {name: os.environ[name] for name in _PROXY_VARIABLES if name in os.environ} if urls else {}
    return Access(
        read=tuple(sorted(_check(path) for path in _with_targets(reads))),
        output=Path(executor_input["outputs"]["outputFile"]).parent,
        write=tuple(sorted(_check(path) for path in writes)),
        network=_network(urls),
        variables=variables | proxies,
    )


def _artifact_paths(executor_input: Mapping[str, Any]) -> Iterator[Path]:
    for artifacts in executor_input.get("inputs", {}).get("artifacts", {}).values():
        for artifact in artifacts["artifacts"]:
            yield Path(artifact["uri"])


def _parameter_paths(parameters: Mapping[str, Any]) -> Iterator[str]:
    """Yields the files, folders and URLs that parameters name."""
    for name in ("project_dir", "serving_dir", "checkpoint_dir"):
        if parameters.get(name):
            yield str(parameters[name])
    if file := parameters.get("model_config_file"):
        # It is replaced by renaming, which takes its folder.
        yield file if "://" in file else str(Path(file).parent)
    for file in parameters.get("files") or ():
        yield from [file["path"]] if "://" in file["path"] else _folders_of(Path(file["path"]))
    if pattern := parameters.get("pattern"):
        yield from _pattern_folders(str(parameters.get("project_dir", "")), pattern)


def _pattern_folders(project_dir: str, pattern: str) -> Iterator[str]:
    """Yields the folder at which a pattern's wildcards begin, and those that its files are in."""
    if "://" in pattern:
        yield pattern
        return
    wildcard = re.sub(r"\{[^}]*\}", "*", pattern)
    begin = re.split(r"[*?\[]", wildcard, maxsplit=1)[0]
    yield str(Path(project_dir, f"{begin}_").parent)
    files = glob.glob(wildcard, root_dir=project_dir or None, recursive=True)  # noqa: PTH207  # as resolve_inputs does
    yield from {folder for file in files for folder in _folders_of(Path(project_dir) / file)}


def _folders_of(file: Path) -> list[str]:
    """Returns the folder of a file, and of all that it leads to where it is a link."""
    return [str(place.parent) for place in _trail(file)]


def _trail(path: Path) -> list[Path]:
    """Returns a path, and what it becomes with each link in it followed."""
    for index in range(1, len(path.parts) + 1):
        begin = Path(*path.parts[:index])
        if begin.is_symlink():
            target = os.path.normpath(begin.parent / begin.readlink())
            return [path, *_trail(Path(target, *path.parts[index:]))]
    return [path]


def _with_targets(paths: set[Path]) -> set[Path]:
    """Returns the paths that are there, and what they come to where links lead elsewhere; none is below another."""
    found = {step for path in paths if path.exists() for step in _steps(path.absolute())}
    found = {place for path in found for place in _trail(path)}
    return {path for path in found if not any(parent in found for parent in path.parents)}


def _steps(path: Path) -> Iterator[Path]:
    """Yields a path, and for each `..` in it the folder that is left there: without it the path would lead nowhere."""
    for index, part in enumerate((*path.parts, "..")):
        if part == "..":
            yield Path(os.path.normpath(Path(*path.parts[:index])))


def _check(path: Path) -> Path:
    if str(path) in _SYSTEM_FOLDERS:
        raise UserError(
            "What a stage in a container reads or writes lies in a folder of its own.",
            received=str(path),
            remedy="Move it into a folder below: mounted, this one would hide the container's own.",
        )
    return path


def _variables(buckets: bool) -> dict[str, str]:
    if not buckets:
        return {}
    variables = {name: os.environ[name] for name in _BUCKET_VARIABLES if os.environ.get(name)}
    if "GOOGLE_APPLICATION_CREDENTIALS" not in variables and (file := Path.home() / _CREDENTIALS).is_file():
        variables["GOOGLE_APPLICATION_CREDENTIALS"] = str(file)
    return variables


def _network(urls: list[str]) -> str:
    if not urls:
        return "none"
    hosts = [urlsplit(url if "://" in url else f"//{url}").hostname or "" for url in urls]
    return "host" if any(map(_is_loopback, hosts)) else ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
