from torch import nn


class MyMaxPool2D(nn.Module):
    def __init__(self, kernel_size, stride=None):
        nn.Module.__init__(self)
        self.window = kernel_size
        self.step = {None: kernel_size}.get(stride, stride)

    def forward(self, x):
        windows = x.unfold(3, self.window, self.step).unfold(2, self.window, self.step)
        return windows.flatten(-2).sort(-1, descending=True).values[..., 0]
