"""Pooling for GPUs in Triton: one pass over memory each for the output, the winners and the gradient.

    max:      output[y, x] = max over the window's taps, and winners[y, x] = the place of the greatest
    gradient: total[pixel] = sum over the windows that see it of  grad[window] where winners[window] == pixel
    average:  output[y, x] = sum over the window's taps / divisor; its gradient as above, with grad / divisor

Results lie in memory as the input does (channels_last or not). Winners are kept as int32, half of what torch keeps.
Sums of half types are in float32. Every number is written by one program, so all runs give the same bits.

Cost: each pixel read once and each result written once; a gradient reads the gradient and the winners once, and again
from the cache where windows overlap.
"""

from __future__ import annotations

import torch

from reference.kernels.triton import conv as triton_conv
from reference.kernels.pooling.algorithm import PoolAlgorithm
from reference.kernels.pooling.geometry import PoolGeometry

LARGEST = 2**31  # numbers of a tensor: indices are int32, as 64-bit divisions are several times slower


def maxima(input, geometry: PoolGeometry, winners_wanted: bool):
    from reference.kernels.triton import pool_kernels as kernels

    counts = geometry.output_size(tuple(input.shape[2:]))
    output = _like(input, input.dtype, counts)
    winners = _like(input, torch.int32, counts) if winners_wanted else None
    _run(
        kernels.maxima, (input, output, winners), output, input.shape[2:], counts, input.stride(),
        **_window(geometry), DILATION_H=geometry.dilation[0], DILATION_W=geometry.dilation[1], WINNERS=winners_wanted,
    )  # fmt: skip
    return output, winners


def scatter(grad, winners, geometry: PoolGeometry, size: tuple[int, int]):
    from reference.kernels.triton import pool_kernels as kernels

    result = _like(winners, grad.dtype, size)
    window = _window(geometry)
    del window["KH"], window["KW"]  # a winner's place says all about its window
    _run(
        kernels.scatter, (grad, winners, result), result, size, grad.shape[2:], (*grad.stride(), *winners.stride()),
        **window, **_reach(geometry), SUM=_sum_dtype(grad.dtype),
    )  # fmt: skip
    return result


def averages(input, geometry: PoolGeometry, row_divisors, column_divisors):
    from reference.kernels.triton import pool_kernels as kernels

    counts = geometry.output_size(tuple(input.shape[2:]))
    output = _like(input, input.dtype, counts)
    _run(
        kernels.averages, (input, row_divisors, column_divisors, output), output, input.shape[2:], counts,
        input.stride(), **_window(geometry), SUM=_sum_dtype(input.dtype),
    )  # fmt: skip
    return output


def spread(grad, geometry: PoolGeometry, row_divisors, column_divisors, size: tuple[int, int]):
    from reference.kernels.triton import pool_kernels as kernels

    result = _like(grad, grad.dtype, size)
    _run(
        kernels.spread, (grad, row_divisors, column_divisors, result), result, size, grad.shape[2:], grad.stride(),
        **_window(geometry), **_reach(geometry), SUM=_sum_dtype(grad.dtype),
    )  # fmt: skip
    return result


def _run(kernel, tensors, result, size, counts, strides, **constants) -> None:
    """Launch `kernel` with a lane for each number of `result`.

    Args:
        size: (H, W) of the image. counts: (OH, OW). strides: of the tensors that are read, in elements.
    """
    from reference.kernels.triton.pool_kernels import BLOCK

    if result.numel() == 0:
        return
    with torch.cuda.device_of(result):
        kernel[(-(-result.numel() // BLOCK),)](
            *tensors, result.numel(), result.shape[1], *size, *counts, *strides,
            **constants, INNERMOST=_innermost(result), BLOCK=BLOCK, enable_fp_fusion=True,
        )  # fmt: skip


def _innermost(tensor: torch.Tensor) -> bool:
    """Whether a tensor's channels lie side by side in memory."""
    return tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()


def _like(tensor: torch.Tensor, dtype: torch.dtype, size) -> torch.Tensor:
    layout = torch.channels_last if _innermost(tensor) else torch.contiguous_format
    return torch.empty((*tensor.shape[:2], *size), dtype=dtype, device=tensor.device, memory_format=layout)


def _window(geometry: PoolGeometry) -> dict[str, int]:
    names = ("KH", "KW", "STRIDE_H", "STRIDE_W", "PAD_H", "PAD_W")
    return dict(zip(names, (*geometry.kernel_size, *geometry.stride, *geometry.padding)))


def _reach(geometry: PoolGeometry) -> dict[str, int]:
    """How many windows can see one pixel along each axis."""
    extents = (d * (k - 1) + 1 for d, k in zip(geometry.dilation, geometry.kernel_size))
    return dict(zip(("REACH_H", "REACH_W"), (-(-extent // s) for extent, s in zip(extents, geometry.stride))))


def _sum_dtype(dtype: torch.dtype):
    import triton.language as tl

    return tl.float64 if dtype == torch.float64 else tl.float32


def supports(tensor: torch.Tensor) -> bool:
    return tensor.numel() < LARGEST and triton_conv.supports(tensor)


TRITON = PoolAlgorithm("triton", maxima, scatter, averages, spread, supports)
