"""What the compiled convolutions take: tensors of the processor, as arrays without copies where that can be."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch


def arrays(*tensors: torch.Tensor) -> list[np.ndarray]:
    """Tensors as arrays in row-major order, which share the memory of those that are so already."""
    return [array(tensor) for tensor in tensors]


def array(tensor: torch.Tensor) -> np.ndarray:
    """One of `arrays`."""
    if tensor.requires_grad:
        tensor = tensor.detach()
    return tensor.contiguous().numpy()


def in_place(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor, or a copy of it whose numbers lie in row-major order as they are: what its address leads to."""
    return tensor if tensor.is_contiguous() and not tensor.is_neg() else tensor.resolve_neg().contiguous()


def supports(tensor: torch.Tensor) -> bool:
    """Whether compiled kernels take tensors of this dtype on this device."""
    return tensor.device.type == "cpu" and tensor.dtype in (torch.float32, torch.float64)


@lru_cache(maxsize=64)
def zeros(count: int, dtype: torch.dtype) -> torch.Tensor:
    """What outputs without a bias start from; never written."""
    return torch.zeros(count, dtype=dtype)
