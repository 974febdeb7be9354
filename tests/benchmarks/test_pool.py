"""Pooling beside torch's, in both of torch's layouts: `pytest --benchmark-only tests/benchmarks/test_pool.py`.

One group per shape and direction, so that the rows to compare stand together. Compiled before the clock
starts, and denormals off on both sides.
"""

import pytest
import torch
import torch.nn.functional as F

from reference.kernels.avg_pool import avg_pool2d
from reference.kernels.max_pool import max_pool2d

# What HW3 and the course's other networks pool, (N, C, H, W) with kernel size and stride.
MAX_SHAPES = [
    ((64, 3, 28, 28), 2, 2),
    ((64, 6, 14, 14), 2, 2),
    ((128, 16, 28, 28), 2, 2),
    ((128, 32, 32, 32), 2, 2),
    ((128, 64, 32, 32), 2, 2),
    ((128, 32, 15, 15), 2, 2),
    ((128, 32, 32, 32), 3, 2),
    ((1, 32, 32, 32), 2, 2),
    ((500, 32, 28, 28), 2, 2),
]
AVERAGE_SHAPES = [((128, 32, 32, 32), 2, 2), ((128, 64, 15, 15), 2, 2), ((128, 512, 4, 4), 4, 4)]
CASES = [("max", max_pool2d, F.max_pool2d, *shape) for shape in MAX_SHAPES]
CASES += [("average", avg_pool2d, F.avg_pool2d, *shape) for shape in AVERAGE_SHAPES]


@pytest.fixture(autouse=True)
def no_denormals():
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)


@pytest.mark.parametrize("who", ["ours", "torch NCHW", "torch channels_last"])
@pytest.mark.parametrize("direction", ["forward", "forward+backward"])
@pytest.mark.parametrize("kind, ours, theirs, shape, kernel_size, stride", CASES)
def test_pooling(benchmark, who, direction, kind, ours, theirs, shape, kernel_size, stride):
    benchmark.group = f"{kind} {kernel_size}/{stride} of {'x'.join(map(str, shape))}, {direction}"
    function = ours if who == "ours" else theirs
    layout = torch.channels_last if who == "torch channels_last" else torch.contiguous_format
    input = torch.randn(shape).contiguous(memory_format=layout)
    upstream = torch.randn_like(function(input, kernel_size, stride), memory_format=layout)
    input.requires_grad_(direction != "forward")

    def step():
        output = function(input, kernel_size, stride)
        return torch.autograd.grad(output, input, upstream) if input.requires_grad else output

    step()
    benchmark(step)
