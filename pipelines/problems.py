"""Problems of project.yaml that the stages' own checks find, to stand among those of pydantic."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from pydantic_core import PydanticCustomError

from components._shared.errors import UserError


@contextlib.contextmanager
def as_problem() -> Iterator[None]:
    """Makes a problem of what the stages' own classes refuse, to stand among the others."""
    try:
        yield
    except UserError as error:
        raise PydanticCustomError("user_error", "{text}", {"text": str(error)}) from error


def checked_by(parse: Callable[[str], Any]) -> Callable[[str], str]:
    """Returns a validator that lets a text through as it is if a stage's function can read it."""

    def check(text: str) -> str:
        with as_problem():
            parse(text)
        return text

    return check
