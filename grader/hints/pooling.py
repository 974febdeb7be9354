"""Hints about `MyMaxPool2D`."""

from dataclasses import replace

from grader.hints import pooling_faults
from grader.hints.asking import Subject
from grader.hints.operands import Pooling
from grader.oracles.pooling import PoolingCase, expected


def wider(case: PoolingCase) -> list[PoolingCase]:
    """Two cases that keep what the given one is about, with other numbers of everything."""
    if case.stride is None:
        strides = (None, None)
    else:
        # Windows that overlap stay so, and windows that leave gaps, too.
        strides = (2, 1) if case.stride < case.kernel_size else (3, 4)
        if case.stride == case.kernel_size:
            strides = (3, 2)
    return [
        _sized(case, (2, 3), 3, strides[0], seed=case.seed + 1),
        _sized(case, (3, 2), 2, strides[1], seed=case.seed + 2),
    ]


def other(case: PoolingCase) -> list[PoolingCase]:
    """Values on both sides of 0, windows that overlap or leave gaps, and an image that is not square."""
    mixed = replace(case, negative=False)
    stretched = replace(case, width=case.height + 1)
    return [
        _sized(mixed, (2, 3), 2, case.stride, seed=case.seed + 3),
        _sized(mixed, (2, 3), 3, 2, seed=case.seed + 4),
        _sized(mixed, (2, 3), 2, 3, seed=case.seed + 5),
        _sized(stretched, (2, 3), 3, case.stride, seed=case.seed + 6),
    ]


def _sized(case: PoolingCase, counts: tuple[int, int], kernel: int, stride: int | None, *, seed: int) -> PoolingCase:
    """A case with these numbers of images and channels, and three or four windows in each direction."""
    step = stride or kernel
    given = case.stride or case.kernel_size
    rests = any((extent - case.kernel_size) % given for extent in (case.height, case.width))
    rest = 1 % step if rests else 0
    height = kernel + 2 * step + rest
    width = height + (0 if case.height == case.width else step)
    batch, channels = counts
    return replace(
        case, batch=batch, channels=channels, height=height, width=width, kernel_size=kernel, stride=stride, seed=seed
    )


SUBJECT = Subject(
    operands=Pooling.of,
    expected=expected,
    faults={"output": pooling_faults.OUTPUT, "input_grad": pooling_faults.GRADIENT},
    wider=wider,
    other=other,
)
