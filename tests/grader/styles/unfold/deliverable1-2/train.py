"""SGD with momentum, a DataLoader, and an nn.Sequential inside of Net."""
import random

import numpy
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

from mytorch import *


def setup_seed(seed):
    torch.manual_seed(seed)
    torch.cuda.manual_seed_all(seed)
    numpy.random.seed(seed)
    random.seed(seed)
    torch.backends.cudnn.deterministic = True


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.features = nn.Sequential(
            MyConv2D(1, 3, 3, stride=1, padding=1),
            nn.ReLU(inplace=True),
            MyMaxPool2D(2),
            MyConv2D(3, 6, 3, stride=1, padding=1),
            nn.ReLU(inplace=True),
            MyMaxPool2D(2),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(6 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10))

    def forward(self, x):
        return self.classifier(self.features(x))


def train(net, images, labels, epochs, on_epoch):
    loader = DataLoader(TensorDataset(images, labels), batch_size=32, shuffle=True)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-4)
    for epoch in range(epochs):
        net.train()
        losses, hits = [], 0
        for batch, (x, y) in enumerate(loader):
            optimizer.zero_grad()
            outputs = net(x)
            loss = criterion(outputs, y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item() * len(x))
            hits += int((outputs.max(1)[1] == y).sum())
        on_epoch(epoch + 1, sum(losses) / len(images), hits / len(images))
