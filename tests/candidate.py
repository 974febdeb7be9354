"""Asks an implementation in this process what the grader asks one in a worker."""

from types import ModuleType

import torch

from grader.oracles.convolution import Answer, ConvolutionCase
from grader.oracles.pooling import PoolingCase


def convolve(mytorch: ModuleType, case: ConvolutionCase) -> Answer:
    """`MyFConv2D` on a case, with all its gradients."""
    tensors = case.tensors()
    upstream = tensors.pop("grad_output")
    leaves = {name: tensor.requires_grad_() for name, tensor in tensors.items()}
    before = {name: tensor.detach().clone() for name, tensor in leaves.items()}
    output = mytorch.MyFConv2D(
        leaves["input"],
        leaves["weight"],
        leaves.get("bias"),
        stride=case.stride,
        padding=case.padding,
    )
    return answer(output, upstream, leaves, before)


def apply_layer(mytorch: ModuleType, case: ConvolutionCase) -> Answer:
    """`MyConv2D` on a case whose kernel is square, with the case's weight and bias."""
    tensors = case.tensors()
    layer = mytorch.MyConv2D(
        case.in_channels,
        case.out_channels,
        case.kernel_height,
        stride=case.stride,
        padding=case.padding,
        bias=case.bias,
    )
    leaves = {"input": tensors["input"].requires_grad_()}
    roles = {torch.Size(case.weight_shape): "weight", torch.Size((case.out_channels,)): "bias"}
    for parameter in layer.parameters():
        role = roles.get(parameter.shape)
        assert role, f"a parameter of shape {tuple(parameter.shape)}; expected {list(roles)}"
        with torch.no_grad():
            parameter.copy_(tensors[role])
        leaves[role] = parameter
    before = {name: tensor.detach().clone() for name, tensor in leaves.items()}
    return answer(layer(leaves["input"]), tensors["grad_output"], leaves, before)


def pool(mytorch: ModuleType, case: PoolingCase) -> Answer:
    """`MyMaxPool2D` on a case, with its gradient."""
    tensors = case.tensors()
    stride = {} if case.stride is None else {"stride": case.stride}
    leaves = {"input": tensors["input"].requires_grad_()}
    before = {"input": leaves["input"].detach().clone()}
    output = mytorch.MyMaxPool2D(case.kernel_size, **stride)(leaves["input"])
    return answer(output, tensors["grad_output"], leaves, before)


def answer(
    output: torch.Tensor,
    upstream: torch.Tensor,
    leaves: dict[str, torch.Tensor],
    before: dict[str, torch.Tensor],
) -> Answer:
    """Output and gradients; the gradients stay None where no graph leads to a leaf."""
    changed = tuple(name for name, leaf in leaves.items() if not torch.equal(leaf, before[name]))
    gradients = {}
    if isinstance(output, torch.Tensor) and output.requires_grad and output.shape == upstream.shape:
        found = torch.autograd.grad(output, list(leaves.values()), upstream, allow_unused=True)
        gradients = {f"{name}_grad": value for name, value in zip(leaves, found, strict=True)}
    return Answer(output, changed=changed, **gradients)
