"""Checks the business rules of a project, and what else has to suit its label, before anything runs."""

import re
from pathlib import Path
from typing import Any

from components._shared.label import REGRESSION_METRICS, LabelSpec
from components._shared.rules import label_problems, read_rules, rule_problems

_NAME = re.compile(r"""\bname\s*:\s*(?:"([^"]*)"|'([^']*)')""")


def problems_of_rules(gates: Any, schema: Path) -> list[str]:
    """Returns the problems of the gates' business rules, with the features that the schema does not name.

    The schema is looked through for names only: the stage, which reads it whole, says no to what gets past this.

    Args:
        gates: The `gates` of project.yaml, whatever they are.
        schema: The project's schema.pbtxt.
    """
    gate = gates.get("business_rules") if isinstance(gates, dict) else None
    rules = gate.get("rules", []) if isinstance(gate, dict) else []
    if problems := rule_problems(rules):
        return [f"gates.business_rules.{problem}" for problem in problems]
    if not rules or not schema.is_file():
        return []
    known = names_of_schema(schema)
    return [
        f"gates.business_rules.rules.{index}: {', '.join(unknown)}: no feature of {schema.name}."
        for index, rule in enumerate(read_rules(rules))
        if (unknown := sorted(rule.columns - known))
    ]


def problems_of_label(policy: dict[str, Any], label: LabelSpec) -> list[str]:
    """Returns the settings of the gates that do not suit the kind of label.

    Args:
        policy: The gates' bounds as a JSON object.
        label: What is predicted.
    """
    metric, known = policy["regression"]["metric"], REGRESSION_METRICS[label.kind]
    problems = [f"gates.business_rules.{problem}" for problem in label_problems(policy["business_rules"]["rules"], label)]
    if metric not in ("auto", *known):
        problems.append(
            f"gates.regression.metric: one that suits a {label.kind} label: auto, {', '.join(known)}. Received: {metric!r}."
        )
    return problems


def names_of_schema(schema: Path) -> set[str]:
    """Returns every name in a schema.pbtxt, that of each feature among them; none where the file is missing."""
    if not schema.is_file():
        return set()
    return {double or single for double, single in _NAME.findall(schema.read_text(encoding="utf-8", errors="replace"))}
