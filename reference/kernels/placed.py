"""Arrays over memory of which only the address is known.

An array over a tensor takes Python half a microsecond to make, and as long again to take apart: in a call of a few
microseconds the arrays are most of the time. A tensor's address takes a tenth of that. So small calls hand over places,
(address, *shape) of numbers that lie in row-major order, and compiled code makes arrays of them, which costs nothing.
Who hands over a place keeps the memory alive until the call is done.
"""

from __future__ import annotations

import ctypes

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

Place = tuple[int, ...]


def arrays_at(like: np.ndarray | tuple[np.ndarray, ...], places: tuple[Place, ...]) -> tuple[np.ndarray, ...]:
    """Arrays at some places, of the type of `like` or each of its own; `compiled_arrays_at` does the same compiled."""
    likes = like if isinstance(like, tuple) else (like,) * len(places)
    return tuple(_array_at(one.dtype, place[0], place[1:]) for one, place in zip(likes, places, strict=True))


def _array_at(dtype: np.dtype, address: int, shape: tuple[int, ...]) -> np.ndarray:
    size = int(np.prod(shape)) * dtype.itemsize
    return np.ndarray(shape, dtype, (ctypes.c_char * size).from_address(address)) if size else np.empty(shape, dtype)


@intrinsic
def compiled_arrays_at(typingctx, like, places):
    def codegen(context, builder, signature, args):
        results = []
        for i, array_type in enumerate(signature.return_type):
            place = cgutils.unpack_tuple(builder, builder.extract_value(args[1], i))
            address, shape = place[0], place[1:]
            itemsize = context.get_constant(types.intp, array_type.dtype.bitwidth // 8)
            strides = [itemsize]
            for length in reversed(shape[1:]):
                strides.insert(0, builder.mul(strides[0], length))
            array = make_array(array_type)(context, builder)
            populate_array(
                array, data=builder.inttoptr(address, array.data.type), shape=cgutils.pack_array(builder, shape),
                strides=cgutils.pack_array(builder, strides), itemsize=itemsize, meminfo=None,
            )  # fmt: skip
            results.append(array._getvalue())
        return context.make_tuple(builder, signature.return_type, results)

    likes = list(like) if isinstance(like, types.BaseTuple) else [like] * len(places)
    arrays = types.Tuple([types.Array(one.dtype, len(place) - 1, "C") for one, place in zip(likes, places)])
    return arrays(like, places), codegen
