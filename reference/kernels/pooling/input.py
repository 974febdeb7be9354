"""What pooling asks of its input, and the shape and layout that it gives back."""

from __future__ import annotations

import torch

from reference.kernels.arguments import batched, check_tensor


def planes(input, dtypes: tuple[torch.dtype, ...]) -> tuple[torch.Tensor, bool]:
    """`input` as a batch of images, and whether it came as one.

    Args:
        input: (N, C, H, W), or (C, H, W) for one image.
        dtypes: the dtypes that this pooling is defined for.

    Raises:
        TypeError: not a tensor, or another dtype.
        ValueError: another number of dimensions, or no channel or no pixel in it.
    """
    check_tensor(input, "input")
    if input.dtype not in dtypes:
        allowed = ", ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
        raise TypeError(f"input must have one of the dtypes {allowed}, found {input.dtype}; convert it first")
    batch, was_batched = batched(input, "input")
    if 0 in batch.shape[1:]:
        raise ValueError(
            f"input must have at least one channel and one pixel (only the batch may be empty), "
            f"found shape {tuple(input.shape)}"
        )
    return batch, was_batched


def like_input(output: torch.Tensor, batch: torch.Tensor, was_batched: bool) -> torch.Tensor:
    """`output` (N, C, OH, OW) without the batch that a single image never had, channels last where its input was."""
    if not was_batched:
        return output.squeeze(0)
    if not batch.is_contiguous() and batch.is_contiguous(memory_format=torch.channels_last):
        return output.contiguous(memory_format=torch.channels_last)
    return output
