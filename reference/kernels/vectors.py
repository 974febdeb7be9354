"""LLVM instructions on whole vector registers, for kernels that numba's own vectoriser does not manage.

numba keeps compiled kernels on disk and notices only changes to the file that a kernel is written in: after
a change here, delete `__pycache__` (or the folder in `NUMBA_CACHE_DIR`).
"""

from __future__ import annotations

import llvmlite.binding
from llvmlite import ir

_FEATURES = llvmlite.binding.get_host_cpu_features()
VECTOR_BYTES = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx") else 16


class Vectors:
    """Writes LLVM instructions on vectors of one array element type."""

    def __init__(self, context, builder, element):
        self.context, self.builder = context, builder
        self.element = context.get_data_type(element)
        self.lanes = VECTOR_BYTES // (element.bitwidth // 8)
        self.align = element.bitwidth // 8
        self.type = ir.VectorType(self.element, self.lanes)

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

    def splat(self, data, *terms):
        scalar = self.builder.load(self.address(data, *terms))
        undefined = ir.Constant(self.type, ir.Undefined)
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
