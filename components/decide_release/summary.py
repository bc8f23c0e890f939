"""The decision in Markdown, for chats and pull requests."""

import json
import re
from typing import Any

from components._report.page import format_number
from components._shared.gates import Status

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!])")
_SIGNS = {"passed": "✅", "failed": "❌", "pending": "⏳"}


def render_summary(decision: dict[str, Any], title: str) -> str:
    """Returns the decision as a Markdown text: the verdict, a table of the gates, and what it rests on.

    Args:
        decision: The decision as it is written to decision.json.
        title: The first line.
    """
    lineage = decision["lineage"]
    lines = [
        f"## {escape_markdown(title)}",
        "",
        escape_markdown(decision["reason"]),
        "",
        *(f"- {text}: `{_code(command)}`" for text, command in what_to_do(decision)),
        *([""] if what_to_do(decision) else []),
        "| gate | verdict | reason |",
        "| --- | --- | --- |",
        *(_row(gate) for gate in decision["gates"]),
        "",
        *(f"- {name}: {escape_markdown(format_number(value))}" for name, value in _numbers(lineage["metrics"])),
        f"- data version: `{_code(decision['data_version'])}`",
        f"- model: `{_code(decision['model_digest'])}`",
        f"- live version: {escape_markdown(decision['baseline_version'] or 'none')}",
        f"- policy: `{_code(decision['policy_hash'])}`",
        *(f"- tightened by this run: {_describe(item)}" for item in decision["overrides"]),
    ]
    return "\n".join(lines) + "\n"


def what_to_do(decision: dict[str, Any]) -> list[tuple[str, str]]:
    """Returns what a reader can do about the decision, each with its command; nothing unless it is pending."""
    if decision["status"] != Status.PENDING:
        return []
    release = f"PROJECT@{decision['model_digest'].removeprefix('sha256:')[:12]}"
    answers = [(word, f'sluice {word} {release} --by NAME --reason "..."') for word in ("approve", "reject")]
    return [*answers, ("push what was approved", "sluice push PROJECT")]


def escape_markdown(text: str) -> str:
    """Returns text on one line with every sign escaped that means something in Markdown, tables included."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _row(gate: dict[str, Any]) -> str:
    verdict = gate["verdict"].replace("_", " ")
    return f"| {escape_markdown(gate['gate'])} | {_SIGNS.get(verdict, '➖')} {verdict} | {escape_markdown(gate['reason'])} |"


def _describe(override: dict[str, Any]) -> str:
    before = "nothing" if override["from"] is None else json.dumps(override["from"], ensure_ascii=False)
    return escape_markdown(f"{override['key']} from {before} to {json.dumps(override['to'], ensure_ascii=False)}")


def _numbers(metrics: dict[str, Any]) -> list[tuple[str, float]]:
    return [
        (escape_markdown(name), value)
        for name, value in metrics.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]


def _code(text: str) -> str:
    return " ".join(text.split()).replace("`", "'") or "unknown"
