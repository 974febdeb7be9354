"""Sixteen numbers at a time: the few vector operations that the pooling kernels are written in.

A row of 14 pooled pixels is too short for a compiler's own vectoriser, which leaves it to a scalar
loop. So the kernels name their vectors: each operation below is an LLVM operation on sixteen numbers
("lanes"), which becomes one instruction with AVX-512, two with AVX2, four with SSE or NEON. Loads and
stores take a mask of the lanes that exist, so rows of any width need no second loop for their end.

`lanes_python` holds the same operations as plain Python; it says what each one means.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.core.cgutils import get_or_insert_function
from numba.core.datamodel import PrimitiveModel
from numba.extending import intrinsic, register_model

LANES = 16
INDEX = ir.IntType(32)
# So far ahead of what they read or write kernels ask for memory: planes are pages, and no processor looks beyond a page
# by itself. It is worth a third of the time where the image comes from memory.
BYTES_AHEAD = 4096
LINE_BYTES = 64


class Lanes(types.Type):
    """Sixteen numbers of one numba type in a vector register."""

    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(f"Lanes({dtype})")


@register_model(Lanes)
class _LanesModel(PrimitiveModel):
    def __init__(self, manager, lanes):
        # A lane of a mask is one bit, as LLVM's comparisons give it; numba's own booleans are bytes.
        element = ir.IntType(1) if lanes.dtype is types.boolean else manager.lookup(lanes.dtype).get_data_type()
        super().__init__(manager, lanes, ir.VectorType(element, LANES))


def _splat(builder, scalar):
    vector = ir.VectorType(scalar.type, LANES)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, INDEX(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(INDEX, LANES), [0] * LANES))


def _lane_numbers():
    return ir.Constant(ir.VectorType(INDEX, LANES), list(range(LANES)))


def _place(context, builder, array_type, array, index, vector):
    """Address of sixteen numbers from `index` on, their alignment, and LLVM's suffix for their type."""
    data = context.make_array(array_type)(context, builder, array).data
    address = builder.bitcast(builder.gep(data, [index]), vector.as_pointer())
    bits = array_type.dtype.bitwidth
    kind = "f" if isinstance(array_type.dtype, types.Float) else "i"
    return address, INDEX(bits // 8), f"v{LANES}{kind}{bits}.p0"


def _masked_load(context, builder, array_type, array, index, mask, fill):
    vector = fill.type
    address, alignment, suffix = _place(context, builder, array_type, array, index, vector)
    signature = ir.FunctionType(vector, [address.type, INDEX, mask.type, vector])
    load = get_or_insert_function(builder.module, signature, f"llvm.masked.load.{suffix}")
    return builder.call(load, [address, alignment, mask, fill])


def _masked_store(context, builder, array_type, array, index, mask, value):
    address, alignment, suffix = _place(context, builder, array_type, array, index, value.type)
    signature = ir.FunctionType(ir.VoidType(), [value.type, address.type, INDEX, mask.type])
    store = get_or_insert_function(builder.module, signature, f"llvm.masked.store.{suffix}")
    builder.call(store, [value, address, alignment, mask])


@intrinsic
def below(typing, end):
    def code(context, builder, signature, arguments):
        return builder.icmp_signed("<", _lane_numbers(), _splat(builder, builder.trunc(arguments[0], INDEX)))

    return Lanes(types.boolean)(types.int64), code


@intrinsic
def inside(typing, start, end):
    def code(context, builder, signature, arguments):
        start_, end_ = (_splat(builder, builder.trunc(argument, INDEX)) for argument in arguments)
        lanes = _lane_numbers()
        return builder.and_(builder.icmp_signed(">=", lanes, start_), builder.icmp_signed("<", lanes, end_))

    return Lanes(types.boolean)(types.int64, types.int64), code


@intrinsic
def load(typing, array, index, mask, fill):
    def code(context, builder, signature, arguments):
        array_, index_, mask_, fill_ = arguments
        blank = fill_ if isinstance(fill, Lanes) else _splat(builder, fill_)
        return _masked_load(context, builder, array, array_, index_, mask_, blank)

    return Lanes(array.dtype)(array, types.int64, mask, fill if isinstance(fill, Lanes) else array.dtype), code


@intrinsic
def load_pairs(typing, array, index, low, high, fill):
    def code(context, builder, signature, arguments):
        array_, index_, low_, high_, fill_ = arguments
        blank, next_ = _splat(builder, fill_), builder.add(index_, index_.type(LANES))
        halves = [_masked_load(context, builder, array, array_, *place, blank)
                  for place in ((index_, low_), (next_, high_))]  # fmt: skip
        return context.make_tuple(builder, signature.return_type, _deinterleaved(builder, *halves))

    return types.UniTuple(Lanes(array.dtype), 2)(array, types.int64, low, high, array.dtype), code


@intrinsic
def deinterleave(typing, left, right):
    def code(context, builder, signature, arguments):
        return context.make_tuple(builder, signature.return_type, _deinterleaved(builder, *arguments))

    return types.UniTuple(left, 2)(left, right), code


def _deinterleaved(builder, left, right):
    orders = ([2 * lane + side for lane in range(LANES)] for side in (0, 1))
    return [builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(INDEX, LANES), order)) for order in orders]


@intrinsic
def read_ahead(typing, array, index):
    def code(context, builder, signature, arguments):
        _fetch(context, builder, signature.args[0], *arguments, 0)
        return context.get_dummy_value()

    return types.void(array, types.int64), code


@intrinsic
def write_ahead(typing, array, index):
    def code(context, builder, signature, arguments):
        _fetch(context, builder, signature.args[0], *arguments, 1)
        return context.get_dummy_value()

    return types.void(array, types.int64), code


def _fetch(context, builder, array_type, array, index, to_write):
    """Ask for the lines of 32 numbers, `BYTES_AHEAD` of array[index]."""
    data = context.make_array(array_type)(context, builder, array).data
    byte = ir.IntType(8).as_pointer()
    signature = ir.FunctionType(ir.VoidType(), [byte, INDEX, INDEX, INDEX])
    fetch = get_or_insert_function(builder.module, signature, "llvm.prefetch.p0")
    address, itemsize = builder.bitcast(builder.gep(data, [index]), byte), array_type.dtype.bitwidth // 8
    for offset in range(0, 2 * LANES * itemsize, LINE_BYTES):
        place = builder.gep(address, [INDEX(BYTES_AHEAD + offset)], source_etype=ir.IntType(8))
        builder.call(fetch, [place, INDEX(to_write), INDEX(3), INDEX(1)])  # to the nearest cache; data


@intrinsic
def store(typing, lanes, array, index, mask):
    def code(context, builder, signature, arguments):
        value, array_, index_, mask_ = arguments
        _masked_store(context, builder, array, array_, index_, mask_, value)
        return context.get_dummy_value()

    return types.void(lanes, array, types.int64, mask), code


@intrinsic
def store_past_caches(typing, lanes, array, index):
    def code(context, builder, signature, arguments):
        value, array_, index_ = arguments
        address, _, _ = _place(context, builder, array, array_, index_, value.type)
        one = builder.module.add_metadata([INDEX(1)])
        builder.store(value, address, align=LINE_BYTES).set_metadata("nontemporal", one)
        return context.get_dummy_value()

    return types.void(lanes, array, types.int64), code


@intrinsic
def to_boundary(typing, array, index):
    def code(context, builder, signature, arguments):
        data = context.make_array(array)(context, builder, arguments[0]).data
        address = builder.ptrtoint(builder.gep(data, [arguments[1]]), ir.IntType(64))
        left = builder.and_(builder.neg(address), address.type(LINE_BYTES - 1))
        return builder.udiv(left, address.type(array.dtype.bitwidth // 8))

    return types.int64(array, types.int64), code


@intrinsic
def interleave(typing, left, right):
    def code(context, builder, signature, arguments):
        return context.make_tuple(builder, signature.return_type, _interleaved(builder, *arguments))

    return types.UniTuple(left, 2)(left, right), code


@intrinsic
def store_pairs(typing, left, right, array, index, low, high):
    def code(context, builder, signature, arguments):
        left_, right_, array_, index_, low_, high_ = arguments
        places = index_, builder.add(index_, index_.type(LANES))
        for value, place, mask in zip(_interleaved(builder, left_, right_), places, (low_, high_)):
            _masked_store(context, builder, array, array_, place, mask, value)
        return context.get_dummy_value()

    return types.void(left, right, array, types.int64, low, high), code


def _interleaved(builder, left, right):
    halves = range(LANES // 2), range(LANES // 2, LANES)
    orders = ([place for lane in half for place in (lane, LANES + lane)] for half in halves)
    return [builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(INDEX, LANES), order)) for order in orders]


@intrinsic
def splat(typing, scalar):
    def code(context, builder, signature, arguments):
        return _splat(builder, arguments[0])

    return Lanes(scalar)(scalar), code


@intrinsic
def beats(typing, challenger, best):
    def code(context, builder, signature, arguments):
        challenger_, best_ = arguments
        greater = builder.fcmp_ordered(">", challenger_, best_)
        return builder.or_(greater, builder.fcmp_unordered("uno", challenger_, challenger_))

    return Lanes(types.boolean)(challenger, best), code


@intrinsic
def greater(typing, left, right):
    def code(context, builder, signature, arguments):
        left_, right_ = arguments
        return builder.select(builder.fcmp_ordered(">", left_, right_), left_, right_)

    return left(left, right), code


@intrinsic
def exceeds(typing, left, right):
    def code(context, builder, signature, arguments):
        return builder.fcmp_ordered(">", *arguments)

    return Lanes(types.boolean)(left, right), code


@intrinsic
def is_nan(typing, left, right):
    def code(context, builder, signature, arguments):
        return builder.fcmp_unordered("uno", *arguments)

    return Lanes(types.boolean)(left, right), code


@intrinsic
def either(typing, left, right):
    def code(context, builder, signature, arguments):
        return builder.or_(*arguments)

    return left(left, right), code


@intrinsic
def any_of(typing, mask):
    def code(context, builder, signature, arguments):
        bits = builder.bitcast(*arguments, ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, bits.type(0))

    return types.boolean(mask), code


@intrinsic
def equal(typing, left, right):
    def code(context, builder, signature, arguments):
        if isinstance(left.dtype, types.Float):
            return builder.fcmp_ordered("==", *arguments)
        return builder.icmp_signed("==", *arguments)

    return Lanes(types.boolean)(left, right), code


@intrinsic
def choose(typing, mask, chosen, otherwise):
    def code(context, builder, signature, arguments):
        return builder.select(*arguments)

    return chosen(mask, chosen, otherwise), code


@intrinsic
def add(typing, left, right):
    def code(context, builder, signature, arguments):
        instruction = builder.fadd if isinstance(left.dtype, types.Float) else builder.add
        return instruction(*arguments)

    return left(left, right), code


@intrinsic
def divide(typing, left, right):
    def code(context, builder, signature, arguments):
        return builder.fdiv(*arguments)

    return left(left, right), code


@intrinsic
def multiply(typing, left, right):
    def code(context, builder, signature, arguments):
        return builder.fmul(*arguments)

    return left(left, right), code
