"""The digest of a table's content: equal values in equal order give the same digest, however they are laid out in memory.

Chunks, slices, what lies behind a null, and the bits of a NaN do not count. Values, their order, nulls, names and types do.
"""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components._shared.digest import digest_parts


def digest_table(table: pa.Table) -> str:
    """Returns `sha256:<hex>` of a table of int64, float32, float64 and string columns.

    Raises:
        TypeError: If a column has another type.
    """
    digest = TableDigest(table.schema)
    digest.update(table)
    return digest.value()


class TableDigest:
    """The digest of a table that comes in parts, so that it need never be in memory as a whole."""

    def __init__(self, schema: pa.Schema) -> None:
        """Takes the columns' names and types; those of every part."""
        self._schema, self._rows = schema, 0
        self._hashers = [(hashlib.sha256(), hashlib.sha256()) for _ in schema]  # of the shape, and of the values

    def update(self, table: pa.Table) -> None:
        """Takes the rows that come next; raises as `digest_table` does."""
        self._rows += table.num_rows
        for column, hashers in zip(table.columns, self._hashers, strict=True):
            for chunk in column.chunks:
                for hasher, data in zip(hashers, _canonical_bytes(chunk), strict=True):
                    hasher.update(data)

    def value(self) -> str:
        """Returns what `digest_table` gives for all rows so far."""
        digests = [[hasher.hexdigest() for hasher in hashers] for hashers in self._hashers]
        columns = [(field.name, str(field.type), *parts) for field, parts in zip(self._schema, digests, strict=True)]
        return digest_parts([str(self._rows), *(part for column in columns for part in column)])


def canonical_floats(values: pa.Array) -> np.ndarray:
    """Returns floats with one NaN and one zero, and zero for a null.

    Args:
        values: float32 or float64 [n].
    """
    numbers = values.fill_null(0.0).to_numpy(zero_copy_only=False)
    numbers = numbers + numbers.dtype.type(0.0)  # -0.0 + 0.0 is 0.0
    return np.where(np.isnan(numbers), numbers.dtype.type(np.nan), numbers)


def _canonical_bytes(chunk: pa.Array) -> tuple[memoryview, memoryview]:
    """Returns the shape (which values are null, how long they are) and the values."""
    if pa.types.is_string(chunk.type):
        lengths = pc.fill_null(pc.binary_length(chunk), -1).to_numpy(zero_copy_only=False)
        return _view(lengths.astype("<i8")), _string_bytes(chunk.drop_null())
    valid = _view(chunk.is_valid().to_numpy(zero_copy_only=False))
    if pa.types.is_int64(chunk.type):
        return valid, _view(chunk.fill_null(0).to_numpy(zero_copy_only=False))
    if pa.types.is_float32(chunk.type) or pa.types.is_float64(chunk.type):
        return valid, _view(canonical_floats(chunk))
    raise TypeError(f"A content digest takes int64, float32, float64 and string. Received: {chunk.type}.")


def _view(values: np.ndarray) -> memoryview:
    return np.ascontiguousarray(values).view(np.uint8).data


def _string_bytes(values: pa.Array) -> memoryview:
    """Returns the bytes of strings without nulls, and nothing of what a slice leaves out."""
    _, offsets, data = values.buffers()
    if not len(values) or data is None:
        return memoryview(b"")
    bounds = np.frombuffer(offsets, np.int32, count=len(values) + 1, offset=4 * values.offset)
    return memoryview(data)[bounds[0] : bounds[-1]]
