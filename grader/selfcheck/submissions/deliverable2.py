"""A correct submission to deliverable 2: Figure 1 and its training, on whatever mytorch.py lies beside it."""

from grader.selfcheck.mutant import Base
from grader.selfcheck.submissions.deliverable1 import UNFOLD

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

CNN = Base("CNN", 2, {"deliverable1_2/train.py": TRAIN, **UNFOLD.files})
