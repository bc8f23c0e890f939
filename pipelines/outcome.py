"""What came out of a run, read from what its stages wrote: gates, metrics, the decision and the pushed version."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components._release.waiting import Settled, describe
from components._shared.artifacts import DECISION_FILE, PUSHED_FILE
from components._shared.documents import read_object
from components._shared.gates import read_gate_report
from pipelines.stage_run import StageRun

_LIVE_PREFIX = "baseline_"
"""How evaluate_model names the live version's metrics, beside the candidate's."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came out of a run, so far.

    Attributes:
        gates: Each gate's `stage`, `gate`, `verdict` and `reason`; the decision's if there is one, else what was reported.
        metrics: The candidate's metrics over all test rows.
        live_metrics: The live version's over the same rows; empty if none is live.
        approved: Whether the decision says yes; None when there is none.
        status: What the decision comes to: approved, pending or refused; empty when there is none.
        waits_until: Until when the candidate waits for a person's approval, in ISO 8601; empty if it does not wait.
        model_digest: The candidate's, if the decision names it.
        settled: What became of candidates that had waited before, in sentences.
        pushed_version: The pushed version; empty if nothing was pushed.
        unchanged: Whether the candidate was that version before the run.
        reason: Why it was pushed or not; empty if the run did not come that far.
    """

    gates: tuple[dict[str, Any], ...] = ()
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    live_metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    approved: bool | None = None
    status: str = ""
    waits_until: str = ""
    model_digest: str = ""
    settled: tuple[str, ...] = ()
    pushed_version: str = ""
    unchanged: bool = False
    reason: str = ""


def read_outcome(runs: Sequence[StageRun]) -> Outcome:
    """Returns what came out of the stages that succeeded; what is missing or unreadable is left out, never made up."""
    by_stage = {run.stage: run for run in runs if run.succeeded}
    decision = _read_object(by_stage.get("decide_release"), "decision", DECISION_FILE)
    pushed = _read_object(by_stage.get("push_model"), "pushed", PUSHED_FILE)
    version = by_stage["push_model"].parameters.get("pushed_version", "") if "push_model" in by_stage else ""
    reported = by_stage["evaluate_model"].metadata.get("metrics", {}) if "evaluate_model" in by_stage else {}
    numbers = {name: value for name, value in sorted(reported.items()) if isinstance(value, int | float)}
    return Outcome(
        gates=tuple(decision.get("gates") or _reported_gates(runs)),
        metrics={name: value for name, value in numbers.items() if not name.startswith(_LIVE_PREFIX)},
        live_metrics={
            name.removeprefix(_LIVE_PREFIX): value for name, value in numbers.items() if name.startswith(_LIVE_PREFIX)
        },
        approved=decision.get("approved"),
        status=str(decision.get("status") or ""),
        waits_until=str(pushed.get("deadline") or ""),
        model_digest=str(decision.get("model_digest") or ""),
        settled=_read_settled(runs),
        pushed_version=str(version),
        unchanged=pushed.get("unchanged") is True,
        reason=str(pushed.get("reason") or decision.get("reason") or ""),
    )


def _read_object(run: StageRun | None, artifact: str, name: str) -> dict[str, Any]:
    if run is None:
        return {}
    try:
        return read_object(run.folder / artifact / name)
    except (OSError, ValueError):
        return {}


def _read_settled(runs: Sequence[StageRun]) -> tuple[str, ...]:
    # What had waited is settled even where push_model then refuses its own model.
    push = next((run for run in runs if run.stage == "push_model"), None)
    items = _read_object(push, "pushed", PUSHED_FILE).get("settled")
    try:
        return tuple(f"{describe(settled)}. {settled.reason}" for settled in [Settled(**item) for item in items or ()])
    except TypeError:  # written by another program
        return ()


def _reported_gates(runs: Sequence[StageRun]) -> list[dict[str, Any]]:
    gates: list[dict[str, Any]] = []
    for run in runs:
        for folder in sorted(path for path in run.folder.glob("*") if path.is_dir()):
            gates += _gates_in(folder)
    return gates


def _gates_in(folder: Path) -> list[dict[str, Any]]:
    try:
        report = read_gate_report(folder)
    except (OSError, ValueError):
        return []
    return [
        {"stage": report.stage, "gate": gate.gate, "verdict": gate.verdict.value, "reason": gate.reason}
        for gate in report.gates
    ]
