"""Hypothesis strategies for the cases; the grader and `tests/` draw from the same ones.

Sizes are small so that a solution made of Python loops answers in milliseconds, and odd
enough that no two extents are equal by habit: heights, widths and kernels are drawn apart.
"""

import torch
from hypothesis import strategies as st

from grader.oracles.convolution import ConvolutionCase
from grader.oracles.pooling import PoolingCase
from grader.oracles.tensors import LAYOUTS

SEEDS = st.integers(0, 2**31 - 1)
DTYPES = st.sampled_from([torch.float32, torch.float64])


@st.composite
def convolutions(
    draw,
    *,
    strides=st.integers(1, 3),
    paddings=st.integers(0, 2),
    biases=st.booleans(),
    dtypes=DTYPES,
    layouts=st.sampled_from(LAYOUTS),
    batches=st.integers(1, 3),
    square_kernel: bool = False,
    square_image: bool = False,
) -> ConvolutionCase:
    """Any call that the assignment's contract allows; narrow it by handing over strategies."""
    kernel_height = draw(st.integers(1, 4))
    kernel_width = kernel_height if square_kernel else draw(st.integers(1, 4))
    padding = draw(paddings)
    # The smallest image is the one that the padded kernel just covers.
    height = draw(st.integers(max(1, kernel_height - 2 * padding), 8))
    width = draw(st.integers(max(1, kernel_width - 2 * padding), 8))
    if square_image:
        height = width = max(height, width)
    return ConvolutionCase(
        batch=draw(batches),
        in_channels=draw(st.integers(1, 3)),
        height=height,
        width=width,
        out_channels=draw(st.integers(1, 4)),
        kernel_height=kernel_height,
        kernel_width=kernel_width,
        stride=draw(strides),
        padding=padding,
        bias=draw(biases),
        dtype=draw(dtypes),
        layout=draw(layouts),
        seed=draw(SEEDS),
    )


@st.composite
def poolings(
    draw,
    *,
    strides=st.none() | st.integers(1, 4),
    dtypes=DTYPES,
    layouts=st.sampled_from(LAYOUTS),
    batches=st.integers(1, 3),
    negatives=st.booleans(),
    whole_windows: bool = False,
) -> PoolingCase:
    """Any call that the assignment's contract allows.

    Args:
        whole_windows: only images that the windows cover without a rest.
    """
    kernel_size = draw(st.integers(1, 4))
    stride = draw(strides)
    step = stride or kernel_size

    def extent() -> int:
        windows = draw(st.integers(1, 4))
        rest = 0 if whole_windows else draw(st.integers(0, step - 1))
        return kernel_size + (windows - 1) * step + rest

    return PoolingCase(
        batch=draw(batches),
        channels=draw(st.integers(1, 3)),
        height=extent(),
        width=extent(),
        kernel_size=kernel_size,
        stride=stride,
        negative=draw(negatives),
        dtype=draw(dtypes),
        layout=draw(layouts),
        seed=draw(SEEDS),
    )
