"""Options that several commands have, and how they print."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

ProjectPath = Annotated[Path, typer.Argument(metavar="PROJECT", help="Folder of the project, which holds project.yaml.")]
ServingDir = Annotated[
    str | None,
    typer.Option("--serving-dir", metavar="DIR", help="Base path of the model, or gs:// URL.", show_default="the project's"),
]


def make_console(*, stderr: bool = False) -> Console:
    """Returns where a command prints."""
    # Paths and digests are shown as they are: with emoji on, `sha256:abc:` would end in a picture.
    return Console(stderr=stderr, emoji=False)


def warn_of_other_code(image: str, console: Console) -> None:
    """Prints a line if the image is known to hold other programs than this repository."""
    from pipelines import images_lock  # noqa: PLC0415  # only some commands need it

    if text := images_lock.why_stale(image, images_lock.IMAGES_LOCK):
        console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)
