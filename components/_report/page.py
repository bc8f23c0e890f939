"""Renders self-contained HTML pages: one file, no script, no network, every value escaped.

The Kubeflow dashboard shows them in an iframe with `sandbox="allow-scripts"` and without network access.
"""

import math
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

_TEMPLATES = Path(__file__).parent / "templates"


def render_page(template: str | Path, /, **context: Any) -> str:
    """Returns a page.

    Args:
        template: A `.html.j2` file, usually `report.html.j2` in the stage's folder, that extends `base.html.j2`
            and may import `macros.html.j2`.
        **context: The template's variables; `title` is required.
    """
    return _render(Path(template), context)


def render_fragment(template: str | Path, /, **context: Any) -> Markup:
    """Returns a part of a page, with its values escaped, to be put into pages as it is.

    Args:
        template: A `.html.j2` file that may import `macros.html.j2`.
        **context: The template's variables.
    """
    return Markup(_render(Path(template), context))  # noqa: S704  # autoescaped


def _render(template: Path, context: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, _TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = format_number
    return environment.get_template(template.name).render(**context)


def format_number(value: float | int | None) -> str:
    """Returns a number as a reader wants it: thousands separated, four significant digits, a dash for nothing."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if isinstance(value, int) or (abs(value) >= 1000 and float(value).is_integer()):
        return f"{int(value):,}"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
