"""Tensors for a case: drawn from its seed, laid out in memory as the case asks."""

import torch

LAYOUTS = ("contiguous", "channels_last", "transposed")


def draw(generator: torch.Generator, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Normal numbers of any shape; drawn in float64, so that the dtypes share their values."""
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def draw_distinct(
    generator: torch.Generator, shape: tuple[int, ...], dtype: torch.dtype
) -> torch.Tensor:
    """Distinct numbers around zero, a quarter apart, in random order: a maximum without ties."""
    count = torch.Size(shape).numel()
    values = (torch.randperm(count, generator=generator) - count // 2) / 4
    return values.reshape(shape).to(dtype)


def lay_out(tensor: torch.Tensor, layout: str) -> torch.Tensor:
    """The same values with other strides.

    Args:
        tensor: (N, C, H, W).
        layout: "contiguous", "channels_last", or "transposed" (height and width swapped in
            memory, as `x.transpose(2, 3)` gives them).
    """
    match layout:
        case "contiguous":
            return tensor.contiguous()
        case "channels_last":
            return tensor.contiguous(memory_format=torch.channels_last)
        case "transposed":
            return tensor.transpose(2, 3).contiguous().transpose(2, 3)
    raise ValueError(f"layout: expected one of {LAYOUTS}, found {layout!r}")
