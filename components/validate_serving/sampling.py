"""The rows that are sent: the first ones of a split, or a seeded sample of the test split."""

import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from components._data.examples import iterate_split, read_split
from components._data.schema import serving_features
from components._shared.artifacts import TEST
from components._shared.errors import UserError


def first_rows(examples: str, split: str, count: int) -> pa.Table:
    """Returns the first rows of a split, with all columns."""
    batches: list[pa.Table] = []
    for batch in iterate_split(examples, split):
        batches.append(batch)
        if sum(batch.num_rows for batch in batches) >= count:
            break
    return pa.concat_tables(batches).slice(0, count) if batches else read_split(examples, split)


def sample_rows(examples: str, schema: schema_pb2.Schema, count: int, seed: int, total: int) -> pa.Table:
    """Returns distinct rows of the whole test split in its order, with the SERVING features.

    Args:
        examples: Folder of the raw examples.
        schema: The schema.
        count: Number of rows; all of them when the split has fewer.
        seed: Seed of the sample.
        total: Rows of the test split.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(total)[:count])
    parts, start = list[pa.Table](), 0
    for batch in iterate_split(examples, TEST):
        here = chosen[(chosen >= start) & (chosen < start + batch.num_rows)] - start
        parts.append(select_features(batch, schema).take(pa.array(here)))
        start += batch.num_rows
    return pa.concat_tables(parts) if parts else select_features(read_split(examples, TEST), schema)


def label_range(examples: str, name: str) -> tuple[float, float] | None:
    """Returns the least and the greatest finite label of the test split; None when there is none.

    Args:
        examples: Folder of the raw examples.
        name: The label's name, a number.
    """
    ends = list[float]()
    for batch in iterate_split(examples, TEST, [name]):
        values = batch[name].to_numpy().astype(np.float64)  # a missing label becomes NaN
        values = values[np.isfinite(values)]
        ends += [float(values.min()), float(values.max())] if values.size else []
    return (min(ends), max(ends)) if ends else None


def select_features(rows: pa.Table, schema: schema_pb2.Schema) -> pa.Table:
    """Returns the columns of the SERVING features.

    Raises:
        UserError: If one is not there.
    """
    names = [feature.name for feature in serving_features(schema)]
    if absent := [name for name in names if name not in rows.column_names]:
        raise UserError("The examples have every SERVING feature of the schema.", received=f"without {absent}")
    return rows.select(names)
