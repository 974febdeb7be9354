"""Small submissions that the grader's tests hand in; each is a whole `mytorch.py`."""

# A correct solution as a student writes it, in plain PyTorch.
UNFOLD = '''\
import torch
from torch import nn
import torch.nn.functional as F


def MyFConv2D(input, weight, bias=None, stride=1, padding=0):
    n, c, h, w = input.shape
    o, _, kh, kw = weight.shape
    padded = F.pad(input, (padding, padding, padding, padding))
    windows = padded.unfold(2, kh, stride).unfold(3, kw, stride)
    output = torch.einsum("nchwij,ocij->nohw", windows, weight)
    return output if bias is None else output + bias.view(1, -1, 1, 1)


class MyConv2D(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, padding, bias=True):
        super().__init__()
        self.stride, self.padding = stride, padding
        self.kernels = nn.Parameter(
            torch.randn(out_channels, in_channels, kernel_size, kernel_size) * 0.1
        )
        self.offset = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x):
        return MyFConv2D(x, self.kernels, self.offset, self.stride, self.padding)


class MyMaxPool2D(nn.Module):
    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride or kernel_size

    def forward(self, x):
        k, s = self.kernel_size, self.stride
        return x.unfold(2, k, s).unfold(3, k, s).flatten(4).max(-1).values
'''

# Figure 1 and its training, on whatever mytorch.py lies beside it.
TRAIN = '''\
import random
import numpy as np
import torch
from torch import nn
from mytorch import MyConv2D, MyMaxPool2D


def setup_seed(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = MyConv2D(1, 3, 3, 1, 1, True)
        self.conv2 = MyConv2D(3, 6, 3, 1, 1, True)
        self.pool = MyMaxPool2D(2, 2)
        self.fc1 = nn.Linear(294, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


def train(net, images, labels, epochs, on_epoch):
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for epoch in range(1, epochs + 1):
        total, correct = 0.0, 0
        for index in torch.randperm(len(images)).split(100):
            optimizer.zero_grad()
            logits = net(images[index])
            loss = nn.functional.cross_entropy(logits, labels[index])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
            correct += (logits.argmax(1) == labels[index]).sum().item()
        on_epoch(epoch, total / len(images), correct / len(images))
'''
