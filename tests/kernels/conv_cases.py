"""What the convolution tests share: the algorithms, the shapes that catch each kind of mistake, tolerances."""

import torch

from reference.kernels.arguments import pair
from reference.kernels.conv import ALGORITHMS
from reference.kernels.convolution.geometry import Geometry

# Without those that are for GPUs alone; with TRITON_INTERPRET=1 "triton" is for the CPU too.
NAMES = sorted(name for name, algorithm in ALGORITHMS.items() if algorithm.supports(torch.empty(0)))

# (input, weight, keywords); every size differs from every other where it can, so that a swap shows.
CASES = {
    "plain": ((2, 3, 9, 11), (4, 3, 3, 3), {}),
    "padding": ((2, 3, 9, 11), (7, 3, 3, 2), {"padding": (1, 2)}),
    "wide padding": ((1, 2, 3, 4), (2, 2, 2, 3), {"padding": (4, 5)}),
    "stride": ((2, 3, 9, 12), (6, 3, 3, 2), {"stride": (2, 3), "padding": 1}),
    "stride wider than the kernel": ((2, 2, 11, 13), (3, 2, 2, 1), {"stride": (4, 3)}),
    "dilation": ((2, 2, 12, 11), (3, 2, 3, 2), {"dilation": (2, 3), "padding": (1, 0)}),
    "stride and dilation share no factor": ((1, 2, 17, 19), (2, 2, 3, 3), {"stride": (2, 3), "dilation": (3, 2)}),
    "stride and dilation share a factor": ((1, 2, 17, 19), (2, 2, 3, 3), {"stride": 2, "dilation": 4, "padding": 3}),
    "groups": ((2, 6, 7, 8), (8, 3, 3, 2), {"groups": 2, "padding": 1}),
    "depthwise": ((2, 5, 7, 8), (5, 1, 3, 3), {"groups": 5, "padding": 1}),
    "depthwise with a multiplier": ((2, 3, 7, 8), (6, 1, 3, 2), {"groups": 3, "stride": 2}),
    "one by one": ((2, 5, 6, 7), (13, 5, 1, 1), {}),
    "one by one with stride": ((2, 5, 6, 7), (3, 5, 1, 1), {"stride": 2}),
    "same": ((2, 2, 7, 8), (3, 2, 3, 5), {"padding": "same"}),
    "same with an even kernel": ((2, 2, 7, 8), (3, 2, 4, 2), {"padding": "same", "dilation": (1, 3)}),
    "valid": ((2, 2, 7, 8), (3, 2, 2, 3), {"padding": "valid"}),
    "kernel as large as the padded image": ((2, 2, 4, 5), (3, 2, 6, 7), {"padding": 1}),
    "wider than a vector": ((1, 2, 5, 70), (3, 2, 2, 3), {"padding": 1}),
    "three by three": ((2, 3, 9, 11), (4, 3, 3, 3), {"padding": (1, 2)}),
    "many taps, many outputs": ((2, 2, 9, 11), (32, 2, 5, 5), {"padding": 2}),
    "three by three in steps of two": ((2, 3, 9, 11), (4, 3, 3, 3), {"stride": 2, "padding": (1, 2)}),
    "five by five": ((2, 3, 9, 11), (4, 3, 5, 5), {"padding": (1, 2)}),
    "a vector of images": ((15, 3, 6, 7), (4, 3, 3, 3), {"padding": (1, 0)}),
    "empty batch": ((0, 3, 6, 7), (4, 3, 3, 2), {"padding": 1}),
}


# Largest error over 150 random shapes (1 to 5,000 terms, signed and positive numbers, float32 against float64),
# in units of sqrt(terms) * half a unit in the last place * the sum of the absolute products: what independent
# roundings of a sum grow to. Per algorithm: forward, input gradient, weight gradient.
MEASURED_ERROR = {
    "cuda": (1.09, 1.40, 1.32),
    "depthwise": (1.41, 1.30, 0.56),
    "direct": (1.13, 1.40, 0.96),
    "gemm": (1.32, 1.38, 1.10),
    "im2col": (1.09, 1.40, 0.87),
    "naive": (1.08, 1.40, 1.32),
    "pointwise": (1.33, 1.51, 1.37),  # over shapes of 1x1 kernels
    "triton": (1.28, 1.36, 1.23),  # by its interpreter, over 72 shapes
    "unpacked": (1.19, 1.40, 0.96),
    "winograd": (2.93, 2.99, 3.85),  # over shapes of at least 8 channels and 64 windows, 3x3 and 5x5
    "winograd_strided": (2.85, 9.49, 2.39),  # over 300 such shapes; pixels that one window sees have the 9.49
}
SLACK = 1.5  # of what is allowed over what was measured


def allowed_errors(algorithm: str, dtype: torch.dtype, terms: tuple[int, int, int]) -> list[float]:
    """Bounds of |error| / sum of |products| for forward, input gradient, weight gradient of so many terms."""
    unit = torch.finfo(dtype).eps / 2
    return [SLACK * factor * count**0.5 * unit for factor, count in zip(MEASURED_ERROR[algorithm], terms)]


def takes(algorithm: str, case: str) -> bool:
    """Whether the algorithm is made for the case."""
    _, weight_shape, keywords = CASES[case]
    padding = keywords.get("padding", 0)
    numbers = {name: pair(keywords.get(name, 1), name, 1) for name in ("stride", "dilation")}
    top, left = (0, 0) if isinstance(padding, str) else pair(padding, "padding", 0)
    geometry = Geometry(**numbers, padding=(top, top, left, left), groups=keywords.get("groups", 1))
    return algorithm == "auto" or ALGORITHMS[algorithm].takes(weight_shape, geometry)


def case_for(algorithm: str, preferred: str) -> str:
    """`preferred`, or the first case that the algorithm is made for."""
    return preferred if takes(algorithm, preferred) else next(case for case in CASES if takes(algorithm, case))


def draw(case: str, dtype: torch.dtype = torch.float64):
    """Input, weight and bias of a case, and its keywords."""
    input_shape, weight_shape, keywords = CASES[case]
    generator = torch.Generator().manual_seed(sum(map(ord, case)))
    shapes = (input_shape, weight_shape, weight_shape[:1])
    return *(torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes), keywords
