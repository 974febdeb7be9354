"""Correct submissions to EEE7331's assignment 1: both networks with their tables, and a small one that is trained."""

from grader.selfcheck.mutant import Base
from grader.selfcheck.submissions import deliverable4

# Part A and B as a student writes them, one attribute per layer.
MODEL = '''\
import torch
from torch import nn
import torch.nn.functional as F


class CustomCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 5, stride=1, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, stride=1, padding=1)
        self.conv3 = nn.Conv2d(64, 128, 3, stride=1, padding=1)
        self.pool = nn.MaxPool2d(2, 2)
        self.fc = nn.Linear(1152, 500)
        self.out = nn.Linear(500, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = self.pool(F.relu(self.conv3(x)))
        return self.out(F.relu(self.fc(x.flatten(1))))


class SeparableCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 5, stride=1, padding=1)
        self.depth2 = nn.Conv2d(32, 32, 3, padding=1, groups=32)
        self.point2 = nn.Conv2d(32, 64, 1)
        self.depth3 = nn.Conv2d(64, 64, 3, padding=1, groups=64)
        self.point3 = nn.Conv2d(64, 128, 1)
        self.pool = nn.MaxPool2d(2, 2)
        self.fc = nn.Linear(1152, 500)
        self.out = nn.Linear(500, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.point2(self.depth2(x))))
        x = self.pool(F.relu(self.point3(self.depth3(x))))
        return self.out(F.relu(self.fc(x.flatten(1))))
'''

# By hand: 30 = 32 + 2·1 − 5 + 1, halved and floored by each pooling; weights f·(k·k·c + 1), units·(inputs + 1).
TABLE_A = '''\
Layer,#filters/window/stride/padding,Feature map,#weights,#neurons
Input,-,32x32x3,-,-
Conv1-1,32/5x5/1/1,30x30x32,2432,28800
Pool-1,2x2/2/0,15x15x32,0,7200
Conv2-1,64/3x3/1/1,15x15x64,18496,14400
Pool-2,2x2/2/0,7x7x64,0,3136
Conv3-1,128/3x3/1/1,7x7x128,73856,6272
Pool-3,2x2/2/0,3x3x128,0,1152
FC,500,500,576500,500
Output,10,10,5010,10
Total,-,-,676294,61470
'''

TABLE_B = '''\
Layer,#filters/window/stride/padding,Feature map,#weights,#neurons
Input,-,32x32x3,-,-
Conv1-1,32/5x5/1/1,30x30x32,2432,28800
Pool-1,2x2/2/0,15x15x32,0,7200
Conv2-dw,32/3x3/1/1,15x15x32,320,7200
Conv2-pw,64/1x1/1/0,15x15x64,2112,14400
Pool-2,2x2/2/0,7x7x64,0,3136
Conv3-dw,64/3x3/1/1,7x7x64,640,3136
Conv3-pw,128/1x1/1/0,7x7x128,8320,6272
Pool-3,2x2/2/0,3x3x128,0,1152
FC,500,500,576500,500
Output,10,10,5010,10
Total,-,-,595334,71806
'''

# A training asks for the network's name: here it is one that knows tiles, in place of the text's.
_SMALL = {
    "question1/train.py": deliverable4.TRAIN.replace("from model import MyResnet\n", "")
    .replace("[0.485, 0.456, 0.406]", "[0.4914, 0.4822, 0.4465]")
    .replace("[0.229, 0.224, 0.225]", "[0.2470, 0.2435, 0.2616]"),
    "question1/model.py": deliverable4.MODEL.replace("MyResnet", "CustomCNN"),
}
_SMALL_B = _SMALL | {"question1/model.py": deliverable4.MODEL.replace("MyResnet", "SeparableCNN")}

_NETWORKS = {"question1/model.py": MODEL, "question1/part_a.csv": TABLE_A, "question1/part_b.csv": TABLE_B}
NETWORK_A, NETWORK_B = (Base(f"network {part}", n, _NETWORKS, "eee7331-a1") for part, n in (("A", 1), ("B", 3)))
TRAINED_A = Base("trained A", 2, _SMALL | {"question1/part_a.safetensors": deliverable4.knowing()}, "eee7331-a1")
TRAINED_B = Base("trained B", 4, _SMALL_B | {"question1/part_b.safetensors": deliverable4.knowing()}, "eee7331-a1")
