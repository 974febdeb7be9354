"""A network that sees nothing but colour, and images with one colour per quadrant.

With these numbers in Figure 3, a place of the last feature map is the colour of one pixel, and a
class's logit the amount of one colour. Where a class was seen is then known without asking anyone.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from grader.oracles.figure3 import Figure3

QUADRANTS = ("top left", "top right", "bottom left", "bottom right")
# Means of the quadrants of a right map rescaled to [0, 1]: the lit one's lies above 0.7, the others'
# below 0.15, in every way of enlarging (tests/grader/test_oracles_cam.py).
MARGIN = 0.25


@dataclass(frozen=True)
class Evidence:
    """Four images; image q has its class's colour in quadrant q.

    Args:
        pixels: uint8 (4, S, S, 3).
        predicted: the class of the stronger colour, in all four images.
        other: the class of the weaker one.
        elsewhere: (4,), the quadrant that the weaker colour is in.
        weight: (K, C), of the linear layer; its bias is 0.
    """

    pixels: Tensor
    predicted: int
    other: int
    elsewhere: Tensor
    weight: Tensor


def convolutions(figure: Figure3) -> list[Tensor]:
    """Weights in the order of `figure.convolutions()`: colours pass, branches are 0.

    Channel c carries colour c mod 3: the first convolution copies it from the image, the shortcuts
    pass it on, and what the normalisations do not change stays what it was.
    """
    weights = [torch.zeros(shape) for shape in figure.convolutions()]
    shortcuts = weights[3::3]
    for weight in (weights[0], *shortcuts):
        middle = weight.shape[-1] // 2
        for channel in range(len(weight)):
            weight[channel, channel % figure.in_channels, middle, middle] = 1
    return weights


def drawn(figure: Figure3, generator: torch.Generator) -> Evidence:
    """Images, and a linear layer to which two of the colours are two of the classes."""
    strong, weak, none = torch.randperm(figure.in_channels, generator=generator)[:3].tolist()
    predicted, other = torch.randperm(figure.classes, generator=generator)[:2].tolist()
    weight = torch.zeros(figure.linear)
    weight[predicted, strong :: figure.in_channels] = 1 / figure.linear[1]
    weight[other, weak :: figure.in_channels] = 1 / figure.linear[1]
    half = figure.image_size // 2
    # Dark enough to become negative when they are normalised, and so 0 behind the first ReLU.
    pixels = torch.randint(0, 60, (4, 2, half, 2, half, figure.in_channels), generator=generator)
    elsewhere = (torch.arange(4) + torch.randint(1, 4, (4,), generator=generator)) % 4
    for image in range(4):
        # Where the weaker class's evidence is, a third colour outshines all, and speaks for no class.
        second = int(elsewhere[image])
        for quadrant, colour, low in ((image, strong, 220), (second, weak, 170), (second, none, 230)):
            row, column = divmod(quadrant, 2)
            shape = (half, half)
            bright = torch.randint(low, low + 20, shape, generator=generator)
            pixels[image, row, :, column, :, colour] = bright
    size = figure.image_size
    pixels = pixels.reshape(4, size, size, figure.in_channels).to(torch.uint8)
    return Evidence(pixels, predicted, other, elsewhere, weight)


def quadrants(answer: Tensor) -> Tensor:
    """Mean of each quadrant of a map (S, S): (4,), in the order of `QUADRANTS`."""
    half = len(answer) // 2
    return answer.reshape(2, half, 2, half).mean((1, 3)).flatten()
