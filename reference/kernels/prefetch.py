"""Ask for memory before it is needed.

A processor foresees only what is read side by side, and nothing beyond a page of 4 KB. Whoever knows better says so:
`fetch` for a number that is soon read, `fetch_to_write` for one that is soon written. An address outside the array
does no harm.
"""

from __future__ import annotations

import numba
from numba import types
from numba.extending import intrinsic

from reference.kernels.vectors import Vectors

LINE_BYTES = 64  # what is fetched with a number


def _plain(array, at):
    pass


def _compiled(write: bool):
    @intrinsic
    def fetch(typingctx, array, at):
        def codegen(context, builder, signature, args):
            v = Vectors(context, builder, signature.args[0].dtype)
            v.prefetch(v.pointer(signature.args[0], args[0]), args[1], write=write)
            return context.get_dummy_value()

        return types.void(array, types.intp), codegen

    return fetch


fetch = _plain if numba.config.DISABLE_JIT else _compiled(False)
fetch_to_write = _plain if numba.config.DISABLE_JIT else _compiled(True)
