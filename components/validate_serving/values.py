"""Writes values of rows as texts for people."""

from typing import Any

_MOST_ITEMS = 8


def plain_value(value: Any) -> str:
    """Returns a value of a row as the page shows it."""
    if value is None:
        return "missing"
    if isinstance(value, list):
        shown = [plain_value(item) for item in value[:_MOST_ITEMS]]
        return f"[{', '.join(shown)}{', …' if len(value) > _MOST_ITEMS else ''}]"
    if isinstance(value, float):
        return f"{value:.7g}"  # a float32 read as float64 has digits that nobody wrote
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def plain_row(row: dict[str, Any]) -> dict[str, str]:
    """Returns the values of a row as the page shows them, by feature."""
    return {name: plain_value(value) for name, value in row.items()}
