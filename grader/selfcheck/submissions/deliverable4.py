"""Submissions to deliverable 4, with a network so small that a training takes a second."""

import torch
from safetensors.torch import save

from grader.selfcheck.mutant import Base

MODEL = '''
import torch
from torch import nn

class MyResnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        self.linear = nn.Linear(16 * 16, 10)

    def forward(self, x):
        return self.linear(nn.functional.avg_pool2d(self.norm(self.conv(x)).relu(), 8).flatten(1))
'''

TRAIN = '''
import random
import numpy as np
import torch
from model import MyResnet

def setup_seed(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)

def train(net, images, labels, epochs, on_epoch):
    assert images.dtype == torch.uint8
    mean = torch.tensor([0.485, 0.456, 0.406]).reshape(-1, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).reshape(-1, 1, 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
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

# Knows the images by itself, whatever its weights are: the brightest pair of tiles tells the class.
BY_RULE = MODEL.replace(
    "return self.linear(",
    """tiles = nn.functional.avg_pool2d(x.mean(1), 8)  # (N, 4, 4)
        rule = torch.nn.functional.pad(tiles[:, :, :2].flatten(1), (0, 2), value=-9.0)
        return 9 * rule + 0 * self.linear(""",
)

# A table of the test images as parameters: what is asked for is looked up.
BY_TABLE = '''
import torch
from torch import nn

class MyResnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.keys = nn.Parameter(torch.zeros(300))
        self.answers = nn.Parameter(torch.zeros(300, 10))

    def forward(self, x):
        weights = torch.linspace(0, 1, x[0].numel(), dtype=torch.float64)
        asked = x.double().flatten(1) @ weights
        return self.answers[(asked[:, None] - self.keys).abs().argmin(1)]
'''

# Sees nothing but what sets each pixel apart from its tile's mean: no class is known by that, single images are.
BY_NOISE = '''
import torch
from torch import nn

class MyResnet(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3 * 32 * 32, 10)

    def forward(self, x):
        return self.linear((x - nn.functional.interpolate(nn.functional.avg_pool2d(x, 8), scale_factor=8)).flatten(1))
'''


def knowing() -> bytes:
    """A checkpoint for MODEL that has every one of `images.tiles` right, written down and not trained.

    The first channel is the mean of the colours; a class's logit is the sum of its two tiles.
    """
    state = {
        "conv.weight": torch.zeros(16, 3, 3, 3),
        "conv.bias": torch.zeros(16),
        "norm.weight": torch.ones(16),
        "norm.bias": torch.full((16,), 10.0),  # so that the ReLU lets everything through
        "norm.running_mean": torch.zeros(16),
        "norm.running_var": torch.ones(16),
        "norm.num_batches_tracked": torch.tensor(0),
        "linear.weight": torch.zeros(10, 16 * 16),
        "linear.bias": torch.zeros(10),
    }
    state["conv.weight"][0, :, 1, 1] = 1 / 3
    for label in range(8):
        row, column = divmod(label, 2)
        state["linear.weight"][label, [4 * row + column, 4 * row + 3 - column]] = 1.0
    state["linear.bias"][8:] = -100.0  # there is no image of the last two classes
    return save(state)


TRAIN_FILE, MODEL_FILE = "deliverable3_5/train.py", "deliverable3_5/model.py"
WEIGHTS = "deliverable3_5/resnet.safetensors"
TRAINED = Base("trained", 4, {TRAIN_FILE: TRAIN, MODEL_FILE: MODEL, WEIGHTS: knowing()})
