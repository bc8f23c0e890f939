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
