"""Where a training runs, and in which number format: what this machine is fastest at."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Compute:
    """A device, and how to use it.

    Args:
        device: where network and data lie.
        dtype: of convolutions and matrix products; float32, or bfloat16 by autocast.
        layout: of kernels and images in memory. Channels last is what torch's convolutions run on
            inside; ours take `torch.contiguous_format`.
    """

    device: torch.device
    dtype: torch.dtype
    layout: torch.memory_format = torch.channels_last

    def autocast(self) -> AbstractContextManager:
        """The context to run a network in; its parameters stay float32."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def place(self, net: nn.Module) -> nn.Module:
        """Move a network to the device, its kernels in the layout.

        A network that comes in the layout that its convolutions run on, and gets its images in
        it, is spared the conversions.
        """
        return net.to(self.device, memory_format=self.layout)

    def images(self, images: Tensor) -> Tensor:
        """Move images (N, C, H, W) to the device, in the layout."""
        return images.to(self.device).contiguous(memory_format=self.layout)

    def __str__(self) -> str:
        return f"{self.device}, {str(self.dtype).removeprefix('torch.')}"


FLOAT32_CPU = Compute(torch.device("cpu"), torch.float32)


def fastest() -> Compute:
    """A GPU where there is one; bfloat16 where there are instructions for it.

    Without them a CPU would emulate bfloat16, many times slower than float32.
    """
    if torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return Compute(torch.device("cuda"), torch.bfloat16 if native else torch.float32)
    # Before torch 2.12 this cannot be asked for; float32 is right everywhere.
    features = getattr(torch.cpu, "get_capabilities", dict)()
    native = any(features.get(name) for name in ("avx512_bf16", "amx_bf16"))
    return Compute(torch.device("cpu"), torch.bfloat16 if native else torch.float32)
