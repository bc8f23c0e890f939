"""Overrides of a run: what `--tighten` means, and whether the project's bounds allow it, before anything runs."""

import json
from collections.abc import Sequence
from typing import Any

from components._shared.documents import parse_json
from components._shared.errors import UserError
from components._shared.overrides import tighten
from pipelines.config import Project, problems_of_gates

PARAMETER = "overrides"


def settings_with_overrides(settings: Sequence[str], tightened: Sequence[str]) -> list[str]:
    """Returns the settings of a run, with what `--tighten` gave as one more.

    Args:
        settings: Pipeline parameters as `name=value`.
        tightened: Bounds as `gate.setting=value`.

    Raises:
        UserError: If a bound is not written so, is given twice, or `overrides` is set as well.
    """
    if not tightened:
        return list(settings)
    if any(setting.partition("=")[0] == PARAMETER for setting in settings):
        raise UserError("A run tightens bounds by --tighten or by --set overrides=, not by both.", received=list(tightened))
    return [*settings, f"{PARAMETER}={json.dumps(parse_overrides(tightened))}"]


def parse_overrides(texts: Sequence[str]) -> dict[str, Any]:
    """Returns overrides from texts such as `regression.margin=0.005`; a value that is no JSON is a text.

    Raises:
        UserError: If a text is not written so, or one bound is given twice.
    """
    overrides: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        *path, last = key.split(".")
        if not equals or not path or not all((*path, last)):
            remedy = "Write --tighten regression.margin=0.005, or --tighten evaluation.AUC.lower_bound=0.7."
            raise UserError("A tightened bound is `gate.setting=value`.", received=text, remedy=remedy)
        place = overrides
        for name in path:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                break
        if not isinstance(place, dict) or last in place:
            raise UserError("A bound is tightened once.", received=text)
        place[last] = _parse(value)
    return overrides


def check_overrides(project: Project, overrides: dict[str, Any]) -> None:
    """Checks that a run's overrides tighten the project's bounds; the stages check it again.

    Raises:
        UserError: If one does not, or is out of its range.
    """
    bounds = tighten(project.policy_json, project.evaluation, overrides)
    if problems := problems_of_gates(bounds.document):
        raise UserError("An override is within the range of its setting.", received=" ".join(problems))


def _parse(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        return text
