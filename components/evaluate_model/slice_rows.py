"""Finds the rows of every slice of a table, by TFMA's rules.

A row with a null in a slicing feature belongs to no slice of that feature. Keys are tuples of (feature, value) sorted by
feature, as TFMA has them; the key of all rows is ().
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_model_analysis.proto import config_pb2

Value = str | int | float
Key = tuple[tuple[str, Value], ...]


@dataclasses.dataclass(frozen=True)
class Spec:
    """One slicing spec: the features whose every value makes a slice, and those whose one value is asked for."""

    keys: tuple[str, ...]
    values: tuple[tuple[str, str], ...] = ()


def slice_specs(config: config_pb2.EvalConfig) -> list[Spec]:
    """Returns the distinct slicing specs, those of metrics across slices included; all rows when there is none."""
    protos = list(config.slicing_specs)
    for cross in config.cross_slicing_specs:
        protos += [cross.baseline_spec, *cross.slicing_specs]
    specs = [Spec(tuple(sorted(proto.feature_keys)), tuple(sorted(proto.feature_values.items()))) for proto in protos]
    return list(dict.fromkeys(specs)) or [Spec(())]


def slicing_features(config: config_pb2.EvalConfig) -> list[str]:
    """Returns the features that any slicing spec names, in a fixed order."""
    return sorted({name for spec in slice_specs(config) for name in (*spec.keys, *dict(spec.values))})


def unsupported_slicing(config: config_pb2.EvalConfig, table: pa.Table) -> str:
    """Returns why the slices of a configuration cannot be found here; empty when they can."""
    if any(spec.slice_keys_sql for spec in config.slicing_specs):
        return "a slice is given in SQL"
    for spec in slice_specs(config):
        for name in (*spec.keys, *dict(spec.values)):
            kind = table[name].type if name in table.column_names else None
            if kind is None or not (_is_text(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
                return f"the slicing feature {name!r} is no column of strings or numbers"
            if pa.types.is_floating(kind) and pc.any(pc.is_nan(table[name])).as_py():
                return f"the slicing feature {name!r} holds NaN"
        for name, value in spec.values:
            if not _is_text(table[name].type) or _is_number(value):
                return f"feature_values asks for the number {name}={value}"
    return ""


def group_rows(table: pa.Table, specs: list[Spec]) -> Iterator[tuple[Key, np.ndarray]]:
    """Yields every slice that has a row, once, with the positions of its rows (int64, ascending)."""
    encoded = {name: _encode(table[name]) for spec in specs for name in (*spec.keys, *dict(spec.values))}
    seen: set[Key] = set()
    for spec in specs:
        for key, index in _rows_of_spec(table.num_rows, spec, encoded):
            if key not in seen:
                seen.add(key)
                yield key, index


def _rows_of_spec(
    rows: int, spec: Spec, encoded: dict[str, tuple[np.ndarray, list[Value]]]
) -> Iterator[tuple[Key, np.ndarray]]:
    chosen = np.ones(rows, dtype=bool)
    for name, value in spec.values:
        codes, values = encoded[name]
        chosen &= codes == (values.index(value) if value in values else -2)
    code = np.zeros(rows, dtype=np.int64)
    for name in spec.keys:
        codes, values = encoded[name]
        chosen &= codes >= 0
        code = code * len(values) + codes
    index = np.flatnonzero(chosen)
    order = index[np.argsort(code[index], kind="stable")]
    distinct, starts = np.unique(code[order], return_index=True)
    for number, part in zip(distinct.tolist(), np.split(order, starts[1:]), strict=False):
        yield _key(number, spec, encoded), part


def _key(number: int, spec: Spec, encoded: dict[str, tuple[np.ndarray, list[Value]]]) -> Key:
    pairs: list[tuple[str, Value]] = list(spec.values)
    for name in reversed(spec.keys):
        values = encoded[name][1]
        number, position = divmod(number, len(values))
        pairs.append((name, values[position]))
    return tuple(sorted(pairs))


def _encode(column: pa.ChunkedArray) -> tuple[np.ndarray, list[Value]]:
    """Returns each row's position among the distinct values, -1 for a null, and the distinct values."""
    if _is_text(column.type):
        column = column.cast(pa.string())
    encoded = pa.concat_arrays(column.chunks).dictionary_encode()
    codes = pc.fill_null(encoded.indices.cast(pa.int64()), -1)
    return np.asarray(codes), encoded.dictionary.to_pylist()


def _is_text(kind: pa.DataType) -> bool:
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(test(kind) for test in tests)


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
