"""TensorProtos to arrays and back."""

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from serving.errors import ServingError, invalid

_FIELDS = {
    "float32": "float_val",
    "float64": "double_val",
    "int64": "int64_val",
    "bool": "bool_val",
    "object": "string_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    **dict.fromkeys(("int32", "int16", "int8", "uint16", "uint8"), "int_val"),
}

_TYPE_NAMES = {"float32": "float", "float64": "double", "float16": "half"}


def type_name(dtype: Any) -> str:
    """Returns the name of a dtype of NumPy or TensorFlow in TF Serving's messages, such as `float` or `int64`."""
    name = tf.dtypes.as_dtype(dtype).name
    return _TYPE_NAMES.get(name, name)


def to_array(name: str, proto: Any) -> np.ndarray:
    """Returns the tensor as an array; strings become bytes in an array of objects.

    Args:
        name: Name of the input, for the error.
        proto: A TensorProto.

    Raises:
        ServingError: INVALID_ARGUMENT if its values do not fit its shape and type.
    """
    try:
        return tf.make_ndarray(proto)
    except (TypeError, ValueError, KeyError) as error:
        raise invalid(f"tensor parsing error: {name}") from error


def to_proto(array: np.ndarray) -> Any:
    """Returns the array as a TensorProto with its values in the typed field, as TF Serving sends them.

    `tf.make_tensor_proto` would pack them as bytes, where clients that read `float_val` find nothing.
    """
    dtype = np.asarray(array).dtype
    proto = tensor_pb2.TensorProto(dtype=tf.dtypes.as_dtype(dtype).as_datatype_enum)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    flat = array.ravel()
    if field := _FIELDS.get(dtype.name):
        getattr(proto, field).extend(flat.tolist())
    elif dtype.itemsize == 2:  # float16 and bfloat16 travel as their bits
        proto.half_val.extend(flat.view(np.uint16).tolist())
    elif dtype.kind == "c":
        field = "scomplex_val" if dtype.itemsize == 8 else "dcomplex_val"
        getattr(proto, field).extend(flat.view(flat.real.dtype).tolist())
    else:
        raise ServingError("UNIMPLEMENTED", f"Sending a tensor of type {dtype.name} is not implemented.")
    return proto
