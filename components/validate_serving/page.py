"""Writes what was found: as a page for people, and as JSON."""

import dataclasses
from pathlib import Path
from typing import Any

from components._report.page import render_fragment, render_page
from components._shared.artifacts import DETAILS_FILE, SERVING_REPORT_FILE
from components._shared.gates import GateReport, Verdict
from components._shared.outputs import write_json, write_text
from components._shared.policy import Policy
from components.validate_serving.job import Job, Outcome
from components.validate_serving.latency import Latency
from components.validate_serving.predictions import VALID

FORMAT = "sluice/serving-report/1"


def write_page(
    report: str | Path, serving_report: str | Path, *, found: GateReport, bounds: Policy, task: Job, **findings: Any
) -> None:
    """Writes the page, and the part of it that the decision's page shows as well.

    Args:
        report: File to write the page to.
        serving_report: Folder to write the part to.
        found: The verdicts.
        bounds: The gates' bounds.
        task: What the server was asked.
        **findings: The template's other variables: outcome, latencies, size_mb (megabytes on disk), and the rows to show.
    """
    known = {"found": found, "bounds": bounds, "label": task.label, "valid": VALID[task.label.kind]}
    asked = [way for row in findings["worst_rows"] for way in row["answers"]]
    known["ways"] = list(dict.fromkeys([*task.ways, *asked]))  # other groupings are shown where they differ
    known |= {"failed": any(gate.verdict is Verdict.FAILED for gate in found.gates), **findings}
    folder = Path(__file__).parent
    details = render_fragment(folder / "details.html.j2", **known)
    write_text(Path(serving_report) / DETAILS_FILE, details)
    write_text(report, render_page(folder / "report.html.j2", title="Serving validation", details=details, **known))


def write_report(
    serving_report: str | Path,
    found: GateReport,
    outcome: Outcome,
    latencies: list[Latency],
    rows: dict[str, list[dict[str, Any]]],
) -> None:
    """Writes the measurements and, last, the gates' report, without which the decision says no.

    Args:
        serving_report: Folder to write to.
        found: The verdicts.
        outcome: What came of asking the server.
        latencies: One per batch size that was measured.
        rows: The rows that show what is wrong, by kind.
    """
    document = {
        "format": FORMAT,
        "server": outcome.server,
        **dataclasses.asdict(found.evidence),
        "seconds": outcome.seconds,
        "failure": outcome.failure,
        "log_tail": outcome.log_tail,
        "measured": None if outcome.measured is None else dataclasses.asdict(outcome.measured),
        "latency": [dataclasses.asdict(latency) for latency in latencies],
        **rows,
        "gates": [dataclasses.asdict(gate) for gate in found.gates],
    }
    write_json(Path(serving_report) / SERVING_REPORT_FILE, document)
    found.write(serving_report, beside=(DETAILS_FILE,))
