"""Builds the image of a project: the image of the stages, and the project's files in /project."""

import fnmatch
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from components._shared.errors import UserError
from components._shared.images import IMAGE, PROJECT_DIR
from pipelines.config import PROJECT_FILE, Project, load_project
from pipelines.container_engine import find_engine
from pipelines.images_lock import BASE_NAME, IMAGES_LOCK, code_of, lock_image, project_image_name, read_images_lock

LEFT_OUT = ("data", "served", "runs")
"""Folders of a project that no image holds, besides those that project.yaml names: data and models live elsewhere."""
_LITTER = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


def build_project_image(
    project: Project, *, tag: str = "", engine: str = "", base: str = "", push: bool = False, lock: Path = IMAGES_LOCK
) -> str:
    """Builds a project's image and records it in containers/images.lock, where `sluice compile` finds it.

    Args:
        project: The project.
        tag: The image's name; `sluice-project-<name>:latest` if empty.
        engine: `docker` or `podman`; whichever answers if empty.
        base: Image of the stages; if empty the one in a registry that `make images` locked, else `sluice:latest`.
        push: Whether to push it, so that the registry's digest is recorded and not the local image's.
        lock: File in which it is recorded.

    Returns:
        The reference that was recorded.

    Raises:
        UserError: If no engine answers, the engine fails, or the project's code would not be whole in the image.
    """
    engine = find_engine(engine).program
    tag = tag or f"{project_image_name(project.name)}:latest"
    with tempfile.TemporaryDirectory() as folder:
        write_context(project, Path(folder), base or _locked_base(lock))
        options = ["--format", "docker"] if engine == "podman" else []  # as the base, whose health check it keeps
        _run([engine, "build", *options, "--tag", tag, folder])
        reference = _push(engine, tag, Path(folder)) if push else _local_digest(engine, tag)
    lock_image(project_image_name(project.name), reference, lock, code="" if base else code_of(BASE_NAME, lock))
    return reference


def write_context(project: Project, context: Path, base: str) -> None:
    """Writes what an engine builds the image from: a Dockerfile, and the project without data, models and runs.

    Args:
        project: The project.
        context: An empty folder.
        base: Image of the stages.

    Raises:
        UserError: If a file cannot be read, or stages would find other code in the image than in the folder.
    """
    left_out = _left_out(project)
    beside_project_file = shutil.ignore_patterns(*left_out)

    def ignore(folder: str, names: list[str]) -> set[str]:
        return _LITTER(folder, names) | (beside_project_file(folder, names) if Path(folder) == project.folder else set())

    try:
        shutil.copytree(project.folder, context / "project", ignore=ignore)
    except (OSError, shutil.Error) as error:
        raise UserError("The files of a project can be read.", received=error) from error
    if load_project(context / "project").digests != project.digests:
        raise UserError(
            "The image holds all of the project's code.",
            received=f"Python packages in folders that images leave out: {', '.join(sorted(set(left_out)))}",
            remedy="Give the package another name.",
        )
    lines = [f"FROM {base}", f'LABEL sluice.project="{project.name}"', f"COPY project {PROJECT_DIR}"]
    (context / "Dockerfile").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _left_out(project: Project) -> list[str]:
    """Returns patterns of names beside project.yaml: the usual folders, and where this project has its data and models."""
    named = [Path(place).parts[0] for place in (project.source.pattern, str(project.serving.directory))]
    named = [re.sub(r"\{\w+\}", "*", name) for name in named]
    return [*LEFT_OUT, *(name for name in named if not fnmatch.fnmatch(PROJECT_FILE, name))]


def _locked_base(lock: Path) -> str:
    # Builders find no local image by its digest, so that without a registry the tag has to do.
    reference = read_images_lock(lock).get(BASE_NAME, "")
    return reference if "@" in reference else IMAGE


def _local_digest(engine: str, tag: str) -> str:
    return "sha256:" + _run([engine, "image", "inspect", "--format", "{{.Id}}", tag]).removeprefix("sha256:")


def _push(engine: str, tag: str, folder: Path) -> str:
    """Pushes an image and returns its reference by the registry's digest."""
    name = tag.rpartition(":")[0] if ":" in tag.rpartition("/")[2] else tag
    if engine == "podman":
        file = folder / "digest"
        _run([engine, "push", "--digestfile", str(file), tag])
        return f"{name}@{file.read_text(encoding='utf-8').strip()}"
    _run([engine, "push", tag])
    digests = _run([engine, "image", "inspect", "--format", "{{range .RepoDigests}}{{println .}}{{end}}", tag]).split()
    return pushed_reference(name, digests)


def pushed_reference(name: str, digests: list[str]) -> str:
    """Returns an image's reference in the registry that it was pushed to.

    Args:
        name: Registry and name, without a tag.
        digests: Its references in all registries, as docker tells them: without `docker.io/`, and `library/` below it.

    Raises:
        UserError: If that registry is not among them.
    """
    short = name.removeprefix("docker.io/").removeprefix("library/")
    for digest in digests:
        if digest.startswith((f"{name}@", f"{short}@")):
            return digest
    raise UserError("What was pushed has a digest in its registry.", received=f"{name}: {' '.join(digests) or 'none'}")


def _run(command: list[str]) -> str:
    """Runs an engine's command and returns what it printed last."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = "\n".join(done.stderr.strip().splitlines()[-3:])
        raise UserError(f"The container engine does what it is asked ({' '.join(command[:2])}).", received=last)
    return done.stdout.strip()
