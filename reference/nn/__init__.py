"""The Modules over `reference.kernels`, interchangeable with their `torch.nn` namesakes."""

from reference.nn.conv import Conv2d
from reference.nn.pool import AvgPool2d, MaxPool2d

__all__ = ["AvgPool2d", "Conv2d", "MaxPool2d"]
