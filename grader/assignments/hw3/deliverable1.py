"""HW3 deliverable 1, convolution and pooling from scratch: checks and points."""

import torch
from hypothesis import strategies as st

from grader.assignments.hw3.rules import FROM_SCRATCH
from grader.checks import convolution, pooling, sources
from grader.declaration import Check, Deliverable
from grader.oracles.convolution import ConvolutionCase
from grader.oracles.pooling import PoolingCase
from grader.strategies import convolutions, poolings

FLOAT32 = st.just(torch.float32)
PLAIN = {"dtypes": FLOAT32, "layouts": st.just("contiguous")}
# The simplest convolution. Each check below widens it in the one way that it is about, so that
# a single fault loses the check that names it, and `conv2d.together`, but not the others.
SIMPLE = PLAIN | {
    "strides": st.just(1),
    "paddings": st.just(0),
    "biases": st.just(False),
    "square_kernel": True,
    "square_image": True,
}
# A layer is built in float32, as nn.Module does by default, with one kernel size.
LAYER = {"dtypes": FLOAT32, "square_kernel": True}



def _everything_at_once(bias: bool, *seeds: int) -> list[ConvolutionCase]:
    """Stride, padding, rectangles and images in another order, always tried: no fault of a gradient hides from them."""
    return [
        ConvolutionCase(2, 2, 8, 5, 3, 3, 2, stride=2, padding=1, bias=bias, layout=layout, seed=seed)
        for layout, seed in zip(("contiguous", "transposed"), seeds)
    ]


# The same for a layer, whose kernels are square; one with a bias and one without.
LAYERS = [
    ConvolutionCase(2, 2, 8, 5, 3, 3, 3, stride=2, padding=1, seed=24),
    ConvolutionCase(2, 3, 7, 6, 4, 3, 3, bias=False, layout="transposed", seed=25),
]

DELIVERABLE_1 = Deliverable(
    number=1,
    title="convolution and pooling from scratch",
    folder="deliverable1_2",
    files=("mytorch",),
    judged="mytorch",
    rules=FROM_SCRATCH,
    small=True,
    checks=(
        Check(
            "conv2d.values",
            "MyFConv2D: values at stride 1, without padding or bias",
            3,
            convolution.function(
                convolutions(**SIMPLE),
                first=[ConvolutionCase(2, 3, 7, 7, 4, 3, 3, bias=False, seed=1)],
            ),
        ),
        Check(
            "conv2d.stride",
            "MyFConv2D: strides above 1",
            3,
            convolution.function(
                convolutions(**SIMPLE | {"strides": st.integers(2, 3)}),
                first=[ConvolutionCase(2, 2, 8, 8, 3, 3, 3, stride=2, bias=False, seed=2)],
            ),
        ),
        Check(
            "conv2d.padding",
            "MyFConv2D: padding above 0",
            3,
            convolution.function(
                convolutions(**SIMPLE | {"paddings": st.integers(1, 2)}),
                first=[ConvolutionCase(2, 2, 5, 5, 3, 3, 3, padding=1, bias=False, seed=3)],
            ),
        ),
        Check(
            "conv2d.bias",
            "MyFConv2D: a bias, added once per output channel",
            2,
            convolution.function(
                convolutions(**SIMPLE | {"biases": st.just(True)}),
                first=[ConvolutionCase(2, 2, 5, 5, 4, 3, 3, seed=4)],
            ),
        ),
        Check(
            "conv2d.rectangles",
            "MyFConv2D: kernels and images that are not square",
            1,
            convolution.function(
                convolutions(**SIMPLE | {"square_kernel": False, "square_image": False}),
                first=[
                    ConvolutionCase(2, 2, 5, 8, 3, 1, 4, bias=False, seed=5),
                    ConvolutionCase(2, 2, 8, 5, 3, 3, 2, bias=False, seed=6),
                ],
            ),
        ),
        Check(
            "conv2d.together",
            "MyFConv2D: stride, padding, bias and rectangles at once",
            1,
            convolution.function(
                convolutions(**PLAIN),
                first=[ConvolutionCase(2, 2, 8, 5, 3, 3, 2, stride=2, padding=1, seed=7)],
            ),
        ),
        Check(
            "conv2d.dtype",
            "MyFConv2D: float64 in, float64 out, at its precision",
            1,
            convolution.function(convolutions(**SIMPLE | {"dtypes": st.just(torch.float64)})),
        ),
        Check(
            "conv2d.layout",
            "MyFConv2D: inputs not in row-major order in memory",
            1,
            convolution.function(
                convolutions(
                    **SIMPLE | {"layouts": st.sampled_from(["channels_last", "transposed"])}
                ),
                first=[
                    ConvolutionCase(2, 3, 6, 6, 4, 3, 3, bias=False, layout=layout, seed=8)
                    for layout in ("channels_last", "transposed")
                ],
            ),
        ),
        Check(
            "conv2d.edges",
            "MyFConv2D: 1×1 kernels, kernels of the image's size, no images, arguments left out",
            1,
            convolution.function(
                convolutions(**SIMPLE | {"batches": st.integers(0, 1)}),
                leave_out=True,
                first=[
                    ConvolutionCase(1, 3, 4, 4, 2, 1, 1, bias=False, seed=9),
                    ConvolutionCase(2, 2, 4, 4, 3, 4, 4, bias=False, seed=10),
                    ConvolutionCase(0, 2, 5, 5, 3, 3, 3, bias=False, seed=11),
                ],
            ),
        ),
        Check(
            "conv2d.input_gradient",
            "MyFConv2D: gradient of the input",
            3,
            convolution.function(
                convolutions(biases=st.just(False)),
                parts=("input_grad",),
                first=_everything_at_once(False, 18, 19),
            ),
        ),
        Check(
            "conv2d.weight_gradient",
            "MyFConv2D: gradient of the weight",
            3,
            convolution.function(
                convolutions(biases=st.just(False)),
                parts=("weight_grad",),
                first=_everything_at_once(False, 20, 21),
            ),
        ),
        Check(
            "conv2d.bias_gradient",
            "MyFConv2D: gradient of the bias",
            2,
            convolution.function(
                convolutions(biases=st.just(True)),
                parts=("bias_grad",),
                first=_everything_at_once(True, 22, 23),
            ),
        ),
        Check(
            "Conv2D.parameters",
            "MyConv2D: registers a weight and, if asked, a bias",
            2,
            convolution.parameters,
        ),
        Check(
            "Conv2D.values",
            "MyConv2D: values, with the grader's parameters",
            3,
            convolution.layer(convolutions(**LAYER), first=LAYERS),
        ),
        Check(
            "Conv2D.gradients",
            "MyConv2D: gradients reach the input and the parameters",
            2,
            convolution.layer(
                convolutions(**LAYER),
                parts=("input_grad", "weight_grad", "bias_grad"),
                first=LAYERS,
            ),
        ),
        Check(
            "Conv2D.initialisation",
            "MyConv2D: a fresh weight is random and finite",
            1,
            convolution.initialisation,
        ),
        Check(
            "maxpool.values",
            "MyMaxPool2D: windows that tile the image",
            2,
            pooling.layer(
                poolings(strides=st.none(), negatives=st.just(False), whole_windows=True, **PLAIN),
                first=[PoolingCase(2, 3, 6, 8, 2, seed=13)],
            ),
        ),
        Check(
            "maxpool.stride",
            "MyMaxPool2D: windows that overlap or leave gaps",
            2,
            pooling.layer(
                poolings(strides=st.integers(1, 4), negatives=st.just(False), **PLAIN),
                first=[PoolingCase(2, 2, 7, 6, 3, 2, seed=14), PoolingCase(1, 2, 7, 8, 2, 3, seed=15)],
            ),
        ),
        Check(
            "maxpool.odd_sizes",
            "MyMaxPool2D: rows and columns that no whole window reaches",
            1,
            pooling.layer(
                poolings(strides=st.none(), negatives=st.just(False), **PLAIN),
                first=[PoolingCase(2, 2, 7, 5, 2, seed=16)],
            ),
        ),
        Check(
            "maxpool.negative",
            "MyMaxPool2D: images whose values are all below zero",
            1,
            pooling.layer(
                poolings(negatives=st.just(True), **PLAIN),
                first=[PoolingCase(2, 2, 6, 6, 2, negative=True, seed=17)],
            ),
        ),
        Check(
            "maxpool.gradient",
            "MyMaxPool2D: the gradient goes to the largest element",
            2,
            pooling.layer(
                poolings(),
                parts=("input_grad",),
                first=[PoolingCase(2, 2, 7, 6, 3, 2, seed=26)],
            ),
        ),
        Check(
            "deliverable1.sources",
            "mytorch.py names no existing layer of its kind",
            0,
            sources.own_work("mytorch"),
        ),
    ),
)
