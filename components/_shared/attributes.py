"""Protected attributes: one feature, or several whose values are crossed."""


def split_attribute(attribute: str) -> tuple[str, ...]:
    """Returns the features of a protected attribute: ("sex", "race") for "sex*race", ("sex",) for "sex"."""
    return tuple(dict.fromkeys(part.strip() for part in attribute.split("*")))
