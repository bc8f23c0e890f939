"""Names that features can have, for columns that have others."""

import keyword
import re
import unicodedata
from collections.abc import Sequence

_VALID = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)


def rename_columns(originals: Sequence[str]) -> dict[str, str]:
    """Returns a new name for each column whose own no feature can have.

    Accents go, and whatever is no letter, digit or underscore becomes an underscore. Names that would then be alike, or
    differ in upper and lower case only, get a number. A column that can keep its name keeps it.

    Args:
        originals: The names in the data, all different.
    """
    taken = set[str]()
    kept = []
    for name in originals:
        if _is_valid(name) and name.lower() not in taken:
            taken.add(name.lower())
            kept.append(name)
    renamed = {}
    for position, original in enumerate(originals, 1):
        if original in kept:
            continue
        plain = _plain(original) or f"column_{position}"
        name, number = plain, 2
        while not _is_valid(name) or name.lower() in taken:
            name, number = f"{plain}_{number}", number + 1
        taken.add(name.lower())
        renamed[original] = name
    return renamed


def words_of(name: str) -> list[str]:
    """Returns the words of a column's name in lower case: `CustomerID`, `customer-id` and `customer_id` have the same."""
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return [word.lower() for word in re.split(r"[\W_]+", apart) if word]


def _is_valid(name: str) -> bool:
    return _VALID.fullmatch(name) is not None and not keyword.iskeyword(name) and name != "self"


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    plain = re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9]+", "_", letters)).strip("_")
    return f"column_{plain}" if plain[:1].isdigit() or keyword.iskeyword(plain) or plain == "self" else plain
