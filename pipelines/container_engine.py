"""The program that runs containers on this machine: docker or podman, by their command lines."""

import dataclasses
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from components._shared.errors import UserError

ENGINES = ("docker", "podman")
IMAGE_USER = 65532
"""User and group of the stages where the runner itself is root; the images' own."""

_ANSWER_SECONDS = 60.0
_CALL_SECONDS = 180.0
_NOTHING: Mapping[str, str] = MappingProxyType({})
_PROBES = {
    "docker": ("info", "--format", "{{json .SecurityOptions}}"),
    # Not `info`, which waits for as long as another podman builds an image.
    "podman": ("version",),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Engine:
    """A container engine that answers.

    Attributes:
        program: `docker` or `podman`.
        rootless: Whether it works without root, in a user namespace of its caller.
        uid: User who runs the pipeline.
        gid: That user's group.
    """

    program: str
    rootless: bool
    uid: int
    gid: int

    @property
    def owner(self) -> int | None:
        """The user whom folders that a stage writes into must belong to; None where that is the caller."""
        return IMAGE_USER if self.uid == 0 and not self.rootless else None

    def user_options(self) -> list[str]:
        """Returns the options that make a stage run as a user without rights, who may write the caller's folders."""
        if self.owner is not None:
            return ["--user", f"{self.owner}:{self.owner}"]
        if not self.rootless:
            return ["--user", f"{self.uid}:{self.gid}"]
        if self.program == "podman":
            return ["--userns", "keep-id", "--user", f"{self.uid}:{self.gid}"]
        # Rootless Docker maps no other user to the caller: root in there is the caller out here.
        return ["--user", "0:0"]

    def remove_command(self, name: str) -> list[str]:
        """Returns the command that kills and removes a container at once, in whatever state it is."""
        at_once = ["--time", "0"] if self.program == "podman" else []
        return [self.program, "rm", "--force", *at_once, "--volumes", name]

    def call(self, *arguments: str, variables: Mapping[str, str] = _NOTHING) -> str:
        """Runs a command of the engine and returns what it printed.

        Args:
            arguments: The command and its arguments.
            variables: Environment variables besides this program's own.

        Raises:
            UserError: If it fails or does not end.
        """
        try:
            done = _run([self.program, *arguments], _CALL_SECONDS, variables)
        except subprocess.TimeoutExpired as error:
            raise UserError("The container engine answers.", received=f"nothing from {self.program} {arguments[0]}") from error
        if done.returncode != 0:
            raise UserError(
                f"The container engine does what it is asked ({self.program} {arguments[0]}).",
                received=done.stderr.strip() or f"exit code {done.returncode}",
            )
        return done.stdout.strip()

    def image_id(self, image: str) -> str:
        """Returns the identity (`sha256:…`) of an image that is on this machine.

        Raises:
            UserError: If it is not; nothing is pulled without being asked for.
        """
        done = _run([self.program, "image", "inspect", "--format", "{{.Id}}", image], _CALL_SECONDS)
        if done.returncode != 0:
            raise UserError(
                f"The image of the stages is known to {self.program}.",
                received=image,
                remedy=f"Build it with `make images`, get it with `{self.program} pull {image}`, or name another with --image.",
            )
        return f"sha256:{done.stdout.strip().removeprefix('sha256:')}"

    def hand_over(self, folder: Path) -> None:
        """Lets the stages' user write a folder that this program has just made."""
        if self.owner is not None:
            os.chown(folder, self.owner, self.owner)

    def check_writable(self, folder: Path) -> None:
        """Checks that the stages' user may write a folder that others made.

        Raises:
            UserError: If that is known not to be so: the runner is root and the folder another user's than the stages'.
        """
        if self.owner is not None and folder.exists() and folder.stat().st_uid != self.owner:
            raise UserError(
                "Containers that root starts run as a user without rights, to whom the folders they write belong.",
                received=f"{folder} belongs to user {folder.stat().st_uid}",
                remedy=f"Run `chown -R {self.owner}:{self.owner} {folder}`, or run the pipeline as another user than root.",
            )


def find_engine(program: str = "") -> Engine:
    """Returns the engine of that name, or the first one that answers.

    Raises:
        UserError: If it is unknown, or none answers.
    """
    if program and program not in ENGINES:
        raise UserError("The container engine is docker or podman.", received=program)
    refusals = []
    for candidate in [program] if program else ENGINES:
        try:
            done = _run([candidate, *_PROBES[candidate]], _ANSWER_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            refusals.append(f"{candidate}: {error}")
            continue
        if done.returncode == 0:
            return Engine(program=candidate, rootless=_is_rootless(candidate, done.stdout), uid=os.getuid(), gid=os.getgid())
        refusals.append(f"{candidate}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    raise UserError(
        "A container engine answers: docker or podman.",
        received="; ".join(refusals),
        remedy="Install or start one; `sluice run` without --containers needs none.",
    )


def _is_rootless(program: str, told: str) -> bool:
    return os.getuid() != 0 if program == "podman" else "name=rootless" in told


def _run(command: list[str], seconds: float, variables: Mapping[str, str] = _NOTHING) -> "subprocess.CompletedProcess[str]":
    # In a session of its own: a Ctrl-C reaches the runner alone, which then removes the container.
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=seconds,
        start_new_session=True,
        env={**os.environ, **variables},
        check=False,
    )
