"""Renders the files of a project: YAML and Python whose values are quoted so that no data can change what they say."""

import json
import math
import re
import textwrap
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*", re.ASCII)
_WORDS_OF_YAML = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_LINE, _WIDTH = 88, 120


def render(template: str, **context: Any) -> str:
    """Returns a file made from a template of this folder."""
    environment = jinja2.Environment(  # noqa: S701  # these are no HTML; every value passes a filter
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"yaml": to_yaml, "quoted": quote, "plain": to_plain, "python": to_python}
    environment.filters |= {"line": to_line, "comment": to_comment}
    return environment.get_template(template).render(**context)


def to_yaml(value: Any) -> str:
    """Returns a value in YAML on one line; a text is quoted unless it can be read as a text only."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{to_yaml(key)}: {to_yaml(item)}' for key, item in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(to_yaml, value))}]"
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and value.lower() not in _WORDS_OF_YAML else quote(value)
    return to_plain(value) if isinstance(value, float) else json.dumps(value)


def quote(text: str) -> str:
    """Returns a text in double quotes, with YAML's escapes where a character cannot be printed."""
    written = json.dumps(text, ensure_ascii=False)
    return "".join(character if character.isprintable() else f"\\U{ord(character):08X}" for character in written)


def to_plain(value: float) -> str:
    """Returns a number without an exponent, whose forms YAML 1.1 and JSON do not share."""
    return np.format_float_positional(value, precision=6, fractional=False, trim="-") if math.isfinite(value) else "0"


def to_line(text: str) -> str:
    """Returns a text as one line for a comment."""
    return "".join(character if character.isprintable() else " " for character in " ".join(text.split()))


def to_comment(text: str) -> str:
    """Returns a text as lines of a comment."""
    return "\n".join(textwrap.wrap(to_line(text), _WIDTH, initial_indent="# ", subsequent_indent="# "))


def to_python(value: Any) -> str:
    """Returns a text or a list of texts as Python code, formatted as a formatter would leave it."""
    if isinstance(value, str):
        return json.dumps(value)
    items = [to_python(item) for item in value]
    line = f"[{', '.join(items)}]"
    return line if len(line) + len("CATEGORIES = ") <= _LINE else "[\n" + "".join(f"    {item},\n" for item in items) + "]"
