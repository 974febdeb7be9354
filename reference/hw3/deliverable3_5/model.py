"""HW3 deliverable 3: the ResNet of Figure 3, for images of 32×32 pixels.

`nn.Conv2d`, `nn.BatchNorm2d` and everything else of `torch.nn` is allowed; torchvision's ResNet
and its blocks are not.

Reference: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, and Delving Deep
into Rectifiers, ICCV 2015 (the initialisation).
"""

from dataclasses import dataclass

import torch.nn.functional as F
# student: import torch
# student: import torch.nn.functional as F
from torch import Tensor, nn

# Every bias of a linear layer begins here: small, and the same for every class.
LINEAR_BIAS = 0.01


@dataclass(frozen=True)
class Figure3:
    """The network of Figure 3, from the image to the logits; 4,829,258 parameters."""

    stem: int = 64  # channels out of the first convolution, at stride 1
    blocks: tuple[tuple[int, int], ...] = ((128, 2), (256, 2), (512, 2))  # (out_channels, stride)
    kernel_size: int = 3  # of every convolution but the shortcuts', which have 1


class ResidualBlock(nn.Module):
    """Two convolutions, and a 1×1 convolution around them.

        branch   = BN(Conv(ReLU(BN(Conv(x)))))      the first convolution has the stride
        shortcut = BN(Conv1×1(x))                   with the same stride
        output   = ReLU(branch + shortcut)

    The convolutions have no bias; the branch's are padded such that they keep height and width
    but for the stride.

    Args:
        in_channels: C, channels of the input.
        out_channels: O, channels of the output and between the two convolutions.
        kernel_size: K, height and width of the branch's kernels; odd.
        stride: of the first convolution and of the shortcut.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int):
        super().__init__()
        # solution: hw3 deliverable 3: ResidualBlock
        padding = kernel_size // 2
        self.branch = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, kernel_size, 1, padding, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        # end solution

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, O, ⌈H / stride⌉, ⌈W / stride⌉)."""
        # solution: hw3 deliverable 3: ResidualBlock
        return F.relu(self.branch(x) + self.shortcut(x))
        # end solution


class MyResnet(nn.Module):
    """Figure 3. No softmax at the end: cross-entropy has it already.

        Conv BN ReLU → a ResidualBlock per row of the table → mean over the map → Linear

    Args:
        in_channels: channels of the images, 3 for colour.
        num_classes: K, how many logits an image gets.
        figure: the layers; the default is the network of the assignment.
    """

    def __init__(self, in_channels: int = 3, num_classes: int = 10, figure: Figure3 = Figure3()):
        super().__init__()
        # solution: hw3 deliverable 3: MyResnet
        padding = figure.kernel_size // 2
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, figure.stem, figure.kernel_size, 1, padding, bias=False),
            nn.BatchNorm2d(figure.stem),
            nn.ReLU(),
        ]
        channels = figure.stem
        for out_channels, stride in figure.blocks:
            layers.append(ResidualBlock(channels, out_channels, figure.kernel_size, stride))
            channels = out_channels
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, num_classes)
        # end solution

    def forward(self, x: Tensor, return_embed: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Images → logits, and on request the map that the logits are computed from.

        Args:
            x: normalised images (N, 3, 32, 32).
            return_embed: whether to return the last feature map too, for deliverable 5.

        Returns:
            logits (N, 10); with `return_embed`, the pair of the logits and the map
            (N, 512, 4, 4) as it is before the average pooling.
        """
        # solution: hw3 deliverable 3: MyResnet
        features = self.features(x)  # (N, 512, 4, 4)
        logits = self.classifier(features.mean((2, 3)))  # (N, K)
        return (logits, features) if return_embed else logits
        # end solution


def init_weights_kaiming(m: nn.Module) -> None:
    """He initialisation of one layer, to be used as `net.apply(init_weights_kaiming)`.

    The weights of a convolution or a linear layer become normal with mean 0 and variance
    2 / fan_in, where fan_in is the number of inputs that an output is the sum of (C·K·K, or
    in_features); 2 / fan_out is accepted too, and so is the uniform distribution with that
    variance. The bias of a linear layer becomes LINEAR_BIAS. Other modules stay as they are.

    Args:
        m: any module; `apply` passes each module of a network in turn.
    """
    # solution: hw3 deliverable 3: init_weights_kaiming
    if isinstance(m, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(m.weight, mode="fan_in", nonlinearity="relu")
    if isinstance(m, nn.Linear):
        nn.init.constant_(m.bias, LINEAR_BIAS)
    # end solution
