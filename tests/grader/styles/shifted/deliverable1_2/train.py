"""Everything is a function: a closure for the optimizer, batches by slices, functional layers."""

import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from mytorch import MyConv2D, MyMaxPool2D

BATCH = 50


def setup_seed(seed):
    for function in (random.seed, np.random.seed, torch.manual_seed):
        function(seed)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(128, 10)
        self.hidden = nn.Linear(294, 128)
        self.second = MyConv2D(in_channels=3, out_channels=6, kernel_size=3, stride=1, padding=1)
        self.first = MyConv2D(in_channels=1, out_channels=3, kernel_size=3, stride=1, padding=1)
        self.pool = MyMaxPool2D(2)

    def forward(self, x):
        for layer in (self.first, self.second):
            x = F.relu(self.pool(layer(x)))  # the same as pooling after the ReLU
        return self.out(F.relu(self.hidden(x.reshape(len(x), -1))))


def train(net, images, labels, epochs, on_epoch):
    optimizer = torch.optim.RMSprop(net.parameters(), lr=1e-3)
    for epoch in range(1, epochs + 1):
        order = np.random.permutation(len(images))
        sums = {"loss": 0.0, "right": 0}
        for start in range(0, len(order), BATCH):
            chosen = torch.as_tensor(order[start : start + BATCH])
            x, y = images[chosen], labels[chosen]

            def closure():
                optimizer.zero_grad(set_to_none=True)
                logits = net(x)
                loss = F.nll_loss(F.log_softmax(logits, dim=1), y)
                loss.backward()
                sums["loss"] += float(loss) * len(y)
                sums["right"] += int((logits.detach().argmax(1) == y).sum())
                return loss

            optimizer.step(closure)
        on_epoch(epoch=epoch, loss=sums["loss"] / len(images), accuracy=sums["right"] / len(images))
