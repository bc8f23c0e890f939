"""Arrow tables in the canonical form that TFX libraries read: one list<int64 | float32 | binary> column per feature.

A null becomes a missing value (a null list), never a zero or an empty string.
"""

import numpy as np
import pyarrow as pa


def to_record_batch(table: pa.Table) -> pa.RecordBatch:
    """Returns one canonical record batch of a table, by vectorised casts.

    Args:
        table: Columns of booleans, integers, floats, strings, bytes, or lists of those, of fixed size or not.

    Raises:
        TypeError: If a column has another type.
    """
    arrays = [_to_list(_combine(table[name])) for name in table.column_names]
    return pa.RecordBatch.from_arrays(arrays, table.column_names)


def canonical_type(kind: pa.DataType) -> pa.DataType:
    """Returns the TFX type of an Arrow value type: int64, float32 or binary.

    Raises:
        TypeError: If there is none.
    """
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return pa.int64()
    if pa.types.is_floating(kind):
        return pa.float32()
    if any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)):
        return pa.binary()
    raise TypeError(f"TFX knows integers, floats and bytes. Received: {kind}.")


def _combine(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    if not isinstance(combined, pa.ChunkedArray):
        return combined
    if combined.num_chunks > 1:  # keeping the first chunk alone would lose rows
        raise ValueError(f"A record batch holds at most 2 GB per column. Received: {column.nbytes} bytes. Use smaller batches.")
    return combined.chunk(0) if combined.num_chunks else pa.array([], combined.type)


def _to_list(values: pa.Array) -> pa.Array:
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        return values.cast(pa.large_list(canonical_type(values.type.value_type)))
    if pa.types.is_fixed_size_list(values.type):
        ends = np.arange(len(values) + 1, dtype=np.int64) * values.type.list_size
        return pa.LargeListArray.from_arrays(pa.array(ends), values.flatten().cast(canonical_type(values.type.value_type)))
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    values = values.cast(canonical_type(values.type))
    if values.null_count == 0:
        return pa.LargeListArray.from_arrays(pa.array(np.arange(len(values) + 1, dtype=np.int64)), values)
    valid = np.asarray(values.is_valid())
    offsets = np.concatenate([[0], np.cumsum(valid, dtype=np.int64)])
    # A null offset makes its list null; the last offset only closes the list before it.
    return pa.LargeListArray.from_arrays(pa.array(offsets, mask=np.append(~valid, False)), values.drop_null())
