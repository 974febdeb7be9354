"""Everything is an nn.Sequential, the residual block's parts too; 'features' and 'head' under odd names."""
import torch
import torch.nn as nn


def conv_bn(in_channels, out_channels, kernel_size, stride=1):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride=stride, padding=(kernel_size - 1) // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class ResidualBlock(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride):
        super(ResidualBlock, self).__init__()
        self.left = nn.Sequential(
            conv_bn(in_channels, out_channels, kernel_size, stride),
            nn.ReLU(inplace=True),
            conv_bn(out_channels, out_channels, kernel_size),
        )
        self.right = conv_bn(in_channels, out_channels, 1, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.left(x)
        out += self.right(x)
        return self.relu(out)


class MyResnet(nn.Module):
    def __init__(self, in_channels=3, num_classes=10):
        super(MyResnet, self).__init__()
        self.seq = nn.Sequential(
            conv_bn(in_channels, 64, 3),
            nn.ReLU(inplace=True),
            ResidualBlock(64, 128, 3, 2),
            ResidualBlock(128, 256, 3, 2),
            ResidualBlock(256, 512, 3, 2),
        )
        self.end = nn.Sequential(nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(512, num_classes))

    def forward(self, x, return_embed=False):
        embed = self.seq(x)
        logits = self.end(embed)
        return (logits, embed) if return_embed else logits


def init_weights_kaiming(m):
    if type(m) in (nn.Conv2d, nn.Linear):
        torch.nn.init.kaiming_normal_(m.weight, mode="fan_in", nonlinearity="relu")
        if m.bias is not None:
            m.bias.data.fill_(0.01)
