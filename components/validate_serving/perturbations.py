"""What a client may send by mistake, feature by feature: the plan that the server is asked by and the gate judges.

Both sides make the plan anew from the schema and the bounds, so only answers travel between them.
"""

import dataclasses
import zlib
from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import schema_pb2

from components._data.schema import is_required, serving_features
from components._shared.policy import RobustnessGate
from components.validate_serving.job import ANSWERS, EXAMPLES, RAW

MISSING, NEGATIVE, PERMUTED, NOISE = "missing", "negative", "permuted", "noise"
ALL_NUMBERS = ""
"""Stands for all numeric features together, in a probe of noise."""

_ARROW = {schema_pb2.BYTES: pa.binary(), schema_pb2.FLOAT: pa.float32(), schema_pb2.INT: pa.int64()}
_LEAST_INT, _GREATEST_INT = np.iinfo(np.int64).min + 1, np.iinfo(np.int64).max  # the least of all marks a missing value
_TEXTS = {
    "unseen category": b"\x02never seen in training\x03",
    "empty string": b"",
    "very long text": b"x" * 10_000,
    "Unicode": "Zürich 東京 🛫 \u202e\u0000".encode(),
    "bytes that are no UTF-8": b"\xff\xfe\xc3\x28",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Probe:
    """One thing that is done to the sample before it is sent.

    Attributes:
        feature: The feature that is changed; `ALL_NUMBERS` for all numeric ones.
        kind: What is done to it, for people.
        change: `missing`, `negative`, `permuted` or `noise`; empty when `value` takes every row's place.
        value: The value that every row gets.
        way: How it is sent, of the ways to leave a value out; empty for what `serving_default` takes.
        judged: Whether the answers count; else they are reported.
        may_refuse: Whether an error is as good as a valid answer.
    """

    feature: str
    kind: str
    change: str = ""
    value: Any = None
    way: str = ""
    judged: bool = True
    may_refuse: bool = False


def plan_probes(schema: schema_pb2.Schema, bounds: RobustnessGate, ways: Collection[str] = ANSWERS) -> list[Probe]:
    """Returns all probes, feature by feature in the schema's order; the noise on all numbers together comes last.

    Args:
        schema: The schema of the rows.
        bounds: The gate's bounds.
        ways: The ways of asking that the model has.
    """
    features, probes = serving_features(schema), list[Probe]()
    for feature in features:
        # A dense tensor cannot be sent without a required feature: the signature names it.
        required = is_required(feature)
        probes += [
            Probe(feature=feature.name, kind=f"missing, as {way}", change=MISSING, way=way, may_refuse=required)
            for way in (RAW, EXAMPLES)
            if way in ways and not (required and way == RAW)
        ]
        constants = _TEXTS if feature.type == schema_pb2.BYTES else _numbers(feature)
        for kind, value in constants.items():
            # A required feature that is no number is the client's mistake; an optional one's NaN means that it is missing,
            # in a raw tensor. A tf.Example says so by leaving it out.
            excused = isinstance(value, float) and not np.isfinite(value) and (required or RAW not in ways)
            judged = bounds.required_nan_must_be_finite or not excused
            probes.append(Probe(feature=feature.name, kind=kind, value=value, judged=judged))
        if feature.type != schema_pb2.BYTES:
            probes.append(Probe(feature=feature.name, kind="negative", change=NEGATIVE))
            probes.append(Probe(feature=feature.name, kind=f"noise of {bounds.noise:g} standard deviations", change=NOISE))
        probes.append(Probe(feature=feature.name, kind="permuted among rows", change=PERMUTED))
    if sum(feature.type != schema_pb2.BYTES for feature in features) > 1:
        probes.append(Probe(feature=ALL_NUMBERS, kind=f"noise of {bounds.noise:g} standard deviations", change=NOISE))
    return probes


def perturb(table: pa.Table, probe: Probe, schema: schema_pb2.Schema, bounds: RobustnessGate) -> pa.Table:
    """Returns the sample as the probe changes it; the same whenever it is asked for.

    Args:
        table: The sampled rows, with the SERVING features as columns.
        probe: The probe.
        schema: The schema of the rows.
        bounds: The gate's bounds, for the noise and its seed.
    """
    for feature in serving_features(schema):
        every = probe.feature == ALL_NUMBERS and feature.type != schema_pb2.BYTES
        if feature.name == probe.feature or every:
            index = table.column_names.index(feature.name)
            table = table.set_column(index, feature.name, _column(table[feature.name], probe, feature, bounds))
    return table


def domain(feature: schema_pb2.Feature) -> tuple[float | None, float | None]:
    """Returns the least and the greatest value that the schema allows a number; None where it sets no bound."""
    kind = feature.WhichOneof("domain_info")
    if kind not in ("int_domain", "float_domain"):
        return None, None
    limits = getattr(feature, kind)
    least, greatest = (getattr(limits, name) if limits.HasField(name) else None for name in ("min", "max"))
    return least, greatest


def _numbers(feature: schema_pb2.Feature) -> dict[str, Any]:
    as_type = int if feature.type == schema_pb2.INT else float
    named = zip(("the schema's minimum", "the schema's maximum"), domain(feature), strict=True)
    constants: dict[str, Any] = {kind: as_type(value) for kind, value in named if value is not None}
    constants["zero"] = as_type(0)
    if feature.type == schema_pb2.INT:
        return constants | {"the least integer": int(_LEAST_INT), "the greatest integer": int(_GREATEST_INT)}
    far = {"1e30": 1e30, "-1e30": -1e30}
    return constants | far | {"infinity": float("inf"), "-infinity": float("-inf"), "NaN": float("nan")}


def _column(column: pa.ChunkedArray, probe: Probe, feature: schema_pb2.Feature, bounds: RobustnessGate) -> pa.Array:
    rows, kind = len(column), _ARROW[feature.type]
    if probe.change == MISSING:
        return pa.nulls(rows, kind)
    if not probe.change:
        return pa.repeat(pa.scalar(probe.value, kind), rows)
    generator = np.random.default_rng([bounds.seed, zlib.crc32(feature.name.encode())])
    if probe.change == PERMUTED:
        return column.take(pa.array(generator.permutation(rows)))
    missing = column.is_null().to_numpy()
    values = pc.fill_null(column.cast(kind, safe=False), 0).to_numpy()
    if probe.change == NEGATIVE:
        changed = np.where(values == 0, -1, -np.abs(values))
    else:
        known = values[~missing & np.isfinite(values)].astype(np.float64)
        largest = bounds.noise * float(known.std()) if len(known) else 0.0
        changed = _with_noise(values, feature, largest, generator)
    return pa.array(changed.astype(values.dtype), mask=missing).cast(kind)


def _with_noise(values: np.ndarray, feature: schema_pb2.Feature, largest: float, generator: np.random.Generator) -> np.ndarray:
    """Returns each value with a change that is uniform in [-largest, largest]; whole numbers stay whole.

    What was within the schema's domain stays there.
    """
    change = generator.uniform(-largest, largest, len(values))
    if np.issubdtype(values.dtype, np.integer):
        changed = values + np.rint(change).astype(np.int64)
    else:
        changed = (values + change).astype(values.dtype)
    least, greatest = domain(feature)
    if least is not None:
        changed = np.maximum(changed, np.minimum(values, values.dtype.type(least)))
    if greatest is not None:
        changed = np.minimum(changed, np.maximum(values, values.dtype.type(greatest)))
    return changed
