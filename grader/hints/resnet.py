"""Hints about deliverable 3's network: which parameters are missing, what came in the last map's place."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from grader.oracles.figure3 import Figure3, classify
from grader.oracles.resnet_search import close

Shapes = Mapping[str, tuple[int, ...]]


def of_parameters(figure: Figure3, parameters: Shapes, buffers: Shapes) -> str:
    """Which of Figure 3's layers is another one, in one sentence; "" where that is not known.

    Args:
        figure: the network that is judged.
        parameters: name → shape, of a network that has others.
        buffers: likewise.
    """
    kernels = [shape for shape in parameters.values() if len(shape) == 4]
    size, pair, channels = figure.kernel_size, [], figure.stem  # pair: channels out of each block, and into it
    for out_channels, _ in figure.blocks:
        pair.append((out_channels, channels))
        channels = out_channels
    others = {shape[2:] for shape in kernels} - {(size, size), (1, 1)}
    if len(others) == 1:
        height, width = others.pop()
        return f"there are kernels of {height}×{width}; Figure 3's are {size}×{size}, and 1×1 in the shortcuts"
    stems = [shape[0] for shape in kernels if shape[1] == figure.in_channels]
    if len(stems) == 1 and stems[0] != figure.stem:
        return f"the first convolution has {stems[0]} output channels; Figure 3's has {figure.stem}"
    if all((*channels, size, size) in kernels for channels in pair) and not any(
        (*channels, 1, 1) in kernels for channels in pair
    ):
        if all(kernels.count((*channels, size, size)) == 2 for channels in pair):
            return f"the shortcuts' convolutions have kernels of {size}×{size}; Figure 3's are 1×1"
        return "the shortcuts have no convolution of 1×1"
    if sorted(kernels) == sorted(figure.convolutions()):
        return _other_head(figure, parameters) or _other_norms(figure, parameters, buffers)
    return ""


def _other_head(figure: Figure3, parameters: Shapes) -> str:
    matrices = [shape for shape in parameters.values() if len(shape) == 2]
    if len(matrices) > 1:
        return f"there are {len(matrices)} linear layers; Figure 3 has one"
    if len(matrices) == 1 and matrices[0] != figure.linear:
        rows, columns = matrices[0]
        return (
            f"the linear layer maps {columns} numbers to {rows}; Figure 3's maps {figure.linear[1]} to "
            f"{figure.classes}"
        )
    if len(matrices) == 1 and figure.linear[:1] not in parameters.values():
        return "the linear layer has no bias"
    return ""


def _other_norms(figure: Figure3, parameters: Shapes, buffers: Shapes) -> str:
    convolutions = figure.convolutions()
    learnt = sum(len(shape) == 1 for shape in parameters.values()) - 1  # without the linear layer's bias
    running = sum(len(shape) == 1 for shape in buffers.values())
    whole = 2 * len(convolutions)
    if learnt == whole and running < whole and running % 2 == 0:
        return f"{(whole - running) // 2} normalisations keep no running statistics: leave track_running_stats as it is"
    if running == whole and learnt < whole and learnt % 2 == 0:
        return f"{(whole - learnt) // 2} normalisations have no scale and shift: leave affine as it is"
    if learnt == running < whole and running % 2 == 0:
        return f"{(whole - running) // 2} of {len(convolutions)} normalisations are missing"
    return ""


def of_biases(biases: Sequence[str], parameters: Shapes) -> str:
    """Which layers the surplus biases belong to, as far as their names tell."""
    owners = [name.removesuffix(".bias") for name in biases if name.endswith(".bias")]
    owners = [owner for owner in owners if len(parameters.get(f"{owner}.weight", ())) == 4]
    if len(owners) != len(biases):
        return ""
    plural = "s" if len(owners) > 1 else ""
    return f"the convolution{plural} {', '.join(owners)} lack{'' if plural else 's'} bias=False"


def of_embedding(figure: Figure3, returned: Sequence[Tensor], logits: Tensor, linear: Sequence[Tensor]) -> str:
    """What `return_embed` gives in place of logits and the map before the pooling; "" where that is not known.

    Args:
        figure: the network that is judged.
        returned: the tensors that came.
        logits: (N, K), without `return_embed`.
        linear: weight and bias of the classifier.
    """
    batch, width = len(logits), figure.linear[1]
    weight, bias = linear

    def gives_logits(features: Tensor) -> bool:
        return close(logits, F.linear(features, weight, bias))

    for value in returned:
        value = value.double()
        if value.numel() == batch * width and gives_logits(value.reshape(batch, width)):
            return "this is the map after the pooling: return it as it is before"
        if value.dim() != 4 or len(value) != batch:
            continue
        if value.shape[1] == width and close(logits, classify(value.relu(), weight, bias)) and (value < 0).any():
            return "this is the map before the last block's ReLU: return it as it is after"
        if value.shape[1] != width and value.shape[1] in (figure.stem, *(channels for channels, _ in figure.blocks)):
            return f"with {value.shape[1]} channels this is the map of an earlier layer; the last block's has {width}"
    if len(returned) == 1 and close(returned[0], logits.double()):
        return "the logits come alone: return the map beside them"
    if len(returned) == 1 and returned[0].dim() == 4 and close(logits, classify(returned[0].double(), weight, bias)):
        return "the map comes alone: return the logits beside it"
    return ""


def of_modes(evaluating: Tensor, training: Tensor) -> str:
    """Why evaluation and training mode are alike; "" if they are not, for the same images."""
    if not close(evaluating, training.double()):
        return ""
    return (
        "in evaluation mode your network computes what it computes in training mode: the mode does not reach its "
        "normalisations"
    )


def of_idle(idle: Sequence[str], frozen: Sequence[str], gradients: Mapping[str, Tensor | None]) -> str:
    """Why parameters get no gradient; "" where that is not known."""
    if set(idle) <= set(frozen):
        return "requires_grad is False there: whatever sets it has to go"
    zero = [name for name in idle if isinstance(gradients.get(name), torch.Tensor)]
    if len(zero) == len(idle):
        return (
            "a gradient arrives there and is 0: what they compute is multiplied by 0, or cut off by a ReLU "
            "everywhere"
        )
    return (
        "what they compute does not reach the logits, or leaves autograd on its way (.data, .detach(), .item(), "
        "torch.no_grad)"
    )
