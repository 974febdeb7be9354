"""Convolution over deliverable 2's layers, ours beside torch's: `pytest --benchmark-only tests/benchmarks`."""

import pytest
import torch
import torch.nn.functional as F

from reference.kernels import conv2d

# (input channels, output channels, image size), all 3x3 with padding 1; the first layer needs no input gradient.
LAYERS = {"1 to 3 at 28": (1, 3, 28), "3 to 6 at 14": (3, 6, 14)}
PEERS = {"ours": conv2d, "torch": F.conv2d}


def operands(layer, batch):
    channels, out_channels, size = LAYERS[layer]
    generator = torch.Generator().manual_seed(0)
    shapes = ((batch, channels, size, size), (out_channels, channels, 3, 3), (out_channels,))
    return [torch.randn(shape, generator=generator) for shape in shapes]


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("batch", [64, 256])
@pytest.mark.parametrize("layer", LAYERS)
def test_forward(benchmark, layer, batch, peer):
    benchmark.group = f"convolution {layer}, batch {batch}, forward"
    input, weight, bias = operands(layer, batch)
    benchmark.pedantic(PEERS[peer], (input, weight, bias), {"padding": 1}, rounds=50, warmup_rounds=5)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("batch", [64, 256])
@pytest.mark.parametrize("layer", LAYERS)
def test_forward_and_backward(benchmark, layer, batch, peer):
    benchmark.group = f"convolution {layer}, batch {batch}, forward and backward"
    input, weight, bias = operands(layer, batch)
    leaves = [weight.requires_grad_(), bias.requires_grad_()]
    if input.shape[1] > 1:
        leaves.append(input.requires_grad_())
    upstream = torch.randn(batch, weight.shape[0], *input.shape[2:])

    def step():
        return torch.autograd.grad(PEERS[peer](input, weight, bias, padding=1), leaves, upstream)

    benchmark.pedantic(step, rounds=50, warmup_rounds=5)
