"""Convolution of few images with the weights as they lie.

At batch 1 the weights of most layers outweigh the image: 512 to 512 channels on 4x4 pixels are 9.4 MB of weights for
33 KB of pixels. What other algorithms do to weights, to be read in order by every block of images after that, then
costs as much as the product. Here nothing is done to them: as in `direct` every tap is a shift of a line of pixels,

    output[o, p] = sum over taps t = (c, i, j) of  weight[o, t] * line[p + offset[t]]

with the pixels p in the lanes of vectors, and each weight is read where it lies, once per two vectors of pixels, and
sent to all lanes. What is laid out anew is the image, split by columns and strides so that neighbouring output pixels
see neighbouring numbers: a line for every column of the kernel, rows one behind the other; or, where rows of the output
are whole vectors, one for every column that a stride does not repeat, rows apart with zeros between them. Kernels of
one tap without stride or padding read the image itself.

Cost: 2*N*O*C/G*KH*KW*OH*OW operations; the weights pass through the nearest cache once for every two vectors of
pixels; KW/stride copies of the input are written, or one where rows lie apart. Parallel over tiles of output channels
and pixels, so that one image keeps all threads busy; each lays out the lines that it reads, which takes less time than
to fetch them from another core's cache. float32 and float64 on the CPU. The gradients are those of `direct`.
Measured error in float32: see `MEASURED_ERROR` in tests/kernels/conv_cases.py.

Reference: Zhang, Franchetti and Low, "High performance zero-memory overhead direct convolutions", 2018.
"""

from __future__ import annotations

import numpy as np

from reference.kernels import memory, parallel
from reference.kernels.convolution import direct
from reference.kernels.convolution.algorithm import Algorithm
from reference.kernels.convolution.geometry import Geometry
from reference.kernels.operands import in_place, supports
from reference.kernels.scratch import borrowed_by_parts
from reference.kernels.convolution.unpacked_kernels import sum_lines_compiled
from reference.kernels.convolution.unpacked_plan import plan

NO_SCRATCH = {dtype: np.empty((0, 0), none.dtype) for dtype, none in memory.NONE.items()}


def forward(input, weight, bias, geometry: Geometry):
    like = memory.NONE[input.dtype]
    made = plan(geometry, input.shape, weight.shape, like.dtype)
    input, weight, output = in_place(input), in_place(weight), memory.empty(made.output, input.dtype)
    if bias is not None:
        bias = in_place(bias)
    counts = made.counts
    places = (
        (weight.data_ptr(), counts[0]), (made.zeros[1] if bias is None else bias.data_ptr(), counts[1]),
        (output.data_ptr(), counts[2]), (input.data_ptr(), counts[3]),
    )  # fmt: skip
    parts = parallel.parts(made.units, made.operations)
    if parts == 1 or not made.room:
        none = NO_SCRATCH[input.dtype]
        parallel.run_at(sum_lines_compiled, parts, made.units, like, places, none, made.room, *made.loops)
        return output
    with borrowed_by_parts(parts, made.room, like.dtype) as scratch:
        parallel.run_at(sum_lines_compiled, parts, made.units, like, places, scratch, made.room, *made.loops)
    return output


UNPACKED = Algorithm("unpacked", forward, direct.input_grad, direct.weight_grad, supports)
