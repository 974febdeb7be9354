"""Small submissions that the grader's tests hand in for EEE7331's assignment 1; each is a whole file."""

from grader.selfcheck.submissions.eee7331 import MODEL, TABLE_A, TABLE_B

__all__ = ["BY_HAND", "MODEL", "NORMALISED", "TABLE_A", "TABLE_B", "TRAIN"]

# Batch normalisation wherever it fits, with another ε, and dropout; no activation behind the 500 units of part A,
# a leaky one behind those of part B; ReLU6 after the depth-wise convolutions, as MobileNet has it.
NORMALISED = '''\
from torch import nn


def stage(channels, filters, size):
    return [nn.Conv2d(channels, filters, size, padding=1), nn.BatchNorm2d(filters, eps=1e-3), nn.ReLU(), nn.MaxPool2d(2)]


def separable(channels, filters):
    return [
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels), nn.BatchNorm2d(channels), nn.ReLU6(),
        nn.Conv2d(channels, filters, 1), nn.BatchNorm2d(filters), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(0.1),
    ]


def CustomCNN():
    return nn.Sequential(
        nn.BatchNorm2d(3), *stage(3, 32, 5), *stage(32, 64, 3), nn.Dropout(0.2), *stage(64, 128, 3), nn.Flatten(),
        nn.Linear(1152, 500), nn.BatchNorm1d(500), nn.Dropout(0.5), nn.Linear(500, 10),
    )


def SeparableCNN():
    return nn.Sequential(
        *stage(3, 32, 5), *separable(32, 64), *separable(64, 128), nn.Flatten(), nn.Linear(1152, 500),
        nn.LeakyReLU(), nn.Linear(500, 10),
    )
'''

# From nothing but parameters, under names that say nothing and in another order, flattened, biases zero; the ReLU
# behind the pooling, which makes no difference.
BY_HAND = '''\
import torch
from torch import nn
import torch.nn.functional as F


class Layers(nn.Module):
    def __init__(self, shapes):
        super().__init__()
        self.b = nn.ParameterList(torch.zeros(shape[0], 1, 1) for shape in reversed(shapes))
        self.w = nn.ParameterList(0.1 * torch.randn(shape[0], shape[1] * shape[2] ** 2) for shape in shapes)
        self.shapes = shapes
        self.last = nn.Linear(500, 10)
        self.first = nn.Linear(1152, 500)

    def convolve(self, x, place, padding, groups=1):
        o, i, k = self.shapes[place]
        return F.conv2d(x, self.w[place].view(o, i, k, k), None, 1, padding, 1, groups) + self.b[-1 - place]

    def classify(self, x):
        return self.last(torch.sigmoid(self.first(x.flatten(1))))


class CustomCNN(Layers):
    def __init__(self):
        super().__init__([(32, 3, 5), (64, 32, 3), (128, 64, 3)])

    def forward(self, x):
        for place in range(3):
            x = F.max_pool2d(self.convolve(x, place, 1), 2).clamp(min=0)
        return self.classify(x)


class SeparableCNN(Layers):
    def __init__(self):
        super().__init__([(32, 3, 5), (32, 1, 3), (64, 32, 1), (64, 1, 3), (128, 64, 1)])

    def forward(self, x):
        x = F.max_pool2d(self.convolve(x, 0, 1), 2).clamp(min=0)
        for place, channels in ((1, 32), (3, 64)):
            x = self.convolve(self.convolve(x, place, 1, channels), place + 1, 0)
            x = F.max_pool2d(x, 2).clamp(min=0)
        return self.classify(x)
'''

# A loop that has never heard of the network's file.
TRAIN = '''\
import random
import numpy as np
import torch


def setup_seed(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def train(net, images, labels, epochs, on_epoch):
    mean = torch.tensor([0.4914, 0.4822, 0.4465]).reshape(-1, 1, 1)
    std = torch.tensor([0.2470, 0.2435, 0.2616]).reshape(-1, 1, 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.002)
    for epoch in range(1, epochs + 1):
        total, right = 0.0, 0
        net.train()
        for chosen in torch.randperm(len(images)).split(50):
            x, y = (images[chosen] / 255 - mean) / std, labels[chosen]
            logits = net(x)
            loss = torch.nn.functional.cross_entropy(logits, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
            right += (logits.argmax(1) == y).sum().item()
        on_epoch(epoch, total / len(images), right / len(images))
'''
