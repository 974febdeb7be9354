"""Convolution and pooling from scratch, with the contracts of their `torch.nn.functional` namesakes."""

from reference.kernels.avg_pool import avg_pool2d
from reference.kernels.conv import conv2d
from reference.kernels.max_pool import max_pool2d

__all__ = ["avg_pool2d", "conv2d", "max_pool2d"]
