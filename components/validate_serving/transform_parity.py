"""Training-serving skew, feature by feature: what the served model makes of raw rows against what training saw of them."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components._data.examples import iterate_split
from components._shared.artifacts import EVAL, split_dir
from components._shared.gates import Measurement
from components._shared.label import LabelSpec
from components._shared.policy import ParityGate
from components.validate_serving.predictions import per_row, relative_differences
from components.validate_serving.values import plain_row, plain_value

_WORST_ROWS = 3
_MOST_FEATURES = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformParity:
    """What the comparison of the transformed features found.

    Attributes:
        reason: What was found, as a sentence.
        passed: Whether every feature is the same.
        features: Names of those that are not.
        measurements: The number of features that differ, and one for each of them.
        differing: Up to three rows of each feature that differs, worst first: `feature`, `row` (its number in the eval split),
            `training`, `serving` and `values` of the raw features, as texts.
    """

    reason: str
    passed: bool
    features: tuple[str, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    differing: list[dict[str, Any]] = dataclasses.field(default_factory=list)


def judge_transform(
    bounds: ParityGate,
    label: LabelSpec,
    served: pa.Table,
    transformed_examples: str,
    raw: pa.Table,
    rows: int,
    features: list[str] | None = None,
) -> TransformParity:
    """Compares what serving makes of the eval split's first raw rows with what training saw of them.

    Args:
        bounds: The gate's bounds.
        label: The label, which is no feature.
        served: What the signature gave.
        transformed_examples: Folder of the transformed examples.
        raw: The first raw rows of the eval split.
        rows: Rows of the whole eval split.
        features: Names of the transformed features; None for all but the label.

    Raises:
        UserError: If the transformed split has no shard or one cannot be read.
    """
    trained = next(iterate_split(transformed_examples, EVAL, batch_rows=bounds.rows), pa.table({}))
    total = sum(pq.read_metadata(path).num_rows for path in Path(transformed_examples, split_dir(EVAL)).glob("*.parquet"))
    if total != rows:
        return failure(f"Training saw {total:,} rows of the eval split; the examples have {rows:,}.")
    names = [name for name in trained.column_names if (name != label.name if features is None else name in features)]
    return compare_features(bounds, trained.select(names), served, raw)


def compare_features(bounds: ParityGate, trained: pa.Table, served: pa.Table, raw: pa.Table) -> TransformParity:
    """Compares the transformed features of the same raw rows: texts and integers exactly, floats within the tolerance.

    Args:
        bounds: The gate's bounds.
        trained: What training saw: one column per feature, a number, a text or a vector of fixed length.
        served: What the signature gave, of the same form.
        raw: The raw rows, in the same order.
    """
    if not raw.num_rows == trained.num_rows == served.num_rows:
        counts = f"{raw.num_rows:,} raw, {trained.num_rows:,} of training, {served.num_rows:,} of serving"
        return failure(f"The transformed rows of the eval split are not those of its raw rows: {counts}.")
    rows, names = raw.num_rows, sorted({*trained.column_names, *served.column_names})
    found = {name: _differences(name, trained, served) for name in names}
    beyond = {name: apart for name, apart in found.items() if isinstance(apart, str) or not (apart <= bounds.tolerance).all()}
    count = Measurement(
        name="transformed features that differ from training's",
        value=len(beyond),
        upper_bound=0,
        rows=rows,
        passed=not beyond and bool(names),
        note=f"of {len(names)}, over raw rows of the eval split",
    )
    each = tuple(_measure(name, apart, bounds) for name, apart in beyond.items())
    differing = list[dict[str, Any]]()
    for name, apart in list(beyond.items())[:_MOST_FEATURES]:
        if not isinstance(apart, str):
            differing += _worst(name, apart, trained, served, raw)
    if not names:
        return failure("Training saw no feature to compare.")
    return TransformParity(
        reason=_reason(beyond, names, rows),
        passed=not beyond,
        features=tuple(beyond),
        measurements=(count, *each),
        differing=differing,
    )


def with_alone(
    bounds: ParityGate, found: TransformParity, served: pa.Table, alone: pa.Table | None, raw: pa.Table
) -> TransformParity:
    """Adds whether rows that are transformed one by one get the features that they get in a large batch.

    Args:
        bounds: The gate's bounds.
        found: What the comparison of the large batches with training found.
        served: What the signature gave in large batches.
        alone: What it gave of the first of these rows, each in a request of its own; None when it did not answer.
        raw: The raw rows, in the same order.
    """
    if served.num_rows != raw.num_rows:
        return found
    if alone is None or alone.num_rows == 0:
        return _merge(found, failure("Rows that are sent one by one are not transformed."))
    if alone.schema != served.schema:
        names = [
            name for name in served.column_names if name not in alone.column_names or alone[name].type != served[name].type
        ]
        return _merge(found, failure(f"Rows that are sent one by one give features of another form: {', '.join(names)}."))
    # Differences are relative to the spread over all rows, as in the large batches.
    laid = pa.concat_tables([alone, served.slice(alone.num_rows)])
    other = compare_features(bounds, served, laid, raw)
    shown, more = ", ".join(other.features[:5]), f" and {len(other.features) - 5} more" if len(other.features) > 5 else ""
    reason = (
        f"The transform depends on the other rows of the request: asked one by one, {len(other.features)} of "
        f"{served.num_columns} features differ: {shown}{more}. features.py uses a statistic of the batch; use TFT's analyzers."
    )
    measurements = tuple(
        dataclasses.replace(item, name=item.name.replace(" that differ", " that differ one by one"), rows=alone.num_rows)
        for item in other.measurements
    )
    # A feature that differs in large batches too is shown with those.
    rows = [
        row | {"feature": f"{row['feature']}, one by one"} for row in other.differing if row["feature"] not in found.features
    ]
    other = dataclasses.replace(other, reason="" if other.passed else reason, measurements=measurements, differing=rows)
    return _merge(found, other)


def _merge(found: TransformParity, other: TransformParity) -> TransformParity:
    told = found.reason if other.passed else other.reason if found.passed else f"{other.reason} {found.reason}"
    return TransformParity(
        reason=told,
        passed=found.passed and other.passed,
        features=tuple(dict.fromkeys([*found.features, *other.features])),
        measurements=(*found.measurements, *other.measurements),
        differing=[*found.differing, *other.differing],
    )


def failure(reason: str) -> TransformParity:
    """Returns the finding that nothing could be compared."""
    missing = Measurement(name="transformed features", value=None, passed=False, note=reason)
    return TransformParity(reason=reason, passed=False, measurements=(missing,))


def _differences(name: str, trained: pa.Table, served: pa.Table) -> np.ndarray | str:
    """Returns the difference of each row, float64 of shape [rows], or why the columns cannot be compared."""
    if name not in served.column_names:
        return "serving does not give it"
    if name not in trained.column_names:
        return "training did not see it"
    before, after = trained[name].combine_chunks(), served[name].combine_chunks()
    if before.type != after.type:
        return f"{before.type} in training, {after.type} in serving"
    wanted, given = _array(before), _array(after)
    if np.issubdtype(wanted.dtype, np.floating):
        return per_row(relative_differences(given, wanted))
    return per_row(np.where(given != wanted, np.inf, 0.0))


def _array(column: pa.Array) -> np.ndarray:
    if pa.types.is_fixed_size_list(column.type):
        return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), column.type.list_size)
    return column.to_numpy(zero_copy_only=False)


def _measure(name: str, apart: np.ndarray | str, bounds: ParityGate) -> Measurement:
    name = f"transform of {name}: rows that differ"
    if isinstance(apart, str):
        return Measurement(name=name, value=None, upper_bound=0, passed=False, note=apart)
    largest, count = float(apart.max()), int(np.count_nonzero(~(apart <= bounds.tolerance)))
    note = f"by up to {largest:.3g}, relative; {bounds.tolerance:g} is allowed" if np.isfinite(largest) else ""
    return Measurement(name=name, value=count, upper_bound=0, rows=len(apart), passed=False, note=note)


def _worst(name: str, apart: np.ndarray, trained: pa.Table, served: pa.Table, raw: pa.Table) -> list[dict[str, Any]]:
    order = np.argsort(-apart, kind="stable")[:_WORST_ROWS]
    order = order[apart[order] > 0]
    taken = [table.take(pa.array(order)) for table in (trained, served, raw)]
    columns = zip(*(taken[side][name].to_pylist() for side in (0, 1)), taken[2].to_pylist(), strict=True)
    return [
        {
            "feature": name,
            "row": int(row),
            "training": plain_value(old),
            "serving": plain_value(new),
            "values": plain_row(values),
        }
        for row, (old, new, values) in zip(order, columns, strict=True)
    ]


def _reason(beyond: dict[str, np.ndarray | str], names: list[str], rows: int) -> str:
    if not beyond:
        return f"The served model makes the same {len(names)} features of {rows:,} raw rows as training saw."
    shown = ", ".join(list(beyond)[:5]) + (f" and {len(beyond) - 5} more" if len(beyond) > 5 else "")
    return f"Serving transforms raw rows otherwise than training did, in {len(beyond)} of {len(names)} features: {shown}."
