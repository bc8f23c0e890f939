"""The errors a stage reports on purpose, sorted by who has to act.

    SluiceError
    ├── UserError   exit 2: the input or the configuration is wrong; the user mends it and runs again
    └── Refusal     exit 3: an earlier stage said "no" and this one honours it

Everything else is a bug: it keeps its traceback and exits 1.
"""

from typing import Any

_LONGEST_VALUE = 500


class SluiceError(Exception):
    """An error with a rule, the value that broke it and a remedy.

    Args:
        rule: What must hold, as one sentence.
        received: What was found instead; shown after "Received:", shortened when long.
        remedy: What the reader can do about it, as one sentence.
    """

    exit_code = 1

    def __init__(self, rule: str, *, received: Any = None, remedy: str = "") -> None:
        shown = "" if received is None else f" Received: {_shorten(received)}."
        super().__init__(f"{rule}{shown}{' ' + remedy if remedy else ''}")


class UserError(SluiceError):
    """The input or the configuration is wrong, and only the user can mend it."""

    exit_code = 2


class Refusal(SluiceError):
    """A consumer honours a "no" that an earlier stage gave."""

    exit_code = 3


def _shorten(value: Any) -> str:
    text = str(value).rstrip(".")  # the sentence brings its own full stop
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}… ({len(text)} characters)"
