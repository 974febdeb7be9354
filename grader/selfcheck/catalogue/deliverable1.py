"""Handwritten faults of deliverable 1. A new one is one entry in `MUTANTS`."""

from grader.selfcheck.mutant import Mutant
from grader.selfcheck.submissions.deliverable1 import BY_HAND, UNFOLD

TOGETHER = ("conv2d.together", "Conv2D.values")
VALUES = ("conv2d.values", "conv2d.stride", "conv2d.padding", "conv2d.bias", "conv2d.rectangles", "conv2d.dtype",
          "conv2d.layout", "conv2d.edges", *TOGETHER)  # fmt: skip
GRADIENTS = ("conv2d.input_gradient", "conv2d.weight_gradient")
ALL_GRADIENTS = (*GRADIENTS, "conv2d.bias_gradient", "Conv2D.gradients")
POOL_VALUES = ("maxpool.values", "maxpool.stride", "maxpool.odd_sizes", "maxpool.negative")

WINDOWS = "padded.unfold(2, kh, stride).unfold(3, kw, stride)"
EINSUM = 'torch.einsum("nchwij,ocij->nohw", windows, weight)'
BIASED = "output + bias.view(1, -1, 1, 1)"
POOLED = "x.unfold(2, k, s).unfold(3, k, s).flatten(4).max(-1).values"
PADDED = "F.pad(input, (padding, padding, padding, padding))"

VALUE_FAULTS = (
    Mutant("padding left out", UNFOLD,
           PADDED, "input", ("conv2d.padding", *TOGETHER, *ALL_GRADIENTS), "no padding"),
    Mutant("padding applied twice", UNFOLD, PADDED, f"F.pad({PADDED}, [padding] * 4)",
           ("conv2d.padding", *TOGETHER, *ALL_GRADIENTS), "padding applied twice"),
    Mutant("padding along the height only", UNFOLD, PADDED, "F.pad(input, (0, 0, padding, padding))",
           ("conv2d.padding", *TOGETHER, *ALL_GRADIENTS), "padded along the height only"),
    Mutant("padding at the top and left only", UNFOLD, PADDED, "F.pad(input, (padding, 0, padding, 0))",
           ("conv2d.padding", *TOGETHER, *ALL_GRADIENTS), "padded at the top and left only"),
    Mutant("padding with the edge", UNFOLD,
           PADDED, 'F.pad(input, [padding] * 4, mode="replicate") if len(input) else input',
           ("conv2d.padding", *TOGETHER, *GRADIENTS, "Conv2D.gradients"), "the image's edge"),
    Mutant("padding with ones", UNFOLD, PADDED, "F.pad(input, [padding] * 4, value=1.0)",
           ("conv2d.padding", *TOGETHER, "conv2d.weight_gradient", "Conv2D.gradients"), "padding with ones"),
    Mutant("padding as a flag", UNFOLD, PADDED, "F.pad(input, [1 if padding else 0] * 4)",
           ("conv2d.padding",), "what a padding of 1 gives", (*TOGETHER, *ALL_GRADIENTS)),
    Mutant("stride left out", UNFOLD, WINDOWS, "padded.unfold(2, kh, 1).unfold(3, kw, 1)",
           ("conv2d.stride", *TOGETHER, *ALL_GRADIENTS), "a stride of 1 gives"),
    Mutant("stride along the height only", UNFOLD, WINDOWS, "padded.unfold(2, kh, stride).unfold(3, kw, 1)",
           ("conv2d.stride", *TOGETHER, *ALL_GRADIENTS), "along the height only"),
    Mutant("stride larger by one", UNFOLD, WINDOWS, "padded.unfold(2, kh, stride + 1).unfold(3, kw, stride + 1)",
           (*VALUES, *ALL_GRADIENTS), "stride larger by 1", ("conv2d.edges", "conv2d.layout")),
    Mutant("height and width of the window swapped", UNFOLD,
           WINDOWS, "padded.unfold(2, kw, stride).unfold(3, kh, stride)",
           ("conv2d.rectangles", "conv2d.together", *GRADIENTS, "conv2d.bias_gradient"), ""),
    Mutant("window swapped and its order, too", UNFOLD, f"{WINDOWS}\n",
           "padded.unfold(2, kw, stride).unfold(3, kh, stride)\n    weight = weight.reshape(o, c, kw, kh)\n",
           ("conv2d.rectangles", "conv2d.together", *GRADIENTS, "conv2d.bias_gradient"),
           "where this does not raise, your output is what windows with the kernel's height and width swapped"),
    Mutant("kernel flipped", UNFOLD, EINSUM, EINSUM.replace("weight", "weight.flip(2, 3)"),
           (*VALUES, *GRADIENTS, "Conv2D.gradients"), "turned by 180°"),
    Mutant("kernel transposed", UNFOLD, EINSUM, EINSUM.replace("ocij", "ocji"),
           (*VALUES, *ALL_GRADIENTS), "a transposed kernel gives", ("conv2d.bias_gradient",)),
    Mutant("output transposed", UNFOLD,
           EINSUM, f"{EINSUM}.mT", (*VALUES, *ALL_GRADIENTS), "your output is the transpose"),
    Mutant("images transposed", UNFOLD, PADDED, PADDED.replace("input", "input.mT"), (*VALUES, *ALL_GRADIENTS),
           "transposed images"),
    Mutant("mean in place of sum", UNFOLD, EINSUM, f"{EINSUM} / (kh * kw)",
           (*VALUES, *GRADIENTS, "Conv2D.gradients"), "the mean of the products over the window"),
    Mutant("mean over the channels", UNFOLD, EINSUM, f"{EINSUM} / c",
           (*VALUES, *GRADIENTS, "Conv2D.gradients"), "the mean over the input channels"),
    Mutant("only the first channel", UNFOLD,
           EINSUM, EINSUM.replace("windows, weight", "windows[:, :1], weight[:, :1]"),
           (*VALUES, *GRADIENTS, "Conv2D.gradients"), "first input channel only"),
    Mutant("a ReLU too many", UNFOLD, EINSUM, f"{EINSUM}.relu()",
           (*VALUES, *GRADIENTS, "Conv2D.gradients"), "cut off at 0"),
    Mutant("last row missing", UNFOLD,
           EINSUM, f"{EINSUM}[:, :, :-1]", (*VALUES, *ALL_GRADIENTS), "misses the last row"),
    Mutant("bias left out", UNFOLD,
           BIASED, "output", ("conv2d.bias", *TOGETHER, "conv2d.bias_gradient", "Conv2D.gradients"),
           "without its bias"),
    Mutant("bias per product", UNFOLD, BIASED, "output + weight[0].numel() * bias.view(1, -1, 1, 1)",
           ("conv2d.bias", *TOGETHER, "conv2d.bias_gradient", "Conv2D.gradients"), "once per product"),
    Mutant("bias per input channel", UNFOLD, BIASED, "output + c * bias.view(1, -1, 1, 1)",
           ("conv2d.bias", *TOGETHER, "conv2d.bias_gradient", "Conv2D.gradients"), "once per input channel"),
    Mutant("bias subtracted", UNFOLD, BIASED, "output - bias.view(1, -1, 1, 1)",
           ("conv2d.bias", *TOGETHER, "conv2d.bias_gradient", "Conv2D.gradients"), "the bias subtracted"),
    Mutant("bias detached", UNFOLD, BIASED, "output + bias.detach().view(1, -1, 1, 1)",
           ("conv2d.bias_gradient", "Conv2D.gradients"), "no gradient reaches the bias"),
    Mutant("weight detached", UNFOLD, EINSUM, EINSUM.replace("weight", "weight.detach()"),
           ("conv2d.weight_gradient", "Conv2D.gradients"), "no gradient reaches the weight"),
    Mutant("input detached", UNFOLD, PADDED, PADDED.replace("input", "input.detach()"),
           ("conv2d.input_gradient", "Conv2D.gradients"), "no gradient reaches the input"),
    Mutant("float32 inside", UNFOLD, EINSUM,
           EINSUM.replace("windows, weight", "windows.float(), weight.float()") + ".to(input.dtype)",
           ("conv2d.dtype", *GRADIENTS), "precision of float32"),
    Mutant("float32 out", UNFOLD, EINSUM, f"{EINSUM}.float()", ("conv2d.dtype",),
           "right to the precision of float32", (*GRADIENTS, "conv2d.bias_gradient")),
    Mutant("memory read row by row", UNFOLD, PADDED,
           PADDED.replace("input", "torch.as_strided(input, (input.numel(),), (1,)).reshape(input.shape)"),
           ("conv2d.layout", "Conv2D.values", *GRADIENTS, "Conv2D.gradients"),
           "memory gives when it is read row by row"),
    Mutant("stride of 2 by default", UNFOLD, "stride=1, padding=0", "stride=2, padding=0", ("conv2d.edges",),
           "a stride of 2 gives"),
    Mutant("padding of 1 by default", UNFOLD, "stride=1, padding=0", "stride=1, padding=1", ("conv2d.edges",),
           "a padding of 1 gives"),
    Mutant("bias has no default", UNFOLD, "bias=None, stride", "bias, stride", ("conv2d.edges",)),
    Mutant("input changed in place", UNFOLD,
           "    padded =", "    with torch.no_grad():\n        input.mul_(1.5)\n    padded =",
           (*VALUES, *ALL_GRADIENTS), "something writes into the argument"),
)  # fmt: skip

BACKWARD = "grad_padded[:, :, padding : padding + h, padding : padding + w]"
SHARE = 'torch.einsum("nohw,oc->nchw", grad, kernel)'
ONE_WEIGHT = 'torch.einsum("nohw,nchw->oc", grad, padded[:, :, rows, columns])'


def _backward(name: str, before: str, after: str, part: str, hint: str, *may: str) -> Mutant:
    """A fault of one gradient of the convolution whose backward is written out."""
    return Mutant(name, BY_HAND, before, after, (f"conv2d.{part}_gradient", "Conv2D.gradients"), hint, may)


GRADIENT_FAULTS = (
    _backward("kernel flipped in the gradient of the input", "kernel = weight[:, :, i, j]",
              "kernel = weight.flip(2, 3)[:, :, i, j]", "input", "the wrong way round"),
    _backward("kernel transposed in the gradient of the input", SHARE,
              SHARE.replace("kernel", "weight.mT.reshape(weight.shape)[:, :, i, j]"),
              "input", "a kernel whose height and width are swapped"),
    _backward("shares of windows replace each other", f"grad_padded[:, :, rows, columns] += {SHARE}",
              f"grad_padded[:, :, rows, columns] = {SHARE}", "input", "where windows overlap"),
    _backward("padding cut off at the end only", BACKWARD, "grad_padded[:, :, :h, :w]", "input",
              "not shifted by the padding"),
    _backward("padding cut off at the beginning twice", BACKWARD,
              "torch.nn.functional.pad(grad_padded, [padding] * 4)[:, :, 3 * padding :, 3 * padding :][:, :, :h, :w]",
              "input", "shifted by the padding twice"),
    _backward("sign of the gradient of the input", BACKWARD, f"-{BACKWARD}", "input", "opposite sign"),
    _backward("gradient of the input averaged over the batch", BACKWARD, f"{BACKWARD} / len(grad)", "input",
              "divided by the number of images"),
    _backward("gradient of the input forgotten", "return grad_input,", "return None,", "input",
              "no gradient reaches the input"),
    _backward("gradient of the first output channel only", SHARE,
              SHARE.replace("grad, kernel", "grad[:, :1], kernel[:1]"),
              "input", "first output channel only"),
    _backward("gradient of the weight averaged over the batch", ONE_WEIGHT, f"{ONE_WEIGHT} / len(grad)", "weight",
              "divided by the number of images"),
    _backward("gradient of the weight of the last image only", ONE_WEIGHT,
              ONE_WEIGHT.replace("grad, padded[:, :,", "grad[-1:], padded[-1:, :,"), "weight", "last image only"),
    _backward("gradient of the weight flipped", "return grad_input, grad_weight",
              "return grad_input, grad_weight.flip(2, 3)",
              "weight", "turned by 180°"),
    _backward("gradient of the weight doubled", "return grad_input, grad_weight", "return grad_input, 2 * grad_weight",
              "weight", "twice what it should be"),
    _backward("gradient of the weight forgotten", "return grad_input, grad_weight", "return grad_input, None",
              "weight", "no gradient reaches the weight"),
    _backward("gradient of the bias forgotten", "grad.sum((0, 2, 3)) if has_bias else None", "None",
              "bias", "no gradient reaches the bias"),
    _backward("gradient of the bias averaged over the batch", "grad.sum((0, 2, 3))", "grad.sum((2, 3)).mean(0)",
              "bias", "divided by the number of images"),
    _backward("gradient of the bias averaged over everything", "grad.sum((0, 2, 3))", "grad.mean((0, 2, 3))",
              "bias", "numbers of images and of output positions"),
    _backward("gradient of the bias of the first image only", "grad.sum((0, 2, 3))", "grad[0].sum((1, 2))",
              "bias", "first image only"),
    _backward("gradient of the bias without what arrives", "grad.sum((0, 2, 3))",
              "torch.ones_like(grad).sum((0, 2, 3))",
              "bias", "does not depend on the gradient that arrives"),
)  # fmt: skip

REST = (*POOL_VALUES, "maxpool.gradient")
POOL_BACKWARD = 'share.scatter_(2, winner[:, :, i, j, None], grad[:, :, i, j, None])'
SCATTER = "grad_x[:, :, i * s : i * s + k, j * s : j * s + k] += share"


def _pool_backward(name: str, before: str, after: str, hint: str) -> Mutant:
    """A fault of the gradient of the pooling whose backward is written out."""
    return Mutant(name, BY_HAND, before, after, ("maxpool.gradient",), hint)


POOLING_FAULTS = (
    Mutant("stride of pooling is 1 without one", UNFOLD, "stride or kernel_size", "stride or 1",
           ("maxpool.values", "maxpool.odd_sizes", "maxpool.gradient", "maxpool.negative"), "a stride of 1 gives"),
    Mutant("stride of pooling ignored", UNFOLD, "stride or kernel_size", "kernel_size",
           ("maxpool.stride", "maxpool.gradient"), "kernel size as stride", ("maxpool.negative",)),
    Mutant("stride of pooling along the height only", UNFOLD,
           POOLED, POOLED.replace("unfold(3, k, s)", "unfold(3, k, k)"),
           ("maxpool.stride", "maxpool.gradient"), "along the height, and the kernel size along the width",
           ("maxpool.negative",)),
    Mutant("maximum starts at 0", UNFOLD, POOLED, POOLED.replace(".max(", ".clamp(min=0).max("),
           ("maxpool.negative", *POOL_VALUES, "maxpool.gradient"), "0 where all values of a window are below 0",
           also=("misses the windows whose values are all below 0",)),
    Mutant("mean of the window", UNFOLD,
           POOLED, POOLED.replace("max(-1).values", "mean(-1)"), REST, "the mean of each window"),
    Mutant("minimum of the window", UNFOLD,
           POOLED, POOLED.replace("max(", "min("), REST, "the minimum of each window"),
    Mutant("absolute maximum", UNFOLD,
           POOLED, POOLED.replace(".max(", ".abs().max("), REST, "the absolute maximum"),
    Mutant("first element of the window", UNFOLD, POOLED, POOLED.replace(".max(-1).values", "[..., 0]"), REST,
           "the first element"),
    Mutant("maximum over the channels", UNFOLD, POOLED,
           POOLED.replace(".values", ".values.amax(1, keepdim=True).expand(-1, x.shape[1], -1, -1)"),
           REST, "the maximum over all channels"),
    Mutant("pooling transposed", UNFOLD, POOLED, f"{POOLED}.mT", REST, "your output is the transpose"),
    Mutant("pooling detached", UNFOLD, POOLED, f"{POOLED}.detach()", ("maxpool.gradient",), ""),
    Mutant("pooling misses the last row", UNFOLD, POOLED, f"{POOLED}[:, :, :-1]", REST, "misses the last row"),
    Mutant("windows beyond the image", UNFOLD, POOLED,
           "torch.nn.functional.pad(x, (0, -(x.shape[3] - k) % s, 0, -(x.shape[2] - k) % s), value=-1e9)"
           + POOLED.removeprefix("x"),
           ("maxpool.odd_sizes", "maxpool.stride", "maxpool.gradient"), "reach beyond the image",
           ("maxpool.negative",)),
    _pool_backward("gradient shared by the window", POOL_BACKWARD, "share += grad[:, :, i, j, None] / (k * k)",
                   "shared by all elements"),
    _pool_backward("gradient to all of the window", POOL_BACKWARD, "share += grad[:, :, i, j, None]",
                   "goes to every element"),
    _pool_backward("gradient to the first of the window", POOL_BACKWARD, "share[:, :, 0] = grad[:, :, i, j]",
                   "goes to the first element"),
    _pool_backward("gradient of the pooling times the value", "return grad_x,", "return grad_x * x,",
                   "multiplied by the values"),
    _pool_backward("sign of the gradient of the pooling", "return grad_x,", "return -grad_x,", "opposite sign"),
    _pool_backward("gradient of the pooling without what arrives", "grad[:, :, i, j, None])",
                   "torch.ones_like(grad)[:, :, i, j, None])",
                   "does not depend on the gradient that arrives"),
    _pool_backward("overlapping shares replace each other", SCATTER, SCATTER.replace("+=", "="),
                   "where windows overlap"),
)  # fmt: skip

LAYER_FAULTS = (
    Mutant("layer forgets its stride", UNFOLD, "self.offset, self.stride,", "self.offset, 1,",
           ("Conv2D.values", "Conv2D.gradients"), "a stride of 1 gives"),
    Mutant("layer forgets its padding", UNFOLD, "self.stride, self.padding)", "self.stride, 0)",
           ("Conv2D.values", "Conv2D.gradients"), "no padding gives"),
    Mutant("layer forgets its bias", UNFOLD, "self.kernels, self.offset", "self.kernels, None",
           ("Conv2D.values", "Conv2D.gradients"), "without its bias"),
    Mutant("layer always has a bias", UNFOLD, " if bias else None", "",
           ("Conv2D.parameters", "Conv2D.values", "Conv2D.gradients"), ""),
    Mutant("layer without a bias by default", UNFOLD, "bias=True", "bias=False", ("Conv2D.parameters",)),
    Mutant("weight all ones", UNFOLD,
           "torch.randn(out_channels", "torch.ones(out_channels", ("Conv2D.initialisation",), ""),
    Mutant("weight always the same", UNFOLD, "super().__init__()\n        self.stride, self.padding",
           "super().__init__()\n        torch.manual_seed(0)\n        self.stride, self.padding",
           ("Conv2D.initialisation",), ""),
    Mutant("weight detached by .data", UNFOLD, "MyFConv2D(x, self.kernels,", "MyFConv2D(x, self.kernels.data,",
           ("Conv2D.gradients",), "no gradient reaches the weight"),
)  # fmt: skip

MUTANTS = (*VALUE_FAULTS, *GRADIENT_FAULTS, *POOLING_FAULTS, *LAYER_FAULTS)
