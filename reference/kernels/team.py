"""A kernel's parts on the members of an OpenMP team, in machine code: what a compiler makes of `#pragma omp parallel`.

Python takes a hundred times as long to hand over a part as the team does: each member would have to wait for its lock.
Here the arguments lie in a block of memory, and all that a member runs is compiled:

    while (part = block.next++) < block.parts:
        kernel(*block.arguments, block.count * part // block.parts, block.count * (part + 1) // block.parts)

Members take parts until there is none, so that all are done however many members come.

Reference: GNU libgomp's manual, "Implementing PARALLEL construct".
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

# The fields of a block, by their places.
PARTS, COUNT, NEXT, CODE, FAILURE, ARGUMENTS = range(6)


def takes_part(kernel) -> bool:
    """Whether a kernel's last arguments are (part, first, end), the first of them the part's number, not (first, end).

    Args:
        kernel: a function of Python.
    """
    code = kernel.__code__
    return code.co_varnames[: code.co_argcount][-3:-2] == ("part",)


@intrinsic
def share(typingctx, kernel, start, threads, parts, count, arguments):
    """Call `kernel(*arguments, [part,] first, end)` for each of `parts` equal ranges of `range(count)`.

    Args:
        kernel: a compiled function that returns nothing.
        start: the address of `GOMP_parallel(function, argument, threads, flags)`; 0 to do all parts in this thread.
        threads: members of the team. parts, count: ints. arguments: a tuple of anything.

    Raises:
        What a part raised, one of them if several did; the other parts are done all the same.
    """
    numbered = takes_part(kernel.dispatcher.py_func)
    inner = kernel.get_call_type(typingctx, (*arguments, *[types.intp] * (3 if numbered else 2)), {})

    def codegen(context, builder, signature, args):
        _, start, threads, parts, count, arguments = args
        compiled = kernel.dispatcher.get_compile_result(inner)
        context.active_code_library.add_linking_library(compiled.library)
        failure = context.call_conv.get_function_type(types.none, ()).args[1].pointee
        layout = [parts.type, count.type, parts.type, ir.IntType(32), failure, arguments.type]
        start_values = [parts, count, parts.type(0), ir.IntType(32)(0), cgutils.get_null_value(failure), arguments]
        block = cgutils.alloca_once(builder, ir.LiteralStructType(layout))
        for place, value in enumerate(start_values):
            builder.store(value, cgutils.gep_inbounds(builder, block, 0, place))
        member = _member(context, builder, block.type, compiled.fndesc, inner, numbered)
        argument = builder.bitcast(block, cgutils.voidptr_t)
        with builder.if_else(cgutils.is_null(builder, start)) as (alone, together):
            with alone:
                builder.call(member, [argument])
            with together:
                number = ir.IntType(32)
                entry = ir.FunctionType(ir.VoidType(), [member.type, argument.type, number, number])
                entry = builder.inttoptr(start, entry.as_pointer())
                builder.call(entry, [member, argument, builder.trunc(threads, number), number(0)])
        code, failure = (builder.load(cgutils.gep_inbounds(builder, block, 0, place)) for place in (CODE, FAILURE))
        status = context.call_conv._get_return_status(builder, code, failure)
        with builder.if_then(status.is_error, likely=False):
            context.call_conv.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.void(kernel, start, threads, parts, count, arguments), codegen


def _member(context, builder, pointer, kernel, signature, numbered: bool) -> ir.Function:
    """`void member(void *block)`, which takes parts until there is none."""
    function = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t])
    member = ir.Function(builder.module, function, builder.function.name + ".member")
    member.linkage = "internal"
    builder = ir.IRBuilder(member.append_basic_block())
    block = builder.bitcast(member.args[0], pointer)
    places = [cgutils.gep_inbounds(builder, block, 0, place) for place in range(6)]
    parts, count, arguments = (builder.load(places[place]) for place in (PARTS, COUNT, ARGUMENTS))
    values = [builder.extract_value(arguments, i) for i in range(len(arguments.type.elements))]
    one = parts.type(1)
    take, work, leave = (member.append_basic_block(name) for name in ("take", "work", "leave"))
    builder.branch(take)
    builder.position_at_end(take)
    part = builder.atomic_rmw("add", places[NEXT], one, "monotonic")
    builder.cbranch(builder.icmp_signed("<", part, parts), work, leave)
    builder.position_at_end(work)
    first, end = (builder.sdiv(builder.mul(count, cut), parts) for cut in (part, builder.add(part, one)))
    status, _ = context.call_internal_no_propagate(
        builder, kernel, signature, [*values, *([part] if numbered else []), first, end]
    )
    with builder.if_then(status.is_error, likely=False):
        builder.store(status.code, places[CODE])
        builder.store(status.excinfoptr, places[FAILURE])
    builder.branch(take)
    builder.position_at_end(leave)
    builder.ret_void()
    return member
