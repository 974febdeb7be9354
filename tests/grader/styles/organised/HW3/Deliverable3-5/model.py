"""The handles, from modules beside; the block has its shortcut in a function, and counts its layers."""
from blocks import ResidualBlock
from init import init_weights_kaiming
from torch import nn


class MyResnet(nn.Module):
    WIDTHS = {"stem": 64, "blocks": [128, 256, 512]}

    def __init__(self, in_channels=3, num_classes=10):
        super().__init__()
        width = self.WIDTHS["stem"]
        self.layer0 = nn.Sequential(nn.Conv2d(in_channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        for number, wider in enumerate(self.WIDTHS["blocks"], 1):
            self.add_module(f"layer{number}", ResidualBlock(width, wider, 3, 2))
            width = wider
        self.last = nn.Linear(width, num_classes)

    def forward(self, x, return_embed=False):
        for number in range(4):
            x = self.get_submodule(f"layer{number}")(x)
        pooled = nn.functional.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1)
        return (self.last(pooled), x) if return_embed else self.last(pooled)
