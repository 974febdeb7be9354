'''A ModuleList of blocks built by a loop; the shortcut is functional, from a bare parameter and a BatchNorm.'''
import torch
import torch.nn.functional as F
from torch import nn


class ResidualBlock(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride):
        super().__init__()
        same = kernel_size // 2
        self.stride = stride
        self.convs = nn.ModuleList([
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, same, bias=False),
            nn.Conv2d(out_channels, out_channels, kernel_size, 1, same, bias=False),
        ])
        self.norms = nn.ModuleList([nn.BatchNorm2d(out_channels) for _ in range(3)])
        self.projection = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1) * (2 / in_channels) ** 0.5)

    def shortcut(self, x):
        # A 1×1 convolution with a stride is a product with every stride-th pixel.
        x = x[:, :, ::self.stride, ::self.stride]
        return self.norms[2](torch.einsum('nchw,oc->nohw', x, self.projection[:, :, 0, 0]))

    def forward(self, x):
        out = x
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            out = norm(conv(F.relu(out) if i else out))
        return torch.relu_(out + self.shortcut(x))


class MyResnet(nn.Module):
    def __init__(self, in_channels=3, num_classes=10):
        super().__init__()
        widths = [64, 128, 256, 512]
        self.stem = nn.ModuleDict({
            'conv': nn.Conv2d(in_channels, widths[0], 3, padding='same', bias=False),
            'norm': nn.BatchNorm2d(widths[0]),
        })
        self.blocks = nn.ModuleList([ResidualBlock(a, b, 3, 2) for a, b in zip(widths, widths[1:])])
        self.classify = nn.Linear(widths[-1], num_classes)

    def forward(self, x, return_embed=False):
        x = self.stem['norm'](self.stem['conv'](x)).clamp(min=0)
        for block in self.blocks:
            x = block(x)
        logits = self.classify(x.mean(dim=(-2, -1)))
        if not return_embed:
            return logits
        return logits, x


def init_weights_kaiming(m):
    if hasattr(m, 'projection'):
        nn.init.kaiming_normal_(m.projection)
    if isinstance(m, (nn.Conv2d, nn.Linear)):
        fan_in = m.weight[0].numel()
        with torch.no_grad():
            m.weight.normal_(0, (2 / fan_in) ** 0.5)
    if isinstance(m, nn.Linear):
        nn.init.constant_(m.bias, 0)
