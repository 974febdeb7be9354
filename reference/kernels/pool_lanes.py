"""Sixteen numbers at a time: the few vector operations that the pooling kernels are written in.

A row of 14 pooled pixels is too short for a compiler's own vectoriser, which leaves it to a scalar
loop. So the kernels name their vectors: each operation below is an LLVM operation on sixteen numbers
("lanes"), which becomes one instruction with AVX-512, two with AVX2, four with SSE or NEON. Loads and
stores take the range of lanes that exist, so rows of any width need no second loop for their end.

`pool_lanes_python` holds the same operations as plain Python; it says what each one means.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types
from numba.core.cgutils import get_or_insert_function
from numba.core.datamodel import PrimitiveModel
from numba.extending import intrinsic, register_model

LANES = 16
INDEX = ir.IntType(32)


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


def _between(builder, first, end, offset):
    """Mask of the lanes whose number plus `offset` is in [first, end)."""
    first, end = (_splat(builder, builder.sub(builder.trunc(bound, INDEX), INDEX(offset))) for bound in (first, end))
    lanes = _lane_numbers()
    return builder.and_(builder.icmp_signed(">=", lanes, first), builder.icmp_signed("<", lanes, end))


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


def _pairs(context, builder, array_type, array, index, bounds, fill):
    low, high = (
        _masked_load(
            context, builder, array_type, array, builder.add(index, index.type(offset)),
            _between(builder, *bounds, offset), fill,
        )
        for offset in (0, LANES)
    )  # fmt: skip
    sides = ([2 * lane + side for lane in range(LANES)] for side in (0, 1))
    return [builder.shuffle_vector(low, high, ir.Constant(ir.VectorType(INDEX, LANES), order)) for order in sides]


def _gather(context, builder, array_type, array, index, step, mask, fill):
    vector, wide = fill.type, ir.VectorType(ir.IntType(64), LANES)
    start, alignment, suffix = _place(context, builder, array_type, array, index, vector)
    bytes_apart = builder.mul(builder.sext(step, ir.IntType(64)), ir.IntType(64)(array_type.dtype.bitwidth // 8))
    offsets = builder.mul(_splat(builder, bytes_apart), ir.Constant(wide, list(range(LANES))))
    first = _splat(builder, builder.ptrtoint(start, ir.IntType(64)))
    pointers = ir.VectorType(vector.element.as_pointer(), LANES)
    addresses = builder.inttoptr(builder.add(first, offsets), pointers)
    signature = ir.FunctionType(vector, [pointers, INDEX, mask.type, vector])
    name = f"llvm.masked.gather.{suffix.removesuffix('.p0')}.v{LANES}p0"
    gather = get_or_insert_function(builder.module, signature, name)
    return builder.call(gather, [addresses, alignment, mask, fill])


def _masked_store(context, builder, array_type, array, index, mask, value):
    address, alignment, suffix = _place(context, builder, array_type, array, index, value.type)
    signature = ir.FunctionType(ir.VoidType(), [value.type, address.type, INDEX, mask.type])
    store = get_or_insert_function(builder.module, signature, f"llvm.masked.store.{suffix}")
    builder.call(store, [value, address, alignment, mask])


@intrinsic
def load(typing, array, index, first, end, fill):
    def code(context, builder, signature, arguments):
        array_, index_, first_, end_, fill_ = arguments
        mask = _between(builder, first_, end_, 0)
        return _masked_load(context, builder, array, array_, index_, mask, _splat(builder, fill_))

    return Lanes(array.dtype)(array, types.int64, types.int64, types.int64, array.dtype), code


@intrinsic
def load_pairs(typing, array, index, first, end, fill):
    def code(context, builder, signature, arguments):
        array_, index_, first_, end_, fill_ = arguments
        pair = _pairs(context, builder, array, array_, index_, (first_, end_), _splat(builder, fill_))
        return context.make_tuple(builder, signature.return_type, pair)

    pair = types.UniTuple(Lanes(array.dtype), 2)
    return pair(array, types.int64, types.int64, types.int64, array.dtype), code


@intrinsic
def load_every(typing, array, index, step, first, end, fill):
    def code(context, builder, signature, arguments):
        array_, index_, step_, first_, end_, fill_ = arguments
        blank, one = _splat(builder, fill_), step_.type(1)

        def neighbours():
            return _masked_load(context, builder, array, array_, index_, _between(builder, first_, end_, 0), blank)

        def every_other():
            # The last lane's right neighbour may be beyond the array, so the range ends before it.
            single = builder.add(first_, first_), builder.sub(builder.add(end_, end_), one)
            return _pairs(context, builder, array, array_, index_, single, blank)[0]

        def gathered():
            return _gather(context, builder, array, array_, index_, step_, _between(builder, first_, end_, 0), blank)

        # A shuffle costs a cycle, a gather sixteen or more: strides 1 and 2 are nearly all there is.
        done = builder.append_basic_block("done")
        results = []
        for stride, way in ((1, neighbours), (2, every_other), (None, gathered)):
            otherwise = builder.append_basic_block("otherwise")
            if stride is not None:
                here = builder.append_basic_block("here")
                builder.cbranch(builder.icmp_signed("==", step_, step_.type(stride)), here, otherwise)
                builder.position_at_end(here)
            results.append((way(), builder.block))
            builder.branch(done)
            builder.position_at_end(otherwise)
        builder.unreachable()
        builder.position_at_end(done)
        lanes = builder.phi(blank.type)
        for result, block in results:
            lanes.add_incoming(result, block)
        return lanes

    return Lanes(array.dtype)(array, types.int64, types.int64, types.int64, types.int64, array.dtype), code


@intrinsic
def store(typing, lanes, array, index, end):
    def code(context, builder, signature, arguments):
        value, array_, index_, end_ = arguments
        mask = _between(builder, end_.type(0), end_, 0)
        _masked_store(context, builder, array, array_, index_, mask, value)
        return context.get_dummy_value()

    return types.void(lanes, array, types.int64, types.int64), code


@intrinsic
def store_pairs(typing, left, right, array, index, end):
    def code(context, builder, signature, arguments):
        left_, right_, array_, index_, end_ = arguments
        for offset in (0, LANES):
            half = range(offset // 2, offset // 2 + LANES // 2)
            order = [place for lane in half for place in (lane, LANES + lane)]
            value = builder.shuffle_vector(left_, right_, ir.Constant(ir.VectorType(INDEX, LANES), order))
            mask = _between(builder, end_.type(0), end_, offset)
            _masked_store(context, builder, array, array_, builder.add(index_, index_.type(offset)), mask, value)
        return context.get_dummy_value()

    return types.void(left, right, array, types.int64, types.int64), code


@intrinsic
def splat(typing, scalar):
    def code(context, builder, signature, arguments):
        return _splat(builder, arguments[0])

    return Lanes(scalar)(scalar), code


@intrinsic
def ramp(typing, start, step):
    def code(context, builder, signature, arguments):
        start_, step_ = (_splat(builder, builder.trunc(argument, INDEX)) for argument in arguments)
        return builder.add(start_, builder.mul(step_, _lane_numbers()))

    return Lanes(types.int32)(types.int64, types.int64), code


@intrinsic
def beats(typing, challenger, best):
    def code(context, builder, signature, arguments):
        challenger_, best_ = arguments
        greater = builder.fcmp_ordered(">", challenger_, best_)
        return builder.or_(greater, builder.fcmp_unordered("uno", challenger_, challenger_))

    return Lanes(types.boolean)(challenger, best), code


@intrinsic
def equal(typing, left, right):
    def code(context, builder, signature, arguments):
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
