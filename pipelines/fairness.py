"""Checks the settings of the fairness gate before anything runs."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from components._shared.attributes import split_attribute
from components._shared.policy import FairnessGate
from pipelines.rules import names_of_schema

_NAMES = tuple(field.name for field in dataclasses.fields(FairnessGate))
BOUNDS = tuple(name for name in _NAMES if name.endswith(("_difference", "_ratio")))
"""Names of the gate's bounds, all in [0, 1]."""


def problems_of_fairness(document: dict[str, Any], schema: Path) -> list[str]:
    """Returns the problems of `gates.fairness` that its types do not show.

    Args:
        document: What project.yaml holds, whatever that is.
        schema: The project's schema.pbtxt, which names the features that there are.
    """
    gates = document.get("gates")
    gate = gates.get("fairness") if isinstance(gates, dict) else None
    if not isinstance(gate, dict):
        return []
    problems = [] if _is_numeric(document) else _problems_of_thresholds(gate.get("decision_threshold", 0.5))
    if gate.get("decision_threshold") == []:
        problems.append("gates.fairness.decision_threshold: at least one number. Received: [].")
    given = gate.get("protected")
    protected = given if isinstance(given, list) else []
    known = names_of_schema(schema)
    for attribute in [item for item in protected if isinstance(item, str)]:
        features = split_attribute(attribute)
        if not all(features):
            problems.append(f"gates.fairness.protected: {json.dumps(attribute)} lacks a feature beside a `*`.")
        elif known and (unknown := [name for name in features if name not in known]):
            problems.append(f"gates.fairness.protected: {', '.join(unknown)}: no feature of {schema.name}.")
    if protected and not gate.get("off") and all(gate.get(name) is None for name in BOUNDS):
        names = f"Known: {', '.join(BOUNDS)}."
        problems.append(f"gates.fairness: `protected` needs a bound, such as max_equalized_odds_difference. {names}")
    return problems


def _problems_of_thresholds(given: Any) -> list[str]:
    numbers = [item for item in (given if isinstance(given, list) else [given]) if isinstance(item, int | float)]
    return [f"gates.fairness.decision_threshold: in [0, 1]. Received: {number}." for number in numbers if not 0 <= number <= 1]


def _is_numeric(document: dict[str, Any]) -> bool:
    """Returns whether the label is a number, whose decision thresholds are in its own unit."""
    source = document.get("source")
    label = source.get("label") if isinstance(source, dict) else None
    return isinstance(label, dict) and label.get("kind") == "numeric"
