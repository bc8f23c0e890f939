"""The parity gate: serving's predictions against the evaluation's, on the same raw rows."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components._shared.artifacts import CANDIDATE, PREDICTIONS_FILE
from components._shared.gates import Evidence, GateResult, Measurement, Verdict, read_gate_report
from components._shared.policy import ParityGate
from components.validate_serving import job

_WORST_ROWS = 10


class NoPredictionsError(Exception):
    """The evaluation's predictions cannot be compared; the text says why, as a sentence."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parity:
    """What the comparison found.

    Attributes:
        result: The gate's verdict.
        worst: The rows that differ most, worst first: `row` (its number in the test split), `evaluation`, `answers` by way of
            asking, `difference`, and `values` of the raw features. Numbers that are not finite are None.
    """

    result: GateResult
    worst: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def read_predictions(evaluation: str | Path, evidence: Evidence, test_rows: int, label: str, rows: pa.Table) -> np.ndarray:
    """Returns the candidate's predictions from the evaluation, once they are known to be of this model and these rows.

    Args:
        evaluation: Folder of the evaluation.
        evidence: What the evaluation must be about.
        test_rows: Rows of the whole test split.
        label: Name of the label column.
        rows: The first rows of the test split, with the label.

    Returns:
        One prediction per row of `rows`, float64 of shape [rows].

    Raises:
        NoPredictionsError: If they are missing, unreadable, or about another model, other data or another order of rows.
    """
    _check_evidence(evaluation, evidence)
    try:
        table = pq.read_table(Path(evaluation) / PREDICTIONS_FILE)
    except (OSError, pa.ArrowInvalid) as error:
        raise NoPredictionsError(f"The evaluation's {PREDICTIONS_FILE} is missing or unreadable: {error}") from error
    if CANDIDATE not in table.column_names:
        raise NoPredictionsError(f"The evaluation's {PREDICTIONS_FILE} has no column {CANDIDATE!r}.")
    if table.num_rows != test_rows:
        raise NoPredictionsError(f"The evaluation predicted {table.num_rows:,} rows; the test split has {test_rows:,}.")
    if label in table.column_names and label in rows.column_names and not _same(table[label], rows[label]):
        raise NoPredictionsError("The evaluation's labels are not those of the test split in the same order.")
    return table[CANDIDATE].slice(0, rows.num_rows).to_numpy().astype(np.float64)


def judge_parity(bounds: ParityGate, predictions: np.ndarray, answers: dict[str, np.ndarray], rows: pa.Table) -> Parity:
    """Compares every way of asking with the evaluation; a row passes when |answer - prediction| <= tolerance.

    Args:
        bounds: The gate's bounds.
        predictions: The evaluation's predictions, float64 of shape [rows].
        answers: Serving's answers, one array of shape [rows] per way of asking; a way that is missing fails.
        rows: The raw rows.
    """
    differences = {way: np.abs(answers[way].astype(np.float64) - predictions) for way in job.ANSWERS if way in answers}
    measurements = [_measure(way, differences.get(way), bounds.tolerance) for way in job.ANSWERS]
    passed = all(measurement.passed for measurement in measurements)
    largest = np.max([_unknown_as_infinite(values) for values in differences.values()], axis=0) if differences else None
    result = GateResult(
        gate="parity",
        verdict=Verdict.PASSED if passed else Verdict.FAILED,
        reason=_reason(differences, largest, bounds.tolerance),
        measurements=tuple(measurements),
    )
    return Parity(result=result, worst=[] if largest is None else _worst(largest, predictions, answers, rows))


def _check_evidence(evaluation: str | Path, evidence: Evidence) -> None:
    try:
        report = read_gate_report(evaluation)
    except (OSError, ValueError) as error:
        raise NoPredictionsError(f"The evaluation's gate report is missing or unreadable: {error}") from error
    if report.stage != "evaluate_model":
        raise NoPredictionsError(f"The evaluation's gate report was written by {report.stage!r}.")
    found, wanted = dataclasses.asdict(report.evidence), dataclasses.asdict(evidence)
    for key, value in wanted.items():
        if found[key] != value:
            what = key.replace("_", " ")
            raise NoPredictionsError(
                f"The evaluation is about another {what}: {found[key] or 'none'} instead of {value or 'none'}."
            )


def _same(predicted: pa.ChunkedArray, labels: pa.ChunkedArray) -> bool:
    return predicted.slice(0, len(labels)).to_pylist() == labels.to_pylist()


def _measure(way: str, differences: np.ndarray | None, tolerance: float) -> Measurement:
    name = f"largest difference: {job.ANSWERS[way]}"
    if differences is None:
        return Measurement(name=name, value=None, upper_bound=tolerance, passed=False, note="not answered")
    largest, beyond = float(np.max(differences)), int(np.count_nonzero(~(differences <= tolerance)))
    return Measurement(
        name=name,
        value=largest if np.isfinite(largest) else None,
        upper_bound=tolerance,
        rows=len(differences),
        passed=beyond == 0,
        note=f"{beyond:,} rows beyond" if beyond else "",
    )


def _reason(differences: dict[str, np.ndarray], largest: np.ndarray | None, tolerance: float) -> str:
    if unanswered := [job.ANSWERS[way] for way in job.ANSWERS if way not in differences]:
        return f"Serving gave no answer to compare through: {'; '.join(unanswered)}."
    assert largest is not None
    rows, beyond, worst = len(largest), int(np.count_nonzero(~(largest <= tolerance))), float(np.max(largest))
    shown = f"the largest difference is {worst:.3g}" if np.isfinite(worst) else "some are not numbers"
    if beyond:
        others = f"{beyond:,} of {rows:,} rows get another prediction in serving than in evaluation"
        return f"{others}: {shown}, allowed is {tolerance:g}."
    return f"All {rows:,} rows get the same prediction in serving as in evaluation, through every signature: {shown}."


def _worst(
    largest: np.ndarray, predictions: np.ndarray, answers: dict[str, np.ndarray], rows: pa.Table
) -> list[dict[str, Any]]:
    order = np.argsort(-largest, kind="stable")[:_WORST_ROWS]
    values = rows.take(pa.array(order)).to_pylist()
    return [
        {
            "row": int(index),
            "evaluation": _number(predictions[index]),
            "answers": {way: _number(answers[way][index]) for way in answers if way in job.ANSWERS},
            "difference": _number(largest[index]),
            "values": {name: plain_value(value) for name, value in row.items()},
        }
        for index, row in zip(order, values, strict=True)
    ]


def _unknown_as_infinite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), np.inf, values)


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def plain_value(value: Any) -> str:
    """Returns a raw value as the page shows it."""
    if value is None:
        return "missing"
    if isinstance(value, float):
        return f"{value:.7g}"  # a float32 read as float64 has digits that nobody wrote
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
