"""LLVM instructions on whole vector registers, for kernels that numba's own vectoriser does not manage.

How wide a register is, `VECTOR_BYTES`, is decided at import from the processor that numba compiles for: this
machine's, or what `NUMBA_CPU_NAME` and `NUMBA_CPU_FEATURES` name in its place.
"""

from __future__ import annotations

import llvmlite.binding
import numba
from llvmlite import ir


def register_bytes(features: str | None) -> int:
    """Bytes of the widest vector register of a processor.

    Args:
        features: its features as LLVM names them, "+avx,+sse2,-avx512f"; None if nothing is known of it.

    Returns:
        64, 32 or 16; and 8, which is one float64 or a pair of float32, where no vector unit is named: LLVM then
        makes plain instructions of the pairs.
    """
    if features is None:
        return 16  # what SSE2 and NEON have, one of which every 64-bit x86 and Arm processor has
    named = set(features.split(","))
    if "+avx512f" in named:
        return 64
    if "+avx" in named:
        return 32
    return 16 if named & {"+sse2", "+neon", "+vsx"} else 8


def _features() -> str | None:
    if numba.config.CPU_FEATURES is not None:
        return numba.config.CPU_FEATURES
    try:
        features = llvmlite.binding.get_host_cpu_features()
    except RuntimeError:  # LLVM cannot ask this system
        return None
    # numba leaves AVX alone on the first processors that had it: there it is slower than SSE.
    if not numba.config.ENABLE_AVX:
        features.update({name: False for name in features if name.startswith("avx")})
    return features.flatten()


VECTOR_BYTES = register_bytes(_features())


class Vectors:
    """Writes LLVM instructions on vectors of one array element type."""

    def __init__(self, context, builder, element):
        self.context, self.builder = context, builder
        self.element = context.get_data_type(element)
        self.lanes = VECTOR_BYTES // (element.bitwidth // 8)
        self.align = element.bitwidth // 8
        self.type = ir.VectorType(self.element, self.lanes)

    def halved(self):
        """The same for vectors of half as many lanes, at least one."""
        half = Vectors.__new__(Vectors)
        lanes = max(1, self.lanes // 2)
        half.__dict__.update(self.__dict__, lanes=lanes, type=ir.VectorType(self.element, lanes))
        return half

    def zeros(self):
        return ir.Constant(self.type, [0.0] * self.lanes)

    def pointer(self, array_type, array):
        return self.context.make_array(array_type)(self.context, self.builder, array).data

    def address(self, data, *terms):
        index = terms[0]
        for term in terms[1:]:
            index = self.builder.add(index, term)
        return self.builder.gep(data, [index])

    def load(self, data, *terms):
        vector = self.builder.bitcast(self.address(data, *terms), self.type.as_pointer())
        return self.builder.load(vector, align=self.align)

    def store(self, value, data, *terms):
        vector = self.builder.bitcast(self.address(data, *terms), self.type.as_pointer())
        self.builder.store(value, vector, align=self.align)

    def store_past_caches(self, value, data, *terms):
        """Store on a vector's boundary without reading the line into a cache first, nor keeping it there."""
        vector = self.builder.bitcast(self.address(data, *terms), self.type.as_pointer())
        one = self.builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
        self.builder.store(value, vector, align=self.align * self.lanes).set_metadata("nontemporal", one)

    def lanes_in(self, first, end):
        """A mask of the lanes in range(first, end)."""
        index = ir.IntType(32)
        lane = ir.Constant(ir.VectorType(index, self.lanes), list(range(self.lanes)))
        first, end = (self.every_lane(self.builder.trunc(number, index)) for number in (first, end))
        after = self.builder.icmp_signed(">=", lane, first)
        return self.builder.and_(after, self.builder.icmp_signed("<", lane, end))

    def lanes_of(self, bits):
        """A mask of the lanes where the integer `bits` has ones."""
        lanes = self.builder.trunc(bits, ir.IntType(self.lanes))
        return self.builder.bitcast(lanes, ir.VectorType(ir.IntType(1), self.lanes))

    def masked_load(self, mask, data, *terms):
        """Load the mask's lanes, zero for the others, whose memory need not exist."""
        return self._masked("load", self.type, [*terms], data, mask, self.zeros())

    def spread_load(self, bits, data, *terms):
        """Load as many neighbouring numbers as `bits` has ones to the lanes of its ones; zero to the others."""
        arguments = [self.address(data, *terms), self.lanes_of(bits), self.zeros()]
        kind = ir.FunctionType(self.type, [argument.type for argument in arguments])
        name = f"llvm.masked.expandload.v{self.lanes}f{8 * self.align}"
        return self.builder.call(self.builder.module.declare_intrinsic(name, fnty=kind), arguments)

    def masked_store(self, mask, value, data, *terms):
        """Store the mask's lanes and leave the memory of the others alone."""
        self._masked("store", ir.VoidType(), [*terms], data, mask, value)

    def _masked(self, name, result, terms, data, mask, value):
        vector, number = self.type.as_pointer(), ir.IntType(32)
        at, align = self.builder.bitcast(self.address(data, *terms), vector), ir.Constant(number, self.align)
        arguments = [value, at, align, mask] if name == "store" else [at, align, mask, value]
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        suffix = f"v{self.lanes}f{8 * self.align}.p0"
        function = self.builder.module.declare_intrinsic(f"llvm.masked.{name}.{suffix}", fnty=kind)
        return self.builder.call(function, arguments)

    def prefetch(self, data, *terms, write=False):
        """Ask for the cache line of a number that is used soon; an address outside the array does no harm."""
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        hint = self.builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        use, soon, is_data = (ir.Constant(number, value) for value in (int(write), 3, 1))
        self.builder.call(hint, [self.builder.bitcast(self.address(data, *terms), byte), use, soon, is_data])

    def splat(self, data, *terms):
        return self.every_lane(self.builder.load(self.address(data, *terms)))

    def every_lane(self, scalar):
        """A vector whose lanes all are the number `scalar`."""
        undefined = ir.Constant(ir.VectorType(scalar.type, self.lanes), ir.Undefined)
        one = self.builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(one, undefined, zeros)

    def multiply_add(self, total, a, b):
        # "contract" lets LLVM fuse the two where the processor can, without asking for it where it cannot.
        product = self.builder.fmul(a, b, flags=("contract",))
        return self.builder.fadd(total, product, flags=("contract",))

    def loop(self, first, end, step, totals, body):
        """totals = body(index, totals) for index in range(first, end, step); the totals stay in registers."""
        builder, before = self.builder, self.builder.block
        head, inside = builder.append_basic_block("head"), builder.append_basic_block("inside")
        after = builder.append_basic_block("after")
        builder.branch(head)
        builder.position_at_end(head)
        index = builder.phi(first.type)
        index.add_incoming(first, before)
        running = [builder.phi(self.type) for _ in totals]
        for phi, total in zip(running, totals):
            phi.add_incoming(total, before)
        builder.cbranch(builder.icmp_signed("<", index, end), inside, after)
        builder.position_at_end(inside)
        results = body(index, running)
        index.add_incoming(builder.add(index, step), builder.block)
        for phi, result in zip(running, results):
            phi.add_incoming(result, builder.block)
        builder.branch(head)
        builder.position_at_end(after)
        return running
