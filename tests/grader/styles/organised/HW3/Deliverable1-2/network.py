from mytorch import MyConv2D, MyMaxPool2D
from torch import nn


class Stage(nn.Module):
    def __init__(self, channels, filters):
        super().__init__()
        self.conv, self.pool = MyConv2D(channels, filters, 3, 1, 1), MyMaxPool2D(2, 2)

    def forward(self, x):
        return self.pool(self.conv(x).relu())


class Net(nn.Module):
    def __init__(self, filters=(3, 6)):
        super().__init__()
        self.stages = nn.ModuleList(Stage(*pair) for pair in zip((1, *filters), filters))
        self.head = nn.ModuleDict({"hidden": nn.Linear(49 * filters[-1], 128), "logits": nn.Linear(128, 10)})

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        return self.head["logits"](self.head["hidden"](x.flatten(1)).relu())
