"""A BatchNorm written by hand, the ReLU as a method, and blocks in an nn.Sequential made of an OrderedDict."""

import math
from collections import OrderedDict

import torch
from torch import nn


class Norm(nn.Module):
    def __init__(self, channels, momentum=0.1, eps=1e-5):
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("var", torch.ones(channels))

    def forward(self, x):
        mean, var = self.mean, self.var
        if self.training:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
            count = x.numel() / x.shape[1]
            with torch.no_grad():
                self.mean.lerp_(mean, self.momentum)
                self.var.lerp_(var * count / (count - 1), self.momentum)
        x = (x - mean[:, None, None]) / torch.sqrt(var[:, None, None] + self.eps)
        return self.gamma[:, None, None] * x + self.beta[:, None, None]


class ResidualBlock(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride):
        super().__init__()
        self.shortcut = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), Norm(out_channels))
        self.one = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False)
        self.two = nn.Conv2d(out_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=False)
        self.norm_one, self.norm_two = Norm(out_channels), Norm(out_channels)

    def forward(self, x):
        return (self.shortcut(x) + self.norm_two(self.two(self.norm_one(self.one(x)).relu()))).relu()


class MyResnet(nn.Module):
    def __init__(self, in_channels=3, num_classes=10):
        super().__init__()
        layers = OrderedDict(conv=nn.Conv2d(in_channels, 64, 3, 1, 1, bias=False), norm=Norm(64), relu=nn.ReLU())
        before = {128: 64, 256: 128, 512: 256}
        for channels in before:
            layers[f"block{channels}"] = ResidualBlock(before[channels], channels, 3, 2)
        self.body, self.fc = nn.Sequential(layers), nn.Linear(512, num_classes)

    def forward(self, x, return_embed=False):
        features = self.body(x)
        logits = self.fc(features.flatten(2).sum(2) / features[0, 0].numel())
        return (features, logits) if return_embed else logits


def init_weights_kaiming(m):
    if isinstance(m, nn.Conv2d):
        bound = math.sqrt(6 / m.weight[0].numel())  # uniform, of the same variance
        nn.init.uniform_(m.weight, -bound, bound)
    elif isinstance(m, nn.Linear):
        nn.init.kaiming_uniform_(m.weight, nonlinearity="relu")
        nn.init.constant_(m.bias, 1e-2)
