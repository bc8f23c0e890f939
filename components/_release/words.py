"""What people say for the ledger: who they are, and why they want something."""

from components._shared.errors import UserError


def read_words(what: str, text: str) -> str:
    """Returns a name or a reason on one line.

    Raises:
        UserError: If nothing is left, or it holds what people cannot read.
    """
    words = " ".join(text.split())
    if not words or not words.isprintable():
        raise UserError(f"The ledger keeps {what}, in text that people can read.", received=repr(text))
    return words
