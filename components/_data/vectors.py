"""Columns of one number, or of one vector of fixed length, per row, to and from numpy."""

import numpy as np
import pyarrow as pa


def to_array(column: pa.ChunkedArray) -> np.ndarray:
    """Returns a column without nulls as an array of shape [rows], or [rows, length] for vectors."""
    if not pa.types.is_fixed_size_list(column.type):
        return column.to_numpy()
    width = column.type.list_size
    parts = [chunk.flatten().to_numpy(zero_copy_only=False).reshape(-1, width) for chunk in column.chunks]
    return np.concatenate(parts) if parts else np.empty((0, width), column.type.value_type.to_pandas_dtype())


def to_column(values: np.ndarray) -> pa.Array:
    """Returns numbers of shape [rows] as they are, and of shape [rows, length] as lists of fixed size."""
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1)), values.shape[1])
