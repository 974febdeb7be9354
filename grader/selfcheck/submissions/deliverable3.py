"""Correct submissions to deliverable 3; each is a whole `model.py` for Figure 3."""

import re

from grader.selfcheck.mutant import Base

# As a student writes it: one attribute per layer, the shortcut first.
EXPLICIT = '''\
import torch
from torch import nn
import torch.nn.functional as F


class ResidualBlock(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride):
        super().__init__()
        self.down = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)
        self.down_norm = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size, padding=1, bias=False)
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels, eps=1e-3)
        self.norm1 = nn.BatchNorm2d(out_channels, momentum=0.01)

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        z = self.down_norm(self.down(x))
        return F.relu(y + z)


class MyResnet(nn.Module):
    def __init__(self, in_channels=3, num_classes=10):
        super().__init__()
        self.fc = nn.Linear(512, num_classes)
        self.stage3 = ResidualBlock(256, 512, 3, 2)
        self.stage2 = ResidualBlock(128, 256, 3, 2)
        self.stage1 = ResidualBlock(64, 128, 3, 2)
        self.conv = nn.Conv2d(in_channels, 64, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(64)

    def forward(self, x, return_embed=False):
        x = F.relu(self.norm(self.conv(x)))
        x = self.stage3(self.stage2(self.stage1(x)))
        pooled = F.avg_pool2d(x, 4).flatten(1)
        logits = self.fc(pooled)
        if return_embed:
            return x, logits
        return logits


def init_weights_kaiming(m):
    if isinstance(m, nn.Conv2d):
        nn.init.kaiming_uniform_(m.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(m, nn.BatchNorm2d):
        nn.init.ones_(m.weight)
        nn.init.zeros_(m.bias)
    elif isinstance(m, nn.Linear):
        nn.init.kaiming_normal_(m.weight)
        nn.init.constant_(m.bias, 0.01)
'''

# Another one, from nothing but parameters and buffers: there are no modules to go by.
BY_HAND = '''\
import torch
from torch import nn
import torch.nn.functional as F


class Layers(nn.Module):
    def add(self, name, in_channels, out_channels, size):
        weight = torch.randn(out_channels, in_channels, size, size) * (2 / (in_channels * size**2)) ** 0.5
        setattr(self, name, nn.Parameter(weight))
        setattr(self, name + "_gamma", nn.Parameter(torch.ones(out_channels)))
        setattr(self, name + "_beta", nn.Parameter(torch.zeros(out_channels)))
        self.register_buffer(name + "_mean", torch.zeros(out_channels))
        self.register_buffer(name + "_var", torch.ones(out_channels))

    def use(self, name, x, stride):
        weight = getattr(self, name)
        x = F.conv2d(x, weight, None, stride, weight.shape[-1] // 2)
        statistics = getattr(self, name + "_mean"), getattr(self, name + "_var")
        affine = getattr(self, name + "_gamma"), getattr(self, name + "_beta")
        return F.batch_norm(x, *statistics, *affine, self.training)


class ResidualBlock(Layers):
    def __init__(self, in_channels, out_channels, kernel_size, stride):
        super().__init__()
        self.stride = stride
        self.add("a", in_channels, out_channels, kernel_size)
        self.add("b", out_channels, out_channels, kernel_size)
        self.add("c", in_channels, out_channels, 1)

    def forward(self, x):
        y = self.use("b", self.use("a", x, self.stride).relu(), 1)
        return (y + self.use("c", x, self.stride)).relu()


class MyResnet(Layers):
    def __init__(self, in_channels=3, num_classes=10):
        super().__init__()
        self.add("first", in_channels, 64, 3)
        self.blocks = nn.ModuleList(ResidualBlock(64 << i, 128 << i, 3, 2) for i in range(3))
        self.last = nn.Conv2d(512, num_classes, 1)
        self.apply(init_weights_kaiming)

    def forward(self, x, return_embed=False):
        x = self.use("first", x, 1).relu()
        for block in self.blocks:
            x = block(x)
        logits = self.last(nn.AdaptiveAvgPool2d(1)(x)).flatten(1)
        return [logits, x] if return_embed else logits


def init_weights_kaiming(m):
    for p in m.parameters(recurse=False):
        if p.dim() == 4:
            nn.init.kaiming_normal_(p)
    if isinstance(m, nn.Conv2d):
        nn.init.zeros_(m.bias)
'''

# The same figure with 8 to 32 channels, `grader.selfcheck.terms.NARROW`.
NARROWER = {"64 << i": "(8, 16, 24)[i]", "128 << i": "(16, 24, 32)[i]"} | {
    "64": "8", "128": "16", "256": "24", "512": "32"
}  # fmt: skip


def narrow(text: str) -> str:
    """The same text about the narrow figure."""
    known = "|".join(map(re.escape, NARROWER))
    return re.sub(rf"\b({known})\b", lambda match: NARROWER[match[0]], text)


MODEL = "deliverable3_5/model.py"
NARROW_RESNET = Base("narrow ResNet", 3, {MODEL: narrow(EXPLICIT)})
