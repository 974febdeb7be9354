"""A flattened weight in an nn.ParameterList under odd names; the Modules are only wrappers of functions."""
import torch
from torch import nn
from torch.nn.functional import fold, pad, unfold


def MyFConv2D(input, weight, bias=None, stride=1, padding=0):
    return conv(weight.shape[2:], stride, padding)([weight.flatten(1)] + ([] if bias is None else [bias]))(input)


def conv(size, stride, padding):
    def with_parameters(theta):
        def run(x):
            x = pad(x, (padding,) * 4)
            oh, ow = ((length - k) // stride + 1 for length, k in zip(x.shape[2:], size))
            y = torch.einsum("ok,nkl->nol", theta[0], unfold(x, tuple(size), stride=stride))
            return (y + theta[1][:, None] if len(theta) > 1 else y).unflatten(2, (oh, ow))

        return run

    return with_parameters


class MyConv2D(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, bias=True):
        super().__init__()
        θ = [torch.rand(out_channels, in_channels * kernel_size**2) * 2 - 1]
        θ += [torch.rand(out_channels, 1) * 2 - 1] * bias
        self.Θ = nn.ParameterList(θ)
        self.function = conv((kernel_size, kernel_size), stride, padding)

    def forward(self, x):
        weight, *bias = self.Θ
        return self.function([weight, *(b[:, 0] for b in bias)])(x)


class MyMaxPool2D(nn.Module):
    def __init__(self, kernel_size, stride=None):
        super().__init__()
        step = stride or kernel_size
        self.function = lambda x: x.unfold(2, kernel_size, step).unfold(3, kernel_size, step).amax((4, 5))

    def forward(self, x):
        return self.function(x)
