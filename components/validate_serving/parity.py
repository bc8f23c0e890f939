"""The parity gate: serving's predictions against the evaluation's, on the same raw rows."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components._shared.artifacts import CANDIDATE, PREDICTIONS_FILE
from components._shared.gates import Evidence, GateResult, Measurement, Verdict, read_gate_report
from components._shared.label import LabelKind, LabelSpec
from components._shared.policy import ParityGate
from components.validate_serving import job
from components.validate_serving.groupings import Regrouped, compare_groupings, grouping_reason, key_of
from components.validate_serving.predictions import differences, expected_shape, farthest_class, of_class, per_row
from components.validate_serving.transform_parity import TransformParity
from components.validate_serving.values import plain_row

AGREEMENT = 1e-6
"""Greatest difference between REST and gRPC, which answer the same batches: JSON carries a float32 whole."""

_WORST_ROWS = 10


class NoPredictionsError(Exception):
    """The evaluation's predictions cannot be compared; the text says why, as a sentence."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parity:
    """What the comparison found.

    Attributes:
        result: The gate's verdict.
        worst: The rows that differ most, worst first: `row` (its number in the test split), `class` (the one that differs
            most, where the label has classes), `evaluation`, `answers` by way of asking, `difference`, and `values` of the raw
            features. Numbers that are not finite are None.
        differing: Rows of the features whose transform differs; see `TransformParity`.
    """

    result: GateResult
    worst: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    differing: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def with_transform(parity: Parity, transform: TransformParity) -> Parity:
    """Returns the verdict over both: predictions and transformed features agree, or the gate says no."""
    same = parity.result.verdict is Verdict.PASSED
    told = (parity.result.reason, transform.reason)
    only_features_differ = same and not transform.passed
    result = dataclasses.replace(
        parity.result,
        verdict=Verdict.PASSED if same and transform.passed else Verdict.FAILED,
        reason=" ".join(told[::-1] if only_features_differ else told),
        measurements=(*parity.result.measurements, *transform.measurements),
    )
    return dataclasses.replace(parity, result=result, differing=transform.differing)


def without_transform(parity: Parity, reason: str) -> Parity:
    """Returns the verdict over the predictions alone, with the reason why transformed features are not compared."""
    note = Measurement(name="transformed features", value=None, note=f"switched off: {reason}")
    result = dataclasses.replace(
        parity.result,
        reason=f"{parity.result.reason} Transformed features are not compared: {reason}",
        measurements=(*parity.result.measurements, note),
    )
    return dataclasses.replace(parity, result=result)


def read_predictions(
    evaluation: str | Path, evidence: Evidence, test_rows: int, label: LabelSpec, rows: pa.Table
) -> np.ndarray:
    """Returns the candidate's predictions from the evaluation, once they are known to be of this model and these rows.

    Args:
        evaluation: Folder of the evaluation.
        evidence: What the evaluation must be about.
        test_rows: Rows of the whole test split.
        label: The label.
        rows: The first rows of the test split, with the label.

    Returns:
        One prediction per row of `rows`, float64 of shape [rows]; [rows, classes] for a multiclass label.

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
    name = label.name
    if name in table.column_names and name in rows.column_names and not _same(table[name], rows[name]):
        raise NoPredictionsError("The evaluation's labels are not those of the test split in the same order.")
    return _predictions(table[CANDIDATE].slice(0, rows.num_rows).combine_chunks(), label)


def judge_parity(
    bounds: ParityGate,
    label: LabelSpec,
    predictions: np.ndarray,
    answers: dict[str, np.ndarray],
    rows: pa.Table,
    *,
    regroup: bool,
    ways: Mapping[str, str] = job.ANSWERS,
) -> Parity:
    """Compares every way of asking with the evaluation; a row passes when its difference is at most the tolerance.

    Args:
        bounds: The gate's bounds.
        label: What is predicted; it says how predictions are compared.
        predictions: The evaluation's predictions, as `read_predictions` returns them.
        answers: Serving's answers, one array of the same shape per way of asking; a way that is missing fails.
        rows: The raw rows.
        regroup: Whether the answers in other groupings are judged as well.
        ways: The ways of asking that the model has, each described.
    """
    apart = {way: differences(answers[way], predictions, label) for way in ways if way in answers}
    by_row = {way: per_row(values) for way, values in apart.items()}
    measurements = [_measure(ways[way], label, by_row.get(way), bounds.tolerance) for way in ways]
    default = job.RAW if job.RAW in ways else job.EXAMPLES
    between = per_row(differences(answers[job.REST], answers[default], label)) if {job.REST, default} <= apart.keys() else None
    measurements.append(_measure("between REST and gRPC", label, between, AGREEMENT))
    told = _unanswered(by_row, ways) or _reason(np.max([*apart.values()], axis=0), bounds.tolerance, measurements[-1])
    regrouped = list(compare_groupings(label, predictions, answers, ways)) if regroup else []
    if depends := grouping_reason(regrouped, bounds.tolerance, ways):
        told = depends if all(item.passed for item in measurements) else f"{depends} {told}"
    for item in regrouped:
        name = f"{ways[item.way]}, {item.grouping.name}"
        measurements.append(_measure(name, label, item.by_row(), bounds.tolerance))
    result = GateResult(
        gate="parity",
        verdict=Verdict.PASSED if all(item.passed for item in measurements) else Verdict.FAILED,
        reason=told,
        measurements=tuple(measurements),
    )
    differing = [item for item in regrouped if item.apart is not None and not item.agrees(bounds.tolerance)]
    apart |= {key_of(item.way, item.grouping): item.apart for item in differing if item.apart is not None}
    worst = _worst(label, np.max([*apart.values()], axis=0), predictions, answers, differing, rows) if apart else []
    return Parity(result=result, worst=worst)


def _predictions(column: pa.Array, label: LabelSpec) -> np.ndarray:
    several = label.kind is LabelKind.MULTICLASS
    sizes = (column.type.list_size,) if pa.types.is_fixed_size_list(column.type) else ()
    if sizes != expected_shape(label, 0)[1:] or column.null_count:
        wanted = f"{len(label.classes)} probabilities" if several else "one number"
        raise NoPredictionsError(f"The evaluation's predictions are not {wanted} per row but {column.type}.")
    flat = column.flatten() if several else column
    return flat.to_numpy(zero_copy_only=False).astype(np.float64).reshape(expected_shape(label, len(column)))


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


def _measure(what: str, label: LabelSpec, apart: np.ndarray | None, tolerance: float) -> Measurement:
    relative = "relative " if label.kind is LabelKind.NUMERIC else ""
    name = f"largest {relative}difference: {what}"
    if apart is None:
        return Measurement(name=name, value=None, upper_bound=tolerance, passed=False, note="not answered")
    largest, beyond = float(np.max(apart)), int(np.count_nonzero(~(apart <= tolerance)))
    return Measurement(
        name=name,
        value=largest if np.isfinite(largest) else None,
        upper_bound=tolerance,
        rows=len(apart),
        passed=beyond == 0,
        note=f"{beyond:,} rows beyond" if beyond else "",
    )


def _unanswered(by_row: dict[str, np.ndarray], ways: Mapping[str, str]) -> str:
    unanswered = [text for way, text in ways.items() if way not in by_row]
    return f"Serving gave no answer to compare through: {'; '.join(unanswered)}." if unanswered else ""


def _reason(largest: np.ndarray, tolerance: float, between: Measurement) -> str:
    apart = per_row(largest)
    rows, beyond, worst = len(apart), int(np.count_nonzero(~(apart <= tolerance))), float(np.max(apart))
    shown = f"the largest difference is {worst:.3g}" if np.isfinite(worst) else "some are not numbers"
    if beyond:
        others = f"{beyond:,} of {rows:,} rows get another prediction in serving than in evaluation"
        return f"{others}: {shown}, allowed is {tolerance:g}."
    if not between.passed:
        return f"REST and gRPC give different predictions: {between.note}, the largest difference is {between.value:.3g}."
    return f"All {rows:,} rows get the same prediction in serving as in evaluation, through every signature: {shown}."


def _worst(
    label: LabelSpec,
    largest: np.ndarray,
    predictions: np.ndarray,
    answers: dict[str, np.ndarray],
    differing: list[Regrouped],
    rows: pa.Table,
) -> list[dict[str, Any]]:
    order, found = np.argsort(-per_row(largest), kind="stable")[:_WORST_ROWS], list[dict[str, Any]]()
    for row, values in zip(order, rows.take(pa.array(order)).to_pylist(), strict=True):
        name, difference = farthest_class(largest, row, label), float(per_row(largest)[row])
        shown = {way: answers[way] for way in job.ANSWERS if way in answers}
        shown |= {
            key_of(item.way, item.grouping): item.answers
            for item in differing
            if item.answers is not None and row in item.order
        }
        found.append(
            {
                "row": int(row),
                "class": name,
                "evaluation": of_class(predictions, row, name, label),
                "answers": {way: of_class(values, row, name, label) for way, values in shown.items()},
                "difference": difference if np.isfinite(difference) else None,
                "values": plain_row(values),
            }
        )
    return found
